#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

// Items of an index from argument `first` on: see ITEMS in scripts/golden/index.py.
IndexItems items_of(const GoldenArgs& a, size_t first) {
  IndexItems out;
  for (size_t i = first; i < a.size(); ++i) {
    if (a.is_tensor(i)) {
      out.emplace_back(a.tensor(i));
    } else if (a.is_integer(i)) {
      out.emplace_back(a.integer(i));
    } else if (a.is_text(i)) {
      a.text(i) == "..." ? out.emplace_back(ellipsis) : out.emplace_back(newaxis);
    } else {
      const nlohmann::json& slice = a.at(i);
      auto bound = [&](size_t j) {
        return slice.at(j).is_null() ? std::nullopt : std::optional(slice.at(j).get<int64_t>());
      };
      out.emplace_back(Slice(bound(1), bound(2), slice.at(3).get<int64_t>()));
    }
  }
  return out;
}

// Adding zero makes a tensor that is not a leaf, which may be written to.
Tensor copy_of(const Tensor& x) { return cat({x}, 0); }

}  // namespace

void add_index_ops(GoldenOps& ops) {
  ops["gather"] = [](const GoldenArgs& a) {
    return Tensors{gather(a.tensor(0), a.integer(1), a.tensor(2))};
  };
  ops["take_along_dim"] = [](const GoldenArgs& a) {
    return Tensors{take_along_dim(a.tensor(0), a.tensor(1), a.integer(2))};
  };
  ops["index_select"] = [](const GoldenArgs& a) {
    return Tensors{index_select(a.tensor(0), a.integer(1), a.tensor(2))};
  };
  ops["scatter"] = [](const GoldenArgs& a) {
    return Tensors{a.is_tensor(3) ? scatter(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))
                                  : scatter(a.tensor(0), a.integer(1), a.tensor(2), a.integer(3))};
  };
  ops["scatter_add"] = [](const GoldenArgs& a) {
    return Tensors{scatter_add(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))};
  };
  ops["index_add"] = [](const GoldenArgs& a) {
    return Tensors{index_add(a.tensor(0), a.integer(1), a.tensor(2), a.tensor(3))};
  };
  binary(ops, "masked_select", masked_select);
  unary(ops, "nonzero", nonzero);
  ops["one_hot"] = [](const GoldenArgs& a) { return Tensors{one_hot(a.tensor(0), a.integer(1))}; };
  ops["index"] = [](const GoldenArgs& a) { return Tensors{index(a.tensor(0), items_of(a, 1))}; };
  ops["assign"] = [](const GoldenArgs& a) {
    Tensor y = copy_of(a.tensor(0));
    assign(y, items_of(a, 2), a.tensor(1));
    return Tensors{y};
  };
  ops["index_put_accumulate"] = [](const GoldenArgs& a) {
    Tensor y = copy_of(a.tensor(0));
    index_put_(y, items_of(a, 2), a.tensor(1), true);
    return Tensors{y};
  };
}

}  // namespace tessera::test
