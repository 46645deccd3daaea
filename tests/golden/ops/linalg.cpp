#include "tests/golden/ops/ops.h"

namespace tessera::test {

void add_linalg_ops(GoldenOps& ops) {
  binary(ops, "matmul", matmul);
  binary(ops, "mm", mm);
  binary(ops, "bmm", bmm);
  binary(ops, "mv", mv);
  binary(ops, "dot", dot);
  binary(ops, "outer", outer);
  binary(ops, "kron", kron);
  unary(ops, "trace", trace);
  ops["tensordot"] = [](const GoldenArgs& a) {
    return Tensors{tensordot(a.tensor(0), a.tensor(1), a.integer(2))};
  };
  ops["tensordot_dims"] = [](const GoldenArgs& a) {
    return Tensors{tensordot(a.tensor(0), a.tensor(1), a.dims(2), a.dims(3))};
  };
  ops["addmm"] = [](const GoldenArgs& a) {
    return Tensors{addmm(a.tensor(0), a.tensor(1), a.tensor(2), a.number(3), a.number(4))};
  };
  ops["baddbmm"] = [](const GoldenArgs& a) {
    return Tensors{baddbmm(a.tensor(0), a.tensor(1), a.tensor(2), a.number(3), a.number(4))};
  };
  ops["linear"] = [](const GoldenArgs& a) {
    return Tensors{linear(a.tensor(0), a.tensor(1), a.tensor(2))};
  };
  ops["einsum"] = [](const GoldenArgs& a) { return Tensors{einsum(a.text(0), a.tensors(1))}; };
}

}  // namespace tessera::test
