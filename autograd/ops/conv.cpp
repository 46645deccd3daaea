#include "autograd/ops/conv.h"

#include "autograd/ops/batch_arg.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/conv.h"

namespace tessera {
namespace {

Array as_nhwc(const Array& x) { return x.permute({0, 2, 3, 1}).contiguous(); }

bool is_channels_last(const Array& x) {
  return !x.is_contiguous() && x.permute({0, 2, 3, 1}).is_contiguous();
}

// (N, H, W, C) as (N, C, H, W): a view when the result is to be channels last.
Array as_nchw(const Array& x, bool channels_last) {
  Array view = x.permute({0, 3, 1, 2});
  return channels_last ? view : view.contiguous();
}

Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvArgs& args,
                const Dims& out_shape);
Tensor convolve_input_grad(const Tensor& dy, const Tensor& weight, const ConvArgs& args,
                           const Dims& x_shape);
Tensor convolve_weight_grad(const Tensor& x, const Tensor& dy, const ConvArgs& args,
                            const Dims& weight_shape);

// y = x * w + b. Convolution, its input's gradient and its weight's gradient are linear in both of
// their arguments, and each one's gradients are the other two: so all can be differentiated again.
Tensor convolve(const Tensor& x, const Tensor& weight, const Tensor& bias, const ConvArgs& args,
                const Dims& out_shape) {
  Array out =
      Array::empty({out_shape[0], out_shape[2], out_shape[3], out_shape[1]}, x.dtype(), x.device());
  Array offsets = bias.defined() ? bias.data().contiguous() : Array();
  kernels(x.device()).conv().run(as_nhwc(x.data()), weight.data().contiguous(), offsets, args, out);
  return record("conv2d", as_nchw(out, is_channels_last(x.data())), {x, weight, bias},
                [sx = Saved(x), sw = Saved(weight), args, x_shape = x.shape(),
                 w_shape = weight.shape()](const Tensor& dy, const Node& node) {
                  Grads grads(3);
                  if (node.wants(0))
                    grads[0] = convolve_input_grad(dy, sw.get(node), args, x_shape);
                  if (node.wants(1))
                    grads[1] = convolve_weight_grad(sx.get(node), dy, args, w_shape);
                  if (node.wants(2)) grads[2] = sum(permute(dy, {0, 2, 3, 1}), {0, 1, 2});
                  return grads;
                });
}

Tensor convolve_input_grad(const Tensor& dy, const Tensor& weight, const ConvArgs& args,
                           const Dims& x_shape) {
  Array dx =
      Array::empty({x_shape[0], x_shape[2], x_shape[3], x_shape[1]}, dy.dtype(), dy.device());
  kernels(dy.device()).conv().input_grad(as_nhwc(dy.data()), weight.data().contiguous(), args, dx);
  return record("conv2d_input_grad", as_nchw(dx, is_channels_last(dy.data())), {dy, weight},
                [sdy = Saved(dy), sw = Saved(weight), args, dy_shape = dy.shape(),
                 w_shape = weight.shape()](const Tensor& g, const Node& node) {
                  Grads grads(2);
                  if (node.wants(0)) grads[0] = convolve(g, sw.get(node), {}, args, dy_shape);
                  if (node.wants(1))
                    grads[1] = convolve_weight_grad(g, sdy.get(node), args, w_shape);
                  return grads;
                });
}

Tensor convolve_weight_grad(const Tensor& x, const Tensor& dy, const ConvArgs& args,
                            const Dims& weight_shape) {
  Array dw = Array::empty(weight_shape, dy.dtype(), dy.device());
  kernels(dy.device()).conv().weight_grad(as_nhwc(x.data()), as_nhwc(dy.data()), args, dw);
  return record("conv2d_weight_grad", dw, {x, dy},
                [sx = Saved(x), sdy = Saved(dy), args, x_shape = x.shape(), dy_shape = dy.shape()](
                    const Tensor& g, const Node& node) {
                  Grads grads(2);
                  if (node.wants(0))
                    grads[0] = convolve_input_grad(sdy.get(node), g, args, x_shape);
                  if (node.wants(1)) grads[1] = convolve(sx.get(node), g, {}, args, dy_shape);
                  return grads;
                });
}

std::array<int64_t, 2> pair_of(const char* op, const char* what, const Dims& dims,
                               int64_t smallest) {
  TESSERA_CHECK(dims.size() == 1 || dims.size() == 2,
                "[{}] expected {} of one or two sizes, got {}", op, what, dims);
  std::array<int64_t, 2> out{dims[0], dims.back()};
  // Beyond this nothing fits into memory anyway, and sums of products of sizes stay in range.
  constexpr int64_t kLargest = int64_t{1} << 30;
  for (int64_t size : out) {
    TESSERA_CHECK(size >= smallest && size <= kLargest, "[{}] expected {} of at least {}, got {}",
                  op, what, smallest, dims);
  }
  return out;
}

void check_inputs(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  int64_t groups, size_t rank) {
  TESSERA_CHECK(x.dim() == rank && weight.dim() == rank,
                "[{}] expected x and weight of {} dims, got {} and {}", op, rank, x.shape(),
                weight.shape());
  TESSERA_CHECK(x.dtype() != DType::boolean, "[{}] expected numbers, got bool", op);
  TESSERA_CHECK(x.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == x.dtype()),
                "[{}] expected x, weight and bias of one dtype, got {}, {} and {}", op, x.dtype(),
                weight.dtype(), bias.defined() ? name(bias.dtype()) : "no bias");
  TESSERA_CHECK(groups >= 1, "[{}] expected groups of at least 1, got {}", op, groups);
}

