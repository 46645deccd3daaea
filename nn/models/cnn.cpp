#include "nn/models/cnn.h"

#include "autograd/ops.h"

namespace tessera::nn {
namespace {

const CnnOptions& checked(const CnnOptions& options) {
  TESSERA_CHECK(options.size >= 4, "[cnn] expected images of at least 4 x 4, got {} x {}",
                options.size, options.size);
  return options;
}

}  // namespace

Cnn::Cnn(const CnnOptions& options)
    : Classifier(options.classes),
      options_(checked(options)),
      conv1_(this, "conv1", options.channels, options.width, 3, {.padding = {1}}),
      conv2_(this, "conv2", options.width, 2 * options.width, 3, {.padding = {1}}),
      pool_(this, "pool", 2),
      fc1_(this, "fc1", 2 * options.width * (options.size / 4) * (options.size / 4),
           options.hidden),
      fc2_(this, "fc2", options.hidden, options.classes) {
  keep_callers_place();
  for (Conv2d* layer : {&conv1_, &conv2_}) layer->make_block();
  for (Linear* layer : {&fc1_, &fc2_}) layer->make_block();
}

Tensor Cnn::forward(const data::Batch& batch) {
  const Tensor& images = batch.images;
  const CnnOptions& o = options_;
  TESSERA_CHECK(images.defined(), "[cnn] expected a batch with images");
  TESSERA_CHECK(
      images.dim() >= 1 && images.numel() == images.size(0) * o.channels * o.size * o.size,
      "[cnn] expected {} x {} x {} numbers a sample, got {}", o.channels, o.size, o.size,
      images.shape());
  Tensor x = to(reshape(images, {images.size(0), o.channels, o.size, o.size}), fc1_.weight.dtype());
  x = pool_(relu(conv1_(x)));
  x = pool_(relu(conv2_(x)));
  return fc2_(relu(fc1_(flatten(x, 1))));
}

}  // namespace tessera::nn
