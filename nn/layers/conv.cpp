#include "nn/layers/conv.h"

#include <cmath>

#include "autograd/ops/conv.h"
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

Init uniform_by_fan(const Dims& weight) {
  int64_t fan_in = num_elements(weight) / weight[0];
  return Init::uniform(1 / std::sqrt(static_cast<double>(fan_in)));
}

}  // namespace

Conv1d::Conv1d(Module* parent, std::string name, int64_t in, int64_t out, int64_t kernel,
               Conv1dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(options) {
  check_channels("Conv1d", in, out, options.groups);
  TESSERA_CHECK(kernel >= 1, "[Conv1d] expected a kernel of at least 1, got {}", kernel);
  Dims shape{out, in / options.groups, kernel};
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor Conv1d::forward(const Tensor& x) const {
  return conv1d(x, weight, bias, options_.stride, options_.padding, options_.dilation,
                options_.groups);
}

Conv2d::Conv2d(Module* parent, std::string name, int64_t in, int64_t out, const Dims& kernel,
               Conv2dOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  check_channels("Conv2d", in, out, options_.groups);
  Dims shape = weight_shape("Conv2d", out, in / options_.groups, kernel);
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor Conv2d::forward(const Tensor& x) const {
  return conv2d(x, weight, bias, options_.stride, options_.padding, options_.dilation,
                options_.groups);
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
  weight = add_parameter("weight", shape, uniform_by_fan(shape));
  if (options_.bias) bias = add_parameter("bias", {out}, uniform_by_fan(shape));
}

Tensor Conv3d::forward(const Tensor& x) const {
  return conv3d(x, weight, bias, options_.stride, options_.padding, options_.dilation,
                options_.groups);
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