void check_bias(const char* op, const Tensor& bias, int64_t channels) {
  TESSERA_CHECK(!bias.defined() || bias.shape() == Dims{channels},
                "[{}] expected a bias of shape ({},), got {}", op, channels, bias.shape());
}

// 16-bit floats are computed in f32 and rounded once, at the end.
bool is_half(const Tensor& x) { return x.dtype() == DType::bf16 || x.dtype() == DType::f16; }
Tensor widened(const Tensor& x) { return x.defined() ? to(x, DType::f32) : x; }

// (N, C, H, W) by (O, C / groups, KH, KW), multiplied and added as integers that wrap around.
Tensor convolve_integers(const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const ConvArgs& args) {
  const auto& [rows, cols] = args.padding;
  Tensor windows = pad(x, {cols, cols, rows, rows});
  for (size_t d = 0; d < 2; ++d) {
    auto dim = static_cast<int64_t>(d) + 2;
    int64_t reach = args.dilation[d] * (weight.size(dim) - 1) + 1;
    windows = slice(unfold(windows, dim, reach, args.stride[d]), -1, 0, reach, args.dilation[d]);
  }
  int64_t n = x.size(0);
  int64_t g = args.groups;
  int64_t channels = weight.size(1);
  int64_t height = windows.size(2);
  int64_t width = windows.size(3);
  int64_t terms = channels * weight.size(2) * weight.size(3);
  int64_t out = weight.size(0) / g;
  Tensor split = reshape(windows, {n, g, channels, height, width, weight.size(2), weight.size(3)});
  Tensor left = reshape(permute(split, {1, 0, 3, 4, 2, 5, 6}), {g, n * height * width, terms});
  Tensor products = matmul(left, transpose(reshape(weight, {g, out, terms}), 1, 2));
  Tensor y = permute(reshape(products, {g, n, height, width, out}), {1, 0, 4, 2, 3});
  y = reshape(y, {n, g * out, height, width});
  return bias.defined() ? y + reshape(bias, {g * out, 1, 1}) : y;
}

