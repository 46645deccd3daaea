#include "nn/layers/slices.h"

#include <algorithm>

#include "autograd/ops/creation.h"
#include "autograd/ops/join.h"
#include "autograd/record.h"

namespace tessera::nn {

std::vector<Tensor> slices(TensorArg x) {
  TESSERA_CHECK(x.dim() >= 1, "[slices] expected at least one dim, got {}", x.shape());
  std::vector<Array> views;
  for (int64_t i = 0; i < x.size(0); ++i) views.push_back(x.data().select(0, i));
  return record_many("slices", views, {x}, [](const Grads& dys, const Node&) {
    const Composed scope;
    std::vector<Tensor> all(dys.begin(), dys.end());
    auto known =
        std::find_if(all.begin(), all.end(), [](const Tensor& dy) { return dy.defined(); });
    if (known == all.end()) return Grads{Tensor()};
    Tensor nothing = zeros_like(*known);
    for (Tensor& dy : all) {
      if (!dy.defined()) dy = nothing;
    }
    return Grads{stack(all, 0)};
  });
}

std::vector<Tensor> slices(TensorArg x, const std::vector<int64_t>& sizes) {
  std::vector<Array> views;
  int64_t begin = 0;
  for (int64_t size : sizes) {
    views.push_back(x.data().slice(0, begin, begin + size));
    begin += size;
  }
  TESSERA_CHECK(begin == x.size(0), "[slices] expected {} rows, got {}", begin, x.shape());
  return record_many(
      "slices", views, {x}, [shape = x.shape(), sizes](const Grads& dys, const Node&) {
        const Composed scope;
        std::vector<Tensor> all(dys.begin(), dys.end());
        auto known =
            std::find_if(all.begin(), all.end(), [](const Tensor& dy) { return dy.defined(); });
        if (known == all.end()) return Grads{Tensor()};
        Tensor like = *known;
        for (size_t i = 0; i < all.size(); ++i) {
          if (all[i].defined()) continue;
          Dims rows = shape;
          rows[0] = sizes[i];
          all[i] = Tensor(Array::zeros(rows, like.dtype(), like.device()));
        }
        return Grads{cat(all, 0)};
      });
}

}  // namespace tessera::nn
