#include "autograd/ops/conv.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"

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
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected a floating dtype, got {}", op, x.dtype());
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
  if (!is_half(x)) return convolve(x, weight, bias, args, out);
  return to(convolve(widened(x), widened(weight), widened(bias), args, out), x.dtype());
}

Tensor transpose_typed(const Tensor& x, const Tensor& weight, const Tensor& bias,
                       const ConvArgs& args, const Dims& out) {
  Tensor y = convolve_input_grad(x, weight, args, out);
  return bias.defined() ? add(y, reshape(bias, {out[1], 1, 1})) : y;
}

}  // namespace

Tensor conv2d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
              const Dims& padding, const Dims& dilation, int64_t groups) {
  const Composed scope;
  check_inputs("conv2d", x, weight, bias, groups, 4);
  ConvArgs args{pair_of("conv2d", "stride", stride, 1), pair_of("conv2d", "padding", padding, 0),
                pair_of("conv2d", "dilation", dilation, 1), groups};
  return conv2d_named("conv2d", x, weight, bias, args);
}

Tensor conv1d(TensorArg x, TensorArg weight, TensorArg bias, int64_t stride, int64_t padding,
              int64_t dilation, int64_t groups) {
  const Composed scope;
  check_inputs("conv1d", x, weight, bias, groups, 3);
  ConvArgs args{pair_of("conv1d", "stride", {1, stride}, 1),
                pair_of("conv1d", "padding", {0, padding}, 0),
                pair_of("conv1d", "dilation", {1, dilation}, 1), groups};
  Tensor y = conv2d_named("conv1d", unsqueeze(x, 2), unsqueeze(weight, 2), bias, args);
  return reshape(y, {y.size(0), y.size(1), y.size(3)});
}

Tensor conv_transpose2d(TensorArg x, TensorArg weight, TensorArg bias, const Dims& stride,
                        const Dims& padding, const Dims& output_padding, int64_t groups,
                        const Dims& dilation) {
  const Composed scope;
  const char* op = "conv_transpose2d";
  check_inputs(op, x, weight, bias, groups, 4);
  ConvArgs args{pair_of(op, "stride", stride, 1), pair_of(op, "padding", padding, 0),
                pair_of(op, "dilation", dilation, 1), groups};
  auto extra = pair_of(op, "output_padding", output_padding, 0);
  TESSERA_CHECK(x.size(1) == weight.size(0) && weight.size(0) % groups == 0,
                "[{}] expected a weight of (C, O / groups, KH, KW), C a multiple of groups, for x "
                "{} and {} groups, got {}",
                op, x.shape(), groups, weight.shape());
  check_bias(op, bias, weight.size(1) * groups);
  Dims out{x.size(0), weight.size(1) * groups};
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
  if (!is_half(x)) return transpose_typed(x, weight, bias, args, out);
  return to(transpose_typed(widened(x), widened(weight), widened(bias), args, out), x.dtype());
}

}  // namespace tessera
