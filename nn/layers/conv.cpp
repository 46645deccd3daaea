#include "nn/layers/conv.h"

#include <cmath>

#include "autograd/ops/conv3d.h"

namespace tessera::nn {
namespace {

void check_channels(const char* layer, int64_t in, int64_t out, int64_t groups) {
  TESSERA_CHECK(in >= 1 && out >= 1 && groups >= 1 && in % groups == 0 && out % groups == 0,
                "[{}] expected groups that divide both numbers of channels, got {}, {} and {}",
                layer, in, out, groups);
}

// (a, b, kernel...), the kernel given by one size for all dims or one for each.
Dims weight_shape(const char* layer, int64_t a, int64_t b, const Dims& kernel, size_t dims = 2) {
  TESSERA_CHECK(kernel.size() == 1 || kernel.size() == dims,
                "[{}] expected a kernel of one or {} sizes, got {}", layer,
                dims == 2 ? "two" : "three", kernel);
  Dims shape{a, b};
  for (size_t d = 0; d < dims; ++d) {
    shape.push_back(kernel[kernel.size() == 1 ? 0 : d]);
    TESSERA_CHECK(shape.back() >= 1, "[{}] expected a kernel of at least 1, got {}", layer, kernel);
  }
  return shape;
}

int64_t size_of(const Dims& sizes, size_t dim) { return sizes[sizes.size() == 1 ? 0 : dim]; }

// For a weight (out, in, kernel...).
ResolvedPads resolved(const char* layer, const ConvPads& pads, PadMode mode, const Dims& weight,
                      const Dims& stride, const Dims& dilation) {
  size_t dims = weight.size() - 2;
  for (const Dims& sizes : {pads.name ? Dims{0} : pads.sizes, stride, dilation}) {
    TESSERA_CHECK(sizes.size() == 1 || sizes.size() == dims,
                  "[{}] expected one size, or one for each of {} dims, got {}", layer, dims, sizes);
  }
  bool by_same = pads.name == ConvPadding::same;
  Dims before, after;
  for (size_t d = 0; d < dims; ++d) {
    TESSERA_CHECK(!by_same || size_of(stride, d) == 1,
                  "[{}] padding by `same` needs a stride of 1, got {}", layer, stride);
    TESSERA_CHECK(size_of(dilation, d) >= 1, "[{}] expected a dilation of at least 1, got {}",
                  layer, dilation);
    int64_t both = size_of(dilation, d) * (weight[d + 2] - 1);
    before.push_back(by_same ? both / 2 : pads.name ? 0 : size_of(pads.sizes, d));
    after.push_back(by_same ? both - both / 2 : before.back());
    TESSERA_CHECK(before.back() >= 0, "[{}] expected a padding of at least 0, got {}", layer,
                  pads.sizes);
  }
  if (mode == PadMode::constant && before == after) return {pads.name ? before : pads.sizes, {}};
  Dims sides;
  for (size_t d = dims; d-- > 0;) {
    sides.push_back(before[d]);
    sides.push_back(after[d]);
  }
  return {Dims{0}, sides};
}

Tensor padded(const Tensor& x, const ResolvedPads& pads, PadMode mode) {
  // What has other dims is the operation's to refuse.
  bool fits = x.dim() >= pads.sides.size() / 2 + 1;
  return pads.sides.empty() || !fits ? x : pad(x, pads.sides, mode);
}

Init uniform_by_fan(const Dims& weight) {
  int64_t fan_in = num_elements(weight) / weight[0];
  return Init::uniform(1 / std::sqrt(static_cast<double>(fan_in)));
}

}  // namespace

Conv1d::Conv1d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
               Conv1dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  check_channels("Conv1d", in, out, options_.groups);
  TESSERA_CHECK(kernel >= 1, "[Conv1d] expected a kernel of at least 1, got {}", kernel);
  Dims shape{out, in / options_.groups, kernel};
  pads_ = resolved("Conv1d", options_.padding, options_.padding_mode, shape, {options_.stride},
                   {options_.dilation});
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor Conv1d::forward(const Tensor& x) const {
  return conv1d(padded(x, pads_, options_.padding_mode), weight, bias, options_.stride,
                pads_.sizes[0], options_.dilation, options_.groups);
}

Conv2d::Conv2d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
               Conv2dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  check_channels("Conv2d", in, out, options_.groups);
  Dims shape = weight_shape("Conv2d", out, in / options_.groups, kernel);
  pads_ = resolved("Conv2d", options_.padding, options_.padding_mode, shape, options_.stride,
                   options_.dilation);
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(padded(x, pads_, options_.padding_mode), weight, bias, options_.stride, pads_.sizes,
                options_.dilation, options_.groups);
}

ConvTranspose2d::ConvTranspose2d(Module* parent, std::string name, int64_t in, int64_t out,
                                 const Dims& kernel, ConvTranspose2dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  check_channels("ConvTranspose2d", in, out, options_.groups);
  Dims shape = weight_shape("ConvTranspose2d", in, out / options_.groups, kernel);
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor ConvTranspose2d::forward(const Tensor& x) const {
  return conv_transpose2d(x, weight, bias, options_.stride, options_.padding,
                          options_.output_padding, options_.groups, options_.dilation);
}

Conv3d::Conv3d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
               Conv3dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  check_channels("Conv3d", in, out, options_.groups);
  Dims shape = weight_shape("Conv3d", out, in / options_.groups, kernel, 3);
  pads_ = resolved("Conv3d", options_.padding, options_.padding_mode, shape, options_.stride,
                   options_.dilation);
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor Conv3d::forward(const Tensor& x) const {
  return conv3d(padded(x, pads_, options_.padding_mode), weight, bias, options_.stride, pads_.sizes,
                options_.dilation, options_.groups);
}

ConvTranspose1d::ConvTranspose1d(Module* parent, std::string name, int64_t in, int64_t out,
                                 int64_t kernel, ConvTranspose1dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(options) {
  check_channels("ConvTranspose1d", in, out, options.groups);
  TESSERA_CHECK(kernel >= 1, "[ConvTranspose1d] expected a kernel of at least 1, got {}", kernel);
  Dims shape{in, out / options.groups, kernel};
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor ConvTranspose1d::forward(const Tensor& x) const {
  return conv_transpose1d(x, weight, bias, options_.stride, options_.padding,
                          options_.output_padding, options_.groups, options_.dilation);
}

ConvTranspose3d::ConvTranspose3d(Module* parent, std::string name, int64_t in, int64_t out,
                                 const Dims& kernel, ConvTranspose3dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  check_channels("ConvTranspose3d", in, out, options_.groups);
  Dims shape = weight_shape("ConvTranspose3d", in, out / options_.groups, kernel, 3);
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor ConvTranspose3d::forward(const Tensor& x) const {
  return conv_transpose3d(x, weight, bias, options_.stride, options_.padding,
                          options_.output_padding, options_.groups, options_.dilation);
}

}  // namespace tessera::nn
