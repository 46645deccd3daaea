#include "nn/models/mlp.h"

#include "autograd/ops.h"

namespace tessera::nn {

Mlp::Mlp(const MlpOptions& options)
    : Classifier(options.classes),
      options_(options),
      fc1_(this, "fc1", options.inputs, options.hidden1),
      fc2_(this, "fc2", options.hidden1, options.hidden2),
      fc3_(this, "fc3", options.hidden2, options.classes) {
  keep_callers_place();
  for (Linear* layer : {&fc1_, &fc2_, &fc3_}) layer->make_block();
}

Tensor Mlp::forward(const data::Batch& batch) {
  const Tensor& images = batch.images;
  TESSERA_CHECK(images.defined(), "[mlp] expected a batch with images");
  TESSERA_CHECK(images.dim() >= 1 && images.numel() == images.size(0) * options_.inputs,
                "[mlp] expected {} numbers a sample, got {}", options_.inputs, images.shape());
  Tensor x = to(reshape(images, {images.size(0), options_.inputs}), fc1_.weight.dtype());
  return fc3_(relu(fc2_(relu(fc1_(x)))));
}

}  // namespace tessera::nn
