// What Tessera calls for the operations of tests/golden, a function per family.
#pragma once

#include "autograd/ops.h"
#include "core/creation.h"
#include "tests/support/golden.h"

namespace tessera::test {

using Tensors = std::vector<Tensor>;

void add_elementwise_ops(GoldenOps& ops);
void add_index_ops(GoldenOps& ops);
void add_linalg_ops(GoldenOps& ops);
void add_network_ops(GoldenOps& ops);
void add_operators(GoldenOps& ops);
void add_reduce_ops(GoldenOps& ops);
void add_shape_ops(GoldenOps& ops);

inline void unary(GoldenOps& ops, const std::string& name, Tensor (*fn)(TensorArg)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0))}; };
}

inline void binary(GoldenOps& ops, const std::string& name, Tensor (*fn)(TensorArg, TensorArg)) {
  ops[name] = [fn](const GoldenArgs& a) { return Tensors{fn(a.tensor(0), a.tensor(1))}; };
}

}  // namespace tessera::test
