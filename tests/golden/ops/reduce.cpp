#include "tests/golden/ops/ops.h"

namespace tessera::test {

void add_reduce_ops(GoldenOps& ops) {
  ops["sum_all"] = [](const GoldenArgs& a) { return Tensors{sum(a.tensor(0))}; };
  ops["mean_all"] = [](const GoldenArgs& a) { return Tensors{mean(a.tensor(0))}; };
  ops["sum"] = [](const GoldenArgs& a) { return Tensors{sum(a.tensor(0), a.dims(1), a.flag(2))}; };
  ops["mean"] = [](const GoldenArgs& a) {
    return Tensors{mean(a.tensor(0), a.dims(1), a.flag(2))};
  };
}

}  // namespace tessera::test
