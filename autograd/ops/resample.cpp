#include "autograd/ops/resample.h"

#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/pool.h"

namespace tessera {
namespace {

AxisMap transposed(const AxisMap& map, int64_t size) {
  AxisMap out(static_cast<size_t>(size));
  for (size_t i = 0; i < map.size(); ++i) {
    for (const Tap& tap : map[i]) {
      out[static_cast<size_t>(tap.index)].push_back({static_cast<int64_t>(i), tap.weight});
    }
  }
  return out;
}

}  // namespace

Tensor resample(const char* op, const Tensor& x, const AxisMap& rows, const AxisMap& cols) {
  if (x.dtype() == DType::bf16 || x.dtype() == DType::f16) {
    return to(resample(op, to(x, DType::f32), rows, cols), x.dtype());
  }
  Array out = Array::empty(
      {x.size(0), x.size(1), static_cast<int64_t>(rows.size()), static_cast<int64_t>(cols.size())},
      x.dtype(), x.device());
  kernels(x.device()).pool().resample(x.data(), rows, cols, out);
  return record(
      op, out, {x},
      [rows, cols, height = x.size(2), width = x.size(3)](const Tensor& dy, const Node& node) {
        return Grads{resample(node.op(), dy, transposed(rows, height), transposed(cols, width))};
      });
}

AxisMap adaptive_means(int64_t size, int64_t out_size) {
  AxisMap map(static_cast<size_t>(out_size));
  for (int64_t i = 0; i < out_size; ++i) {
    int64_t begin = i * size / out_size;
    int64_t end = ((i + 1) * size + out_size - 1) / out_size;
    for (int64_t j = begin; j < end; ++j) {
      map[static_cast<size_t>(i)].push_back({j, 1 / static_cast<double>(end - begin)});
    }
  }
  return map;
}

Tensor as_image(const Tensor& x) { return unsqueeze(x, 2); }

Tensor as_sequence(const Tensor& image) {
  return reshape(image, {image.size(0), image.size(1), image.size(3)});
}

}  // namespace tessera
