#include "nn/models/vae.h"

#include "autograd/ops.h"
#include "nn/models/images.h"

namespace tessera::nn {

Vae::Vae(const VaeOptions& options)
    : options_(options),
      fc1_(this, "fc1", options.inputs, options.hidden),
      fc21_(this, "fc21", options.hidden, options.latent),
      fc22_(this, "fc22", options.hidden, options.latent),
      fc3_(this, "fc3", options.latent, options.hidden),
      fc4_(this, "fc4", options.hidden, options.inputs) {
  TESSERA_CHECK(options.beta >= 0, "[vae] expected a beta of at least 0, got {}", options.beta);
  keep_callers_place();
  for (Linear* layer : {&fc1_, &fc21_, &fc22_, &fc3_, &fc4_}) layer->make_block();
}

Tensor Vae::pixels_of(const data::Batch& batch) const {
  const Tensor& images = batch.images;
  TESSERA_CHECK(images.defined(), "[vae] expected a batch with images");
  TESSERA_CHECK(images.dim() >= 1 && images.numel() == images.size(0) * options_.inputs,
                "[vae] expected {} numbers a sample, got {}", options_.inputs, images.shape());
  return to(reshape(images, {images.size(0), options_.inputs}), fc1_.weight.dtype());
}

Vae::Latent Vae::encode(const Tensor& pixels) const {
  Tensor hidden = relu(fc1_(pixels));
  return {fc21_(hidden), fc22_(hidden)};
}

Tensor Vae::decode(const Latent& latent) const {
  Tensor z = latent.mean;
  if (training()) z = z + exp(latent.log_variance * 0.5) * noise_like(latent.mean);
  return fc4_(relu(fc3_(z)));
}

Tensor Vae::forward(const data::Batch& batch) { return decode(encode(pixels_of(batch))); }

std::vector<MetricInfo> Vae::metrics() const {
  return {{.name = "reconstruction"}, {.name = "kl"}};
}

Evaluation Vae::evaluation_of(const data::Batch& batch) const {
  const ModuleScope here(*this);
  const Composed scope;
  Tensor pixels = pixels_of(batch);
  Latent latent = encode(pixels);
  // Sums over all pixels would not fit 16 bits.
  Tensor logits = to(decode(latent), DType::f32);
  Tensor mean = to(latent.mean, DType::f32);
  Tensor log_variance = to(latent.log_variance, DType::f32);
  Tensor off =
      binary_cross_entropy_with_logits(logits, to(pixels, DType::f32), {}, {}, Reduction::sum);
  Tensor divergence = sum(exp(log_variance) + square(mean) - log_variance - 1) * 0.5;
  auto samples = static_cast<double>(pixels.size(0));
  return {{off + divergence * options_.beta, samples}, {{off, samples}, {divergence, samples}}};
}

}  // namespace tessera::nn
