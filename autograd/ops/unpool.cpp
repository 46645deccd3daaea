#include "autograd/ops/unpool.h"

#include <cmath>

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/pool3d.h"

namespace tessera {
namespace {

struct Unpooling {
  const char* op;
  const char* form;
  size_t axes;
  Dims kernel, stride, padding, output_size;

  // A size for each axis.
  Dims each(const char* what, const Dims& sizes, int64_t smallest) const {
    TESSERA_CHECK(sizes.size() == 1 || sizes.size() == axes,
                  "[{}] expected {} of one size, or of {}, got {}", op, what, axes, sizes);
    Dims out;
    for (size_t d = 0; d < axes; ++d) {
      int64_t size = sizes[sizes.size() == 1 ? 0 : d];
      // Beyond this nothing fits into memory anyway.
      constexpr int64_t kLargest = int64_t{1} << 30;
      TESSERA_CHECK(size >= smallest && size <= kLargest, "[{}] expected {} of at least {}, got {}",
                    op, what, smallest, sizes);
      out.push_back(size);
    }
    return out;
  }

  // The sizes of the axes of x (N, C, ...) before it was pooled.
  Dims sizes_for(const Tensor& x) const {
    Dims kernels = each("kernel", kernel, 1);
    Dims strides = each("stride", stride.empty() ? kernel : stride, 1);
    Dims paddings = each("padding", padding, 0);
    Dims wanted = output_size;
    if (wanted.size() == axes + 2) {
      wanted = Dims(std::span(output_size.data() + 2, axes));
    }
    TESSERA_CHECK(wanted.empty() || wanted.size() == axes,
                  "[{}] expected an output_size of {} sizes, got {}", op, axes, output_size);
    Dims out;
    for (size_t d = 0; d < axes; ++d) {
      int64_t usual = (x.shape()[d + 2] - 1) * strides[d] - 2 * paddings[d] + kernels[d];
      int64_t size = wanted.empty() ? usual : wanted[d];
      TESSERA_CHECK(size > usual - strides[d] && size < usual + strides[d],
                    "[{}] expected an output_size between {} and {} in dim {}, got {}", op,
                    usual - strides[d], usual + strides[d], d, output_size);
      TESSERA_CHECK(size >= 0, "[{}] expected a result with sizes of at least 0, got {}", op, size);
      out.push_back(size);
    }
    return out;
  }
};

void check_places(const char* op, const Tensor& indices, int64_t elements) {
  if (indices.device().type != DeviceType::cpu) return;
  for (int64_t place : indices.data().to_vector<int64_t>()) {
    TESSERA_CHECK(place >= 0 && place < elements, "[{}] expected indices in [0, {}), got {}", op,
                  elements, place);
  }
}

Tensor unpooled(const Unpooling& p, const TensorArg& x, const TensorArg& indices) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", p.op, x.dtype());
  TESSERA_CHECK(indices.dtype() == DType::i64 && indices.shape() == x.shape(),
                "[{}] expected indices of i64 and x's shape {}, got {} {}", p.op, x.shape(),
                indices.dtype(), indices.shape());
  TESSERA_CHECK(x.device() == indices.device(), "[{}] expected one device, got {} and {}", p.op,
                x.device(), indices.device());
  BatchArg batch(p.op, p.form, x, p.axes + 2);
  int64_t n = batch->size(0);
  int64_t c = batch->size(1);
  Dims shape{n, c};
  int64_t elements = 1;
  for (int64_t size : p.sizes_for(*batch)) {
    shape.push_back(size);
    elements *= size;
  }
  check_places(p.op, indices, elements);
  int64_t count = 1;
  for (size_t d = 2; d < batch->dim(); ++d) count *= batch->shape()[d];
  Tensor nothing = Array::zeros({n, c, elements}, x.dtype(), x.device());
  Tensor places = reshape(indices, {n, c, count});
  Tensor out = scatter(nothing, 2, places, reshape(*batch, {n, c, count}));
  return batch.back(reshape(out, shape));
}

// Of the means of x^p over windows of `size` elements.
Tensor root_of_means(const Tensor& means, double p, double size) {
  Tensor sums = sign(means) * relu(abs(means)) * size;
  return pow(sums, 1 / p);
}

void check_norm(const char* op, const Tensor& x, double p) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
  TESSERA_CHECK(p != 0 && !std::isnan(p), "[{}] expected a norm_type other than 0, got {}", op, p);
}

