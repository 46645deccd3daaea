#include "autograd/ops/conv3d.h"

#include <algorithm>
#include <array>

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/conv.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/patches.h"

namespace tessera {
namespace {

using Triple = std::array<int64_t, 3>;

Triple triple_of(const char* op, const char* what, const Dims& dims, int64_t smallest) {
  TESSERA_CHECK(dims.size() == 1 || dims.size() == 3,
                "[{}] expected {} of one or three sizes, got {}", op, what, dims);
  Triple out{dims[0], dims.size() == 1 ? dims[0] : dims[1], dims.back()};
  // Beyond this nothing fits into memory anyway, and sums of products of sizes stay in range.
  constexpr int64_t kLargest = int64_t{1} << 30;
  for (int64_t size : out) {
    TESSERA_CHECK(size >= smallest && size <= kLargest, "[{}] expected {} of at least {}, got {}",
                  op, what, smallest, dims);
  }
  return out;
}

Dims plane_of(const Triple& sizes) { return {sizes[1], sizes[2]}; }

struct VolumeConv {
  Triple stride, padding, dilation;
  int64_t groups;
};

void check_volumes(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                   int64_t groups, int64_t out_channels) {
  TESSERA_CHECK(weight.dim() == 5, "[{}] expected a weight of 5 dims, got {}", op, weight.shape());
  TESSERA_CHECK(x.dtype() != DType::boolean, "[{}] expected numbers, got bool", op);
  TESSERA_CHECK(x.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == x.dtype()),
                "[{}] expected x, weight and bias of one dtype, got {}, {} and {}", op, x.dtype(),
                weight.dtype(), bias.defined() ? name(bias.dtype()) : "no bias");
  TESSERA_CHECK(groups >= 1, "[{}] expected groups of at least 1, got {}", op, groups);
  TESSERA_CHECK(!bias.defined() || bias.shape() == Dims{out_channels},
                "[{}] expected a bias of shape ({},), got {}", op, out_channels, bias.shape());
}

// (N, C, D, H, W) -> (N OD, C KD, H, W): each place along D with the planes under the kernel's.
Tensor planes_under(const Tensor& x, int64_t kernel, const VolumeConv& c) {
  int64_t pad_depth = c.padding[0];
  Tensor padded = pad_depth > 0 ? pad(x, {0, 0, 0, 0, pad_depth, pad_depth}) : x;
  int64_t reach = c.dilation[0] * (kernel - 1) + 1;
  Tensor windows = slice(unfold(padded, 2, reach, c.stride[0]), -1, 0, reach, c.dilation[0]);
  int64_t places = windows.size(2);
  return reshape(permute(windows, {0, 2, 1, 5, 3, 4}),
                 {x.size(0) * places, x.size(1) * kernel, x.size(3), x.size(4)});
}

// (N D, C, H, W) -> (N, C, D, H, W)
Tensor volumes_of(const Tensor& planes, int64_t batch, int64_t depth) {
  Dims shape{batch, depth, planes.size(1), planes.size(2), planes.size(3)};
  return contiguous(permute(reshape(planes, shape), {0, 2, 1, 3, 4}));
}

// x (N, C, D, H, W) under a weight (C, O / groups, KD, KH, KW) -> (N, O, KD, D, OH OW): what every
// plane gives for each of the kernel's.
Tensor spread_planes(const Tensor& x, const Tensor& weight, const VolumeConv& c,
                     const Triple& output_padding, Dims& plane) {
  int64_t n = x.size(0);
  int64_t depth = x.size(2);
  int64_t kernel = weight.size(2);
  Tensor planes =
      reshape(permute(x, {0, 2, 1, 3, 4}), {n * depth, x.size(1), x.size(3), x.size(4)});
  Tensor kernels =
      reshape(weight, {weight.size(0), weight.size(1) * kernel, weight.size(3), weight.size(4)});
  Tensor y = conv_transpose2d(planes, kernels, {}, plane_of(c.stride), plane_of(c.padding),
                              plane_of(output_padding), c.groups, plane_of(c.dilation));
  plane = {y.size(2), y.size(3)};
  int64_t out = weight.size(1) * c.groups;
  y = reshape(y, {n, depth, out, kernel, y.size(2) * y.size(3)});
  return permute(y, {0, 2, 3, 1, 4});
}

// The sizes of the result, each checked.
Triple transposed_sizes(const char* op, const Tensor& x, const Tensor& weight, const VolumeConv& c,
                        const Triple& output_padding) {
  Triple out{};
  for (size_t d = 0; d < 3; ++d) {
    TESSERA_CHECK(output_padding[d] < std::max(c.stride[d], c.dilation[d]),
                  "[{}] expected output_padding below stride or dilation, got {}", op,
                  output_padding[d]);
    int64_t kernel = weight.shape()[d + 2];
    int64_t size = x.shape()[d + 2];
    out[d] = (size - 1) * c.stride[d] - 2 * c.padding[d] + c.dilation[d] * (kernel - 1) +
             output_padding[d] + 1;
    TESSERA_CHECK(kernel >= 1 && size >= 1 && out[d] >= 1,
                  "[{}] expected a result with elements from x {} and weight {}", op, x.shape(),
                  weight.shape());
  }
  return out;
}

// Planes that meet along D are added in the order of the kernel's, and the edges cut off.
Tensor transpose_volumes(const Tensor& x, const Tensor& weight, const VolumeConv& c,
                         const Triple& output_padding, const Triple& sizes) {
  Dims plane;
  Tensor spread = spread_planes(x, weight, c, output_padding, plane);
  int64_t kernel = weight.size(2);
  int64_t depth = (x.size(2) - 1) * c.stride[0] + c.dilation[0] * (kernel - 1) + 1;
  int64_t across = plane[0] * plane[1];
  int64_t out = spread.size(1);
  Tensor columns = reshape(spread, {x.size(0), out * kernel, x.size(2) * across});
  Tensor y = fold(columns, {depth, across}, {kernel, 1}, {c.dilation[0], 1}, {0}, {c.stride[0], 1});
  y = pad(y, {0, 0, -c.padding[0], sizes[0] - depth + c.padding[0]});
  return reshape(y, {x.size(0), out, sizes[0], plane[0], plane[1]});
}

constexpr const char* kVolumeForm = "(N, C, D, H, W)";

}  // namespace

