#include "autograd/ops/pool3d.h"

#include <array>

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/normalize_common.h"

namespace tessera {
namespace {

constexpr const char* kVolumes = "(N, C, D, H, W)";

// A size for each of D, H and W.
struct Sizes {
  std::array<int64_t, 3> of;

  Sizes(const char* op, const char* what, const Dims& sizes, int64_t smallest) {
    TESSERA_CHECK(sizes.size() == 1 || sizes.size() == 3,
                  "[{}] expected {} of one or three sizes, got {}", op, what, sizes);
    // Beyond this nothing fits into memory anyway.
    constexpr int64_t kLargest = int64_t{1} << 30;
    for (size_t d = 0; d < 3; ++d) {
      of[d] = sizes.size() == 1 ? sizes[0] : sizes[d];
      TESSERA_CHECK(of[d] >= smallest && of[d] <= kLargest,
                    "[{}] expected {} of at least {}, got {}", op, what, smallest, sizes);
    }
  }
  Dims plane() const { return {of[1], of[2]}; }
  // For the image of D rows, a plane being a row.
  Dims depth(int64_t across) const { return {of[0], across}; }
};

struct VolumePooling {
  Sizes kernel, stride, padding, dilation;
  bool ceil_mode;

  VolumePooling(const char* op, const Tensor& x, const Dims& kernel_arg, const Dims& stride_arg,
                const Dims& padding_arg, const Dims& dilation_arg, bool ceil)
      : kernel(op, "kernel", kernel_arg, 1),
        stride(op, "stride", stride_arg.empty() ? kernel_arg : stride_arg, 1),
        padding(op, "padding", padding_arg, 0),
        dilation(op, "dilation", dilation_arg, 1),
        ceil_mode(ceil) {
    for (size_t d = 0; d < 3; ++d) {
      TESSERA_CHECK(padding.of[d] <= kernel.of[d] / 2,
                    "[{}] expected padding of at most half the kernel {}, got {}", op, kernel_arg,
                    padding_arg);
      int64_t size = x.shape()[d + 2];
      int64_t room = size + 2 * padding.of[d] - dilation.of[d] * (kernel.of[d] - 1) - 1;
      TESSERA_CHECK(size >= 1 && (room >= 0 || (ceil && room > -stride.of[d])),
                    "[{}] expected a kernel {} that fits into {}", op, kernel_arg, x.shape());
    }
  }
};

// (N, C, D, H, W) as images (N, C D, H, W).
Tensor planes_of(const Tensor& x) {
  return reshape(x, {x.size(0), x.size(1) * x.size(2), x.size(3), x.size(4)});
}

// The same after its planes were pooled, as images (N, C, D, H' W').
Tensor columns_over(const Tensor& planes, const Tensor& x) {
  return reshape(planes, {x.size(0), x.size(1), x.size(2), planes.size(2) * planes.size(3)});
}

// (N, C, D', H' W') as volumes.
Tensor as_volumes(const Tensor& columns, const Tensor& planes) {
  return reshape(
      columns, {columns.size(0), columns.size(1), columns.size(2), planes.size(2), planes.size(3)});
}

// Where the elements of each column came from within their plane of `plane_size` elements, and
// which plane was chosen of each column.
Tensor volume_indices(const MaxPool& planes, const MaxPool& columns, const Tensor& x) {
  const NoGrad constant;
  int64_t n = x.size(0);
  int64_t c = x.size(1);
  int64_t across = planes.indices.size(2) * planes.indices.size(3);
  int64_t depth = columns.indices.size(2);
  Tensor chosen = reshape(columns.indices, {n, c, depth * across});
  Tensor within = gather(reshape(planes.indices, {n, c, x.size(2) * across}), 2, chosen);
  Tensor all = floor_divide(chosen, across) * (x.size(3) * x.size(4)) + within;
  return as_volumes(reshape(all, {n, c, depth, across}), planes.indices);
}

template <class OfPlanes, class OfColumns>
MaxPool largest_of_volumes(const Tensor& x, const OfPlanes& of_planes, const OfColumns& of_columns,
                           bool wants_indices) {
  MaxPool planes = of_planes(planes_of(x));
  MaxPool columns = of_columns(columns_over(planes.values, x));
  Tensor indices;
  if (wants_indices && x.numel() > 0) indices = volume_indices(planes, columns, x);
  else indices = as_volumes(columns.indices, planes.values);
  return {as_volumes(columns.values, planes.values), indices};
}

MaxPool max_of_volumes(const VolumePooling& p, const Tensor& x, bool wants_indices) {
  return largest_of_volumes(
      x,
      [&](const Tensor& planes) {
        return max_pool2d_with_indices(planes, p.kernel.plane(), p.stride.plane(),
                                       p.padding.plane(), p.dilation.plane(), p.ceil_mode);
      },
      [&](const Tensor& columns) {
        return max_pool2d_with_indices(columns, p.kernel.depth(1), p.stride.depth(1),
                                       p.padding.depth(0), p.dilation.depth(1), p.ceil_mode);
      },
      wants_indices);
}

// The sizes of D', H' and W'.
std::array<int64_t, 3> adaptive_sizes(const char* op, const Tensor& x,
                                      const AdaptiveSize& out_size) {
  const auto& sizes = out_size.get();
  TESSERA_CHECK(sizes.size() == 1 || sizes.size() == 3,
                "[{}] expected out_size of one or three sizes, got {}", op, sizes.size());
  std::array<int64_t, 3> out{};
  for (size_t d = 0; d < 3; ++d) {
    int64_t size = x.shape()[d + 2];
    TESSERA_CHECK(size > 0, "[{}] expected a volume with elements, got {}", op, x.shape());
    out[d] = sizes[sizes.size() == 1 ? 0 : d].value_or(size);
    TESSERA_CHECK(out[d] >= 0, "[{}] expected out_size of at least 0, got {}", op, out[d]);
  }
  return out;
}

MaxPool adaptive_max_of_volumes(const char* op, const TensorArg& x, const AdaptiveSize& out_size,
                                bool wants_indices) {
  BatchArg volumes(op, kVolumes, x, 5);
  auto size = adaptive_sizes(op, *volumes, out_size);
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
  MaxPool found = largest_of_volumes(
      *volumes,
      [&](const Tensor& planes) {
        return adaptive_max_pool2d_with_indices(planes, {size[1], size[2]});
      },
      [&](const Tensor& columns) {
        return adaptive_max_pool2d_with_indices(columns, {size[0], std::nullopt});
      },
      wants_indices);
  return {volumes.back(found.values), volumes.back(found.indices)};
}

MaxPool max_pool_volumes(const TensorArg& x, const Dims& kernel, const Dims& stride,
                         const Dims& padding, const Dims& dilation, bool ceil_mode,
                         bool wants_indices) {
  const char* op = "max_pool3d";
  BatchArg volumes(op, kVolumes, x, 5);
  TESSERA_CHECK(x.dtype() != DType::boolean, "[{}] expected numbers, got bool", op);
  VolumePooling p(op, *volumes, kernel, stride, padding, dilation, ceil_mode);
  MaxPool found = max_of_volumes(p, *volumes, wants_indices);
  return {volumes.back(found.values), volumes.back(found.indices)};
}

}  // namespace

MaxPool max_pool3d_with_indices(TensorArg x, const Dims& kernel, const Dims& stride,
                                const Dims& padding, const Dims& dilation, bool ceil_mode) {
  const Composed scope;
  return max_pool_volumes(x, kernel, stride, padding, dilation, ceil_mode, true);
}

Tensor max_pool3d(TensorArg x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  const Dims& dilation, bool ceil_mode) {
  const Composed scope;
  return max_pool_volumes(x, kernel, stride, padding, dilation, ceil_mode, false).values;
}

// Sums of planes' windows and then of columns', each divided by its own count.
Tensor avg_pool3d(TensorArg x, const Dims& kernel, const Dims& stride, const Dims& padding,
                  bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor_override) {
  const Composed scope;
  const char* op = "avg_pool3d";
  BatchArg volumes(op, kVolumes, x, 5);
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
  TESSERA_CHECK(divisor_override != 0, "[{}] expected a divisor_override other than 0", op);
  VolumePooling p(op, *volumes, kernel, stride, padding, {1}, ceil_mode);
  std::optional<int64_t> one;
  if (divisor_override) one = 1;
  Tensor wide = to(*volumes, compute_dtype_of(x.dtype()));
  Tensor planes = avg_pool2d(planes_of(wide), p.kernel.plane(), p.stride.plane(), p.padding.plane(),
                             ceil_mode, count_include_pad, one);
  Tensor columns = avg_pool2d(columns_over(planes, wide), p.kernel.depth(1), p.stride.depth(1),
                              p.padding.depth(0), ceil_mode, count_include_pad, divisor_override);
  return to(volumes.back(as_volumes(columns, planes)), x.dtype());
}

Tensor adaptive_avg_pool3d(TensorArg x, const AdaptiveSize& out_size) {
  const Composed scope;
  const char* op = "adaptive_avg_pool3d";
  BatchArg volumes(op, kVolumes, x, 5);
  auto size = adaptive_sizes(op, *volumes, out_size);
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
  Tensor wide = to(*volumes, compute_dtype_of(x.dtype()));
  Tensor planes = adaptive_avg_pool2d(planes_of(wide), {size[1], size[2]});
  Tensor columns = adaptive_avg_pool2d(columns_over(planes, wide), {size[0], std::nullopt});
  return to(volumes.back(as_volumes(columns, planes)), x.dtype());
}

MaxPool adaptive_max_pool3d_with_indices(TensorArg x, const AdaptiveSize& out_size) {
  const Composed scope;
  return adaptive_max_of_volumes("adaptive_max_pool3d", x, out_size, true);
}

Tensor adaptive_max_pool3d(TensorArg x, const AdaptiveSize& out_size) {
  const Composed scope;
  return adaptive_max_of_volumes("adaptive_max_pool3d", x, out_size, false).values;
}

}  // namespace tessera
