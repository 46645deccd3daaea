// What the files of op cases share: plain references, and makers of common rows.
#pragma once

#include <cmath>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/op_cases.h"

namespace tessera::test {

using Inputs = std::vector<Tensor>;
using Plains = std::vector<Plain>;
using PlainFunction = std::function<Plain(const Plains&)>;

inline Dims leading(const Dims& shape) { return Dims(std::span(shape.data(), shape.size() - 1)); }

// The index of element i of `shape` within an array of shape `from` broadcast to it.
inline size_t broadcast_index(size_t i, const Dims& shape, const Dims& from) {
  size_t index = 0;
  size_t stride = 1;
  size_t lead = shape.size() - from.size();
  for (size_t d = shape.size(); d-- > lead;) {
    auto size = static_cast<size_t>(shape[d]);
    if (from[d - lead] != 1) index += i % size * stride;
    stride *= static_cast<size_t>(from[d - lead]);
    i /= size;
  }
  return index;
}

inline PlainFunction each(double (*fn)(double)) {
  return [fn](const Plains& in) {
    Plain out = in[0];
    for (double& x : out.values) x = fn(x);
    return out;
  };
}

inline PlainFunction each_pair(double (*fn)(double, double)) {
  return [fn](const Plains& in) {
    Plain out{broadcast_shapes(in[0].shape, in[1].shape, "reference"), {}};
    auto count = static_cast<size_t>(num_elements(out.shape));
    for (size_t i = 0; i < count; ++i) {
      out.values.push_back(fn(in[0].values[broadcast_index(i, out.shape, in[0].shape)],
                              in[1].values[broadcast_index(i, out.shape, in[1].shape)]));
    }
    return out;
  };
}

// fn(row, out) on each row of the last dim.
inline PlainFunction each_row(void (*fn)(const double* row, size_t size, double* out)) {
  return [fn](const Plains& in) {
    Plain out = in[0];
    auto cols = static_cast<size_t>(in[0].shape.back());
    for (size_t i = 0; i < out.values.size(); i += cols) {
      fn(in[0].values.data() + i, cols, out.values.data() + i);
    }
    return out;
  };
}

inline double log_sum_exp(const double* row, size_t size) {
  double sum = 0;
  for (size_t j = 0; j < size; ++j) sum += std::exp(row[j]);
  return std::log(sum);
}

inline void plain_log_softmax(const double* row, size_t size, double* out) {
  double lse = log_sum_exp(row, size);
  for (size_t j = 0; j < size; ++j) out[j] = row[j] - lse;
}

inline void plain_softmax(const double* row, size_t size, double* out) {
  double lse = log_sum_exp(row, size);
  for (size_t j = 0; j < size; ++j) out[j] = std::exp(row[j] - lse);
}

inline double total(const Plain& x) {
  double sum = 0;
  for (double value : x.values) sum += value;
  return sum;
}

// Integers in [0, limit), some of them repeated.
inline Array indices(const Dims& shape, int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < num_elements(shape); ++i) values.push_back(i * i * 7 % 31 % limit);
  return Array::from(values, shape);
}

using Unary = std::function<Tensor(const Tensor&)>;
using Binary = std::function<Tensor(const Tensor&, const Tensor&)>;

inline OpCase unary(std::string name, Unary fn, double (*reference)(double), double low,
                    double high, double gap = 0) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = {{{{2, 3}, low, high, gap}},
                     {{{}, low, high, gap}},
                     {{{0, 2}, low, high, gap}},
                     {{{19}, low, high, gap}}},
          .large = {{{70, 1001}, low, high, gap}},
          .reference = each(reference)};
}

// The second operand comes from [low, high) and away from zero by gap.
inline OpCase binary(std::string name, Binary fn, double (*reference)(double, double),
                     double low = -2, double high = 2, double gap = 0) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0], in[1]); },
          .inputs = {{{{2, 3}}, {{2, 3}, low, high, gap}},
                     {{{2, 3}}, {{3}, low, high, gap}},
                     {{{2, 1}}, {{3}, low, high, gap}},
                     {{{}}, {{2, 1, 2}, low, high, gap}},
                     {{{0, 3}}, {{1, 3}, low, high, gap}}},
          .large = {{{70, 1001}}, {{1001}, low, high, gap}},
          .reference = each_pair(reference)};
}

// For operations with overloads: the one of tensors alone.
inline OpCase unary(std::string name, Tensor (*fn)(TensorArg), double (*reference)(double),
                    double low, double high, double gap = 0) {
  return unary(std::move(name), Unary([fn](const Tensor& x) { return fn(x); }), reference, low,
               high, gap);
}
inline OpCase binary(std::string name, Tensor (*fn)(TensorArg, TensorArg),
                     double (*reference)(double, double), double low = -2, double high = 2,
                     double gap = 0) {
  return binary(std::move(name),
                Binary([fn](const Tensor& a, const Tensor& b) { return fn(a, b); }), reference, low,
                high, gap);
}

// An operation that moves elements: its own f64 result is its reference.
inline OpCase moves(std::string name, Unary fn, std::vector<InputSpecs> inputs, InputSpecs large) {
  return {.name = std::move(name),
          .fn = [fn](const Inputs& in) { return fn(in[0]); },
          .inputs = std::move(inputs),
          .large = std::move(large),
          .any_dtype = true};
}

}  // namespace tessera::test