Tensor conv3d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
              const Dims& padding, const Dims& dilation, int64_t groups) {
  const Composed scope;
  const char* op = "conv3d";
  BatchArg volumes(op, kVolumeForm, x, 5);
  check_volumes(op, x, weight, bias, groups, weight.dim() > 0 ? weight.size(0) : 0);
  VolumeConv c{triple_of(op, "stride", stride, 1), triple_of(op, "padding", padding, 0),
               triple_of(op, "dilation", dilation, 1), groups};
  TESSERA_CHECK(
      volumes->size(1) == weight.size(1) * groups && weight.size(0) % groups == 0,
      "[{}] expected a weight of (O, C / groups, KD, KH, KW), O a multiple of groups, for x {} and "
      "{} groups, got {}",
      op, volumes->shape(), groups, weight.shape());
  for (size_t d = 0; d < 3; ++d) {
    int64_t kernel = weight.shape()[d + 2];
    TESSERA_CHECK(
        kernel >= 1 && volumes->shape()[d + 2] + 2 * c.padding[d] > c.dilation[d] * (kernel - 1),
        "[{}] expected a kernel {} with dilation {} that fits into x {} padded by {}", op,
        weight.shape(), dilation, volumes->shape(), padding);
  }
  Tensor planes = planes_under(*volumes, weight.size(2), c);
  Tensor kernels = reshape(
      weight, {weight.size(0), weight.size(1) * weight.size(2), weight.size(3), weight.size(4)});
  Tensor y = conv2d(planes, kernels, bias, plane_of(c.stride), plane_of(c.padding),
                    plane_of(c.dilation), groups);
  int64_t depth = volumes->size(2) + 2 * c.padding[0] - c.dilation[0] * (weight.size(2) - 1) - 1;
  return volumes.back(volumes_of(y, volumes->size(0), depth / c.stride[0] + 1));
}

Tensor conv_transpose3d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
                        const Dims& padding, const Dims& output_padding, int64_t groups,
                        const Dims& dilation) {
  const Composed scope;
  const char* op = "conv_transpose3d";
  BatchArg volumes(op, kVolumeForm, x, 5);
  check_volumes(op, x, weight, bias, groups, weight.dim() == 5 ? weight.size(1) * groups : 0);
  VolumeConv c{triple_of(op, "stride", stride, 1), triple_of(op, "padding", padding, 0),
               triple_of(op, "dilation", dilation, 1), groups};
  Triple extra = triple_of(op, "output_padding", output_padding, 0);
  TESSERA_CHECK(volumes->size(1) == weight.size(0) && weight.size(0) % groups == 0,
                "[{}] expected a weight of (C, O / groups, KD, KH, KW), C a multiple of groups, "
                "for x {} and {} groups, got {}",
                op, volumes->shape(), groups, weight.shape());
  Triple sizes = transposed_sizes(op, *volumes, weight, c, extra);
  // 16-bit floats are added up in f32 and rounded once.
  DType wide = is_floating(x.dtype()) ? compute_dtype_of(x.dtype()) : x.dtype();
  Tensor y = transpose_volumes(to(*volumes, wide), to(weight, wide), c, extra, sizes);
  if (bias.defined()) y = y + reshape(to(bias, wide), {bias.size(0), 1, 1, 1});
  return volumes.back(to(y, x.dtype()));
}

}  // namespace tessera
