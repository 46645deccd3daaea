// Operations that draw random numbers, from the calling thread's Context.
#pragma once

#include <concepts>
#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// Zeroes elements with probability p and scales the others by 1 / (1 - p); x itself when not
// training or p is 0. p in [0, 1].
Tensor dropout(TensorArg x, double p, bool training);

// A constant of independent numbers.
Tensor randn(const Dims& shape, DType dtype = DType::f32);
Tensor rand(const Dims& shape, DType dtype = DType::f32);
template <std::integral T>
Tensor randn(T size, DType dtype = DType::f32) {
  return randn(Dims{static_cast<int64_t>(size)}, dtype);
}
template <std::integral T>
Tensor rand(T size, DType dtype = DType::f32) {
  return rand(Dims{static_cast<int64_t>(size)}, dtype);
}
// Integers in [low, high), every value equally likely.
Tensor randint(int64_t low, int64_t high, const Dims& shape, DType dtype = DType::i64);
// A permutation of 0 to count - 1.
Tensor randperm(int64_t count, DType dtype = DType::i64);
// 1 with probability p[...], which lies in [0, 1], else 0; of p's dtype, floating.
Tensor bernoulli(TensorArg p);
Tensor normal(double mean, double std, const Dims& shape, DType dtype = DType::f32);
// Element by element: mean + std z, which broadcast, for independent standard normal z. Of the
// mean's dtype, or the std's where the mean is a number: a floating one.
Tensor normal(TensorArg mean, TensorArg std);
Tensor normal(TensorArg mean, double std);
Tensor normal(double mean, TensorArg std);
Tensor exponential(double rate, const Dims& shape, DType dtype = DType::f32);
// num_samples columns for each row of weights, (n) or (rows, n), with probabilities in proportion
// to these: i64. An error where weights are negative or not finite, a row's sum is not positive,
// or, without replacement, fewer are positive than are to be drawn.
Tensor multinomial(TensorArg weights, int64_t num_samples, bool replacement = false);

// Of x's shape, and its dtype unless given; constants.
Tensor rand_like(TensorArg x, std::optional<DType> dtype = {});
Tensor randn_like(TensorArg x, std::optional<DType> dtype = {});
Tensor randint_like(TensorArg x, int64_t low, int64_t high, std::optional<DType> dtype = {});

}  // namespace tessera
