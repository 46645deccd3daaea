#include "tests/golden/ops/ops.h"

namespace tessera::test {

void add_elementwise_ops(GoldenOps& ops) {
  unary(ops, "abs", abs);
  unary(ops, "neg", neg);
  unary(ops, "sign", sign);
  unary(ops, "square", square);
  unary(ops, "sqrt", sqrt);
  unary(ops, "exp", exp);
  unary(ops, "log", log);
  unary(ops, "reciprocal", reciprocal);
  unary(ops, "tanh", tanh);
  unary(ops, "sigmoid", sigmoid);
  unary(ops, "relu", relu);
  ops["to"] = [](const GoldenArgs& a) { return Tensors{to(a.tensor(0), a.dtype(1))}; };
}

}  // namespace tessera::test