// The transposed convolution, as one of x spread by the stride with the weight turned around.
Tensor transpose_integers(const Tensor& x, const Tensor& weight, const Tensor& bias,
                          const ConvArgs& args, const Dims& out) {
  Dims spread = x.shape();
  Dims padding;
  for (size_t d = 2; d-- > 0;) {
    spread[d + 2] = (x.shape()[d + 2] - 1) * args.stride[d] + 1;
    int64_t reach = args.dilation[d] * (weight.shape()[d + 2] - 1);
    padding.push_back(reach - args.padding[d]);
    padding.push_back(out[d + 2] - spread[d + 2] + args.padding[d]);
  }
  Array wide = Array::zeros(spread, x.dtype(), x.device());
  wide.slice(2, 0, spread[2], args.stride[0])
      .slice(3, 0, spread[3], args.stride[1])
      .copy_(x.data());
  int64_t g = args.groups;
  int64_t in = weight.size(0) / g;
  int64_t each = weight.size(1);
  Tensor turned = reshape(flip(weight, {2, 3}), {g, in, each, weight.size(2), weight.size(3)});
  turned = reshape(transpose(turned, 1, 2), {g * each, in, weight.size(2), weight.size(3)});
  return convolve_integers(pad(wide, padding), turned, bias, {{1, 1}, {0, 0}, args.dilation, g});
}

Tensor conv2d_named(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const ConvArgs& args) {
  TESSERA_CHECK(x.size(1) == weight.size(1) * args.groups && weight.size(0) % args.groups == 0,
                "[{}] expected a weight of (O, C / groups, ...), O a multiple of groups, for x {} "
                "and {} groups, got {}",
                op, x.shape(), args.groups, weight.shape());
  check_bias(op, bias, weight.size(0));
  Dims out{x.size(0), weight.size(0)};
  for (size_t d = 0; d < 2; ++d) {
    int64_t size = x.shape()[d + 2];
    int64_t kernel = weight.shape()[d + 2];
    int64_t padded = size + 2 * args.padding[d];
    TESSERA_CHECK(kernel >= 1 && padded > args.dilation[d] * (kernel - 1),
                  "[{}] expected a kernel {} with dilation {} that fits into x {} padded by {}", op,
                  weight.shape(), args.dilation[d], x.shape(), args.padding[d]);
    out.push_back((padded - args.dilation[d] * (kernel - 1) - 1) / args.stride[d] + 1);
  }
  if (!is_floating(x.dtype())) return convolve_integers(x, weight, bias, args);
  if (!is_half(x)) return convolve(x, weight, bias, args, out);
  return to(convolve(widened(x), widened(weight), widened(bias), args, out), x.dtype());
}

Tensor transpose_typed(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const ConvArgs& args, const Dims& out) {
  Tensor y = convolve_input_grad(x, weight, args, out);
  return bias.defined() ? add(y, reshape(bias, {out[1], 1, 1})) : y;
}

// The checked arguments of a transposed convolution and the shape of its result.
struct TransposeGeometry {
  ConvArgs args;
  Dims out;
  Dims cut = {};  // for pad, where the padding is to be cut off afterwards

  TransposeGeometry(const char* op, const Tensor& x, const Tensor& weight, const Dims& stride,
                    const Dims& padding, const Dims& output_padding, int64_t groups,
                    const Dims& dilation) {
    args = {pair_of(op, "stride", stride, 1), pair_of(op, "padding", padding, 0),
            pair_of(op, "dilation", dilation, 1), groups};
    auto extra = pair_of(op, "output_padding", output_padding, 0);
    TESSERA_CHECK(x.size(1) == weight.size(0) && weight.size(0) % groups == 0,
                  "[{}] expected a weight of (C, O / groups, ...), C a multiple of groups, for "
                  "x {} and {} groups, got {}",
                  op, x.shape(), groups, weight.shape());
    out = {x.size(0), weight.size(1) * groups};
    for (size_t d = 0; d < 2; ++d) {
      TESSERA_CHECK(extra[d] < std::max(args.stride[d], args.dilation[d]),
                    "[{}] expected output_padding below stride or dilation, got {}", op,
                    output_padding);
      int64_t kernel = weight.shape()[d + 2];
      int64_t size = (x.shape()[d + 2] - 1) * args.stride[d] - 2 * args.padding[d] +
                     args.dilation[d] * (kernel - 1) + extra[d] + 1;
      TESSERA_CHECK(kernel >= 1 && x.shape()[d + 2] >= 1 && size >= 1,
                    "[{}] expected a result with elements from x {} and weight {}", op, x.shape(),
                    weight.shape());
      out.push_back(size);
    }
    if (extra[0] >= args.stride[0] || extra[1] >= args.stride[1]) cut_afterwards(x, weight);
  }

