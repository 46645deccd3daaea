#include "tests/golden/ops/ops.h"

namespace tessera::test {

void add_reduce_ops(GoldenOps& ops) {
  unary(ops, "sum_all", sum);
  unary(ops, "mean_all", mean);
  ops["sum"] = [](const GoldenArgs& a) { return Tensors{sum(a.tensor(0), a.dims(1), a.flag(2))}; };
  ops["mean"] = [](const GoldenArgs& a) {
    return Tensors{mean(a.tensor(0), a.dims(1), a.flag(2))};
  };
}

}  // namespace tessera::test
