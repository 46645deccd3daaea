// Images at places, what undoes pooling, and the other functions of layers in files of their own.
#include "tests/golden/ops/ops.h"

namespace tessera::test {
namespace {

GridInterpolation grid_mode_of(const std::string& word) {
  if (word == "nearest") return GridInterpolation::nearest;
  return word == "bicubic" ? GridInterpolation::bicubic : GridInterpolation::bilinear;
}

GridPadding grid_padding_of(const std::string& word) {
  if (word == "border") return GridPadding::border;
  return word == "reflection" ? GridPadding::reflection : GridPadding::zeros;
}

// What was pooled by maxima, put back: x, kernel, stride, padding, size, axes.
Tensor pooled_and_back(const GoldenArgs& a) {
  Tensor x = a.tensor(0);
  Dims kernel = a.dims(1);
  Dims stride = a.dims(2);
  Dims padding = a.dims(3);
  if (a.integer(5) == 1) {
    int64_t step = stride.empty() ? 0 : stride[0];
    MaxPool p = max_pool1d_with_indices(x, kernel[0], step, padding[0]);
    return max_unpool1d(p.values, p.indices, kernel[0], step, padding[0], a.dims(4));
  }
  if (a.integer(5) == 2) {
    MaxPool p = max_pool2d_with_indices(x, kernel, stride, padding);
    return max_unpool2d(p.values, p.indices, kernel, stride, padding, a.dims(4));
  }
  MaxPool p = max_pool3d_with_indices(x, kernel, stride, padding);
  return max_unpool3d(p.values, p.indices, kernel, stride, padding, a.dims(4));
}

// x, norm_type, kernel, stride, ceil_mode, axes.
Tensor pooled_by_norm(const GoldenArgs& a) {
  Tensor x = a.tensor(0);
  double p = a.number(1);
  Dims kernel = a.dims(2);
  Dims stride = a.dims(3);
  bool ceil = a.flag(4);
  if (a.integer(5) == 1) return lp_pool1d(x, p, kernel[0], stride.empty() ? 0 : stride[0], ceil);
  return a.integer(5) == 2 ? lp_pool2d(x, p, kernel, stride, ceil)
                           : lp_pool3d(x, p, kernel, stride, ceil);
}

}  // namespace

void add_sampling_ops(GoldenOps& ops) {
  ops["grid_sample"] = [](const GoldenArgs& a) {
    return Tensors{grid_sample(a.tensor(0), a.tensor(1), grid_mode_of(a.text(2)),
                               grid_padding_of(a.text(3)), a.flag(4))};
  };
  ops["affine_grid"] = [](const GoldenArgs& a) {
    return Tensors{affine_grid(a.tensor(0), a.dims(1), a.flag(2))};
  };
  ops["max_unpool"] = [](const GoldenArgs& a) { return Tensors{pooled_and_back(a)}; };
  ops["lp_pool"] = [](const GoldenArgs& a) { return Tensors{pooled_by_norm(a)}; };
  ops["rrelu"] = [](const GoldenArgs& a) {
    return Tensors{rrelu(a.tensor(0), a.number(1), a.number(2))};
  };
  ops["triplet_distance"] = [](const GoldenArgs& a) {
    DistanceFunction cosine = [](const Tensor& p, const Tensor& q) {
      return 1 - cosine_similarity(p, q, 1);
    };
    return Tensors{triplet_margin_with_distance_loss(
        a.tensor(0), a.tensor(1), a.tensor(2), a.text(3) == "usual" ? nullptr : cosine,
        {.margin = a.number(4), .swap = a.flag(5), .reduction = reduction_of(a.text(6))})};
  };
}

}  // namespace tessera::test