 private:
  // So much is added behind that a convolution of the result would have more places than x.
  void cut_afterwards(const Tensor& x, const Tensor& weight) {
    for (size_t d = 2; d-- > 0;) {
      int64_t size = (x.shape()[d + 2] - 1) * args.stride[d] +
                     args.dilation[d] * (weight.shape()[d + 2] - 1) + 1;
      cut.push_back(-args.padding[d]);
      cut.push_back(out[d + 2] - size + args.padding[d]);
      out[d + 2] = size;
      args.padding[d] = 0;
    }
  }
};

Tensor conv_transpose(const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const TransposeGeometry& g) {
  if (is_half(x)) {
    return to(conv_transpose(widened(x), widened(weight), widened(bias), g), x.dtype());
  }
  auto whole = [&](const Tensor& b) {
    return is_floating(x.dtype()) ? transpose_typed(x, weight, b, g.args, g.out)
                                  : transpose_integers(x, weight, b, g.args, g.out);
  };
  if (g.cut.empty()) return whole(bias);
  Tensor y = pad(whole({}), g.cut);
  return bias.defined() ? add(y, reshape(bias, {g.out[1], 1, 1})) : y;
}

constexpr const char* kImages = "(N, C, H, W)";
constexpr const char* kSequences = "(N, C, L)";

// The padding that lets a result of stride 1 have the input's sizes: on both sides, and where its
// sum is odd, one more behind, which the input gets beforehand.
struct SamePadding {
  Tensor x;
  Dims both;

  SamePadding(const char* op, const Tensor& input, const Dims& kernel, const Dims& stride,
              const Dims& dilation) {
    Dims behind;
    bool uneven = false;
    for (size_t d = kernel.size(); d-- > 0;) {
      TESSERA_CHECK(stride[d] == 1, "[{}] expected a stride of 1 with the padding same, got {}", op,
                    stride);
      int64_t total = dilation[d] * (std::max<int64_t>(kernel[d], 1) - 1);
      both.insert(0, total / 2);
      behind.push_back(0);
      behind.push_back(total % 2);
      uneven = uneven || total % 2 != 0;
    }
    x = uneven ? pad(input, behind) : input;
  }
};

Tensor conv2d_of(const BatchArg& images, const Tensor& weight, const Tensor& bias,
                 const Dims& stride, const Dims& padding, const Dims& dilation, int64_t groups) {
  const char* op = "conv2d";
  check_inputs(op, *images, weight, bias, groups, 4);
  ConvArgs args{pair_of(op, "stride", stride, 1), pair_of(op, "padding", padding, 0),
                pair_of(op, "dilation", dilation, 1), groups};
  return images.back(conv2d_named(op, *images, weight, bias, args));
}

Tensor conv1d_of(const BatchArg& sequences, const Tensor& weight, const Tensor& bias,
                 int64_t stride, int64_t padding, int64_t dilation, int64_t groups) {
  const char* op = "conv1d";
  check_inputs(op, *sequences, weight, bias, groups, 3);
  ConvArgs args{pair_of(op, "stride", {1, stride}, 1), pair_of(op, "padding", {0, padding}, 0),
                pair_of(op, "dilation", {1, dilation}, 1), groups};
  Tensor y = conv2d_named(op, unsqueeze(*sequences, 2), unsqueeze(weight, 2), bias, args);
  return sequences.back(reshape(y, {y.size(0), y.size(1), y.size(3)}));
}

}  // namespace

