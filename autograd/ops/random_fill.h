// Random numbers in place: self keeps its shape and dtype. The numbers come from the thread's
// stream, as those of random.h do: they depend on (seed, step, leaf, module path, call, element)
// alone. What was there before gets a gradient of zeros; autograd/in_place.h has the rules.
// Floating dtypes, except where a line says otherwise; 16-bit floats are drawn in f32.
#pragma once

#include <optional>

#include "autograd/tensor_arg.h"

namespace tessera {

// In [from, to); from <= to, both finite in self's dtype.
const Tensor& uniform_(SelfArg self, double from = 0, double to = 1);
const Tensor& normal_(SelfArg self, double mean = 0, double std = 1);
// exp of these; std > 0.
const Tensor& log_normal_(SelfArg self, double mean = 1, double std = 2);
// rate exp(-rate x), rate > 0.
const Tensor& exponential_(SelfArg self, double rate = 1);
// sigma / (pi ((x - median)^2 + sigma^2)), sigma > 0.
const Tensor& cauchy_(SelfArg self, double median = 0, double sigma = 1);
// How many trials until the first success, of probability p in (0, 1): 1, 2, .... Any dtype but
// bool; a count beyond an integer dtype becomes its largest.
const Tensor& geometric_(SelfArg self, double p);
// 1 with probability p, else 0. Any dtype; a tensor p is floating and broadcasts to self's shape.
const Tensor& bernoulli_(SelfArg self, double p = 0.5);
const Tensor& bernoulli_(SelfArg self, TensorArg p);
// Integers in [from, to), every one equally likely. Any dtype that can hold from and to - 1; floats
// that do not have all integers of the range get the nearest in it that they have. Without `from`,
// from 0.
const Tensor& random_(SelfArg self, int64_t from, int64_t to);
const Tensor& random_(SelfArg self, int64_t to);
// In [0, the dtype's largest], or for floats [0, the largest below which they have every integer].
const Tensor& random_(SelfArg self);

}  // namespace tessera
