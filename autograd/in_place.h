// Operations that write into a tensor's own elements.
#pragma once

#include "autograd/record.h"
#include "core/parallel.h"

namespace tessera {

// Writes the result of an operation into self, and gives self (and all that shares its elements)
// the history of that result. What was saved of the old elements is found out by its version.
//   compute(old): the result out of place, of self's shape and dtype, where `old` stands for self
//                 before the change; used when a history is recorded.
//   kernel(out):  writes the result into out, which is self's array; used when none is. Undefined:
//                 the result of compute is copied.
// `others` are the remaining inputs. Errors: self is a leaf that requires a gradient, or a view of
// one, while a history is recorded; some of its elements share memory (as after expand); the
// result has another shape, or a dtype that self's cannot hold.
const Tensor& in_place(const char* op, const Tensor& self, InputRefs others,
                       FunctionRef<Tensor(const Tensor& old)> compute,
                       FunctionRef<void(const Array& out)> kernel);
const Tensor& in_place(const char* op, const Tensor& self, InputRefs others,
                       FunctionRef<Tensor(const Tensor& old)> compute);

// self = source, converted and broadcast.
const Tensor& copy_(SelfArg self, TensorArg source);

}  // namespace tessera