Tensor conv2d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
              const Dims& padding, const Dims& dilation, int64_t groups) {
  const Composed scope;
  BatchArg images("conv2d", kImages, x, 4);
  return conv2d_of(images, weight, bias, stride, padding, dilation, groups);
}

Tensor conv2d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
              ConvPadding padding, const Dims& dilation, int64_t groups) {
  const Composed scope;
  const char* op = "conv2d";
  BatchArg images(op, kImages, x, 4);
  if (padding == ConvPadding::valid) {
    return conv2d_of(images, weight, bias, stride, {0}, dilation, groups);
  }
  check_inputs(op, *images, weight, bias, groups, 4);
  auto steps = pair_of(op, "stride", stride, 1);
  auto dilations = pair_of(op, "dilation", dilation, 1);
  SamePadding same(op, *images, {weight.size(2), weight.size(3)}, {steps[0], steps[1]},
                   {dilations[0], dilations[1]});
  BatchArg padded(op, kImages, same.x, 4);
  return images.back(conv2d_of(padded, weight, bias, stride, same.both, dilation, groups));
}

Tensor conv1d(TensorArg x, TensorArg weight, TensorArg bias, int64_t stride, int64_t padding,
              int64_t dilation, int64_t groups) {
  const Composed scope;
  BatchArg sequences("conv1d", kSequences, x, 3);
  return conv1d_of(sequences, weight, bias, stride, padding, dilation, groups);
}

Tensor conv1d(TensorArg x, TensorArg weight, TensorArg bias, int64_t stride, ConvPadding padding,
              int64_t dilation, int64_t groups) {
  const Composed scope;
  const char* op = "conv1d";
  BatchArg sequences(op, kSequences, x, 3);
  if (padding == ConvPadding::valid) {
    return conv1d_of(sequences, weight, bias, stride, 0, dilation, groups);
  }
  check_inputs(op, *sequences, weight, bias, groups, 3);
  pair_of(op, "dilation", {1, dilation}, 1);
  SamePadding same(op, *sequences, {weight.size(2)}, {stride}, {dilation});
  BatchArg padded(op, kSequences, same.x, 3);
  return sequences.back(conv1d_of(padded, weight, bias, 1, same.both[0], dilation, groups));
}

Tensor conv_transpose2d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
                        const Dims& padding, const Dims& output_padding, int64_t groups,
                        const Dims& dilation) {
  const Composed scope;
  const char* op = "conv_transpose2d";
  BatchArg images(op, kImages, x, 4);
  check_inputs(op, *images, weight, bias, groups, 4);
  TransposeGeometry geometry(op, *images, weight, stride, padding, output_padding, groups,
                             dilation);
  check_bias(op, bias, weight.size(1) * groups);
  return images.back(conv_transpose(*images, weight, bias, geometry));
}

Tensor conv_transpose1d(TensorArg x, TensorArg weight, TensorArg bias, int64_t stride,
                        int64_t padding, int64_t output_padding, int64_t groups, int64_t dilation) {
  const Composed scope;
  const char* op = "conv_transpose1d";
  BatchArg sequences(op, kSequences, x, 3);
  check_inputs(op, *sequences, weight, bias, groups, 3);
  Tensor image = unsqueeze(*sequences, 2);
  Tensor kernel = unsqueeze(weight, 2);
  TransposeGeometry geometry(op, image, kernel, {1, stride}, {0, padding}, {0, output_padding},
                             groups, {1, dilation});
  check_bias(op, bias, weight.size(1) * groups);
  Tensor y = conv_transpose(image, kernel, bias, geometry);
  return sequences.back(reshape(y, {y.size(0), y.size(1), y.size(3)}));
}

}  // namespace tessera