int64_t elements_of(const Dims& kernel, int64_t axes) {
  if (kernel.size() == 1) {
    int64_t all = 1;
    for (int64_t d = 0; d < axes; ++d) all *= kernel[0];
    return all;
  }
  return num_elements(kernel);
}

}  // namespace

Tensor max_unpool1d(TensorArg x, TensorArg indices, int64_t kernel, int64_t stride, int64_t padding,
                    const Dims& output_size) {
  const Composed scope;
  return unpooled({"max_unpool1d",
                   "(N, C, L)",
                   1,
                   {kernel},
                   {stride ? stride : kernel},
                   {padding},
                   output_size},
                  x, indices);
}

Tensor max_unpool2d(TensorArg x, TensorArg indices, const Dims& kernel, const Dims& stride,
                    const Dims& padding, const Dims& output_size) {
  const Composed scope;
  return unpooled({"max_unpool2d", "(N, C, H, W)", 2, kernel, stride, padding, output_size}, x,
                  indices);
}

Tensor max_unpool3d(TensorArg x, TensorArg indices, const Dims& kernel, const Dims& stride,
                    const Dims& padding, const Dims& output_size) {
  const Composed scope;
  return unpooled({"max_unpool3d", "(N, C, D, H, W)", 3, kernel, stride, padding, output_size}, x,
                  indices);
}

Tensor lp_pool1d(TensorArg x, double norm_type, int64_t kernel, int64_t stride, bool ceil_mode) {
  const Composed scope;
  check_norm("lp_pool1d", x, norm_type);
  if (std::isinf(norm_type)) {
    Tensor sizes = abs(x);
    if (norm_type > 0) return max_pool1d(sizes, kernel, stride, 0, 1, ceil_mode);
    return neg(max_pool1d(neg(sizes), kernel, stride, 0, 1, ceil_mode));
  }
  Tensor means = avg_pool1d(pow(x, norm_type), kernel, stride, 0, ceil_mode);
  return root_of_means(means, norm_type, static_cast<double>(kernel));
}

Tensor lp_pool2d(TensorArg x, double norm_type, const Dims& kernel, const Dims& stride,
                 bool ceil_mode) {
  const Composed scope;
  check_norm("lp_pool2d", x, norm_type);
  if (std::isinf(norm_type)) {
    Tensor sizes = abs(x);
    if (norm_type > 0) return max_pool2d(sizes, kernel, stride, {0}, {1}, ceil_mode);
    return neg(max_pool2d(neg(sizes), kernel, stride, {0}, {1}, ceil_mode));
  }
  Tensor means = avg_pool2d(pow(x, norm_type), kernel, stride, {0}, ceil_mode);
  return root_of_means(means, norm_type, static_cast<double>(elements_of(kernel, 2)));
}

Tensor lp_pool3d(TensorArg x, double norm_type, const Dims& kernel, const Dims& stride,
                 bool ceil_mode) {
  const Composed scope;
  check_norm("lp_pool3d", x, norm_type);
  if (std::isinf(norm_type)) {
    Tensor sizes = abs(x);
    if (norm_type > 0) return max_pool3d(sizes, kernel, stride, {0}, {1}, ceil_mode);
    return neg(max_pool3d(neg(sizes), kernel, stride, {0}, {1}, ceil_mode));
  }
  Tensor means = avg_pool3d(pow(x, norm_type), kernel, stride, {0}, ceil_mode);
  return root_of_means(means, norm_type, static_cast<double>(elements_of(kernel, 3)));
}

}  // namespace tessera
