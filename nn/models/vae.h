// A variational autoencoder for images.
#pragma once

#include "nn/layers.h"
#include "nn/models/model.h"

namespace tessera::nn {

struct VaeOptions {
  int64_t inputs = 784;
  int64_t hidden = 400;
  int64_t latent = 20;
  double beta = 1;  // what the divergence from the prior counts (Higgins et al. 2017)
};

// Kingma and Welling 2014, with one hidden layer on either side: fc1 and then fc21 and fc22, the
// mean and the logarithm of the variance of what lies behind an image; fc3 and fc4 back to it.
// Training draws what lies behind from these; evaluation takes the mean.
//
// The loss is that of an image: the cross-entropy of its pixels, which lie in [0, 1], against those
// that come back, plus beta times the divergence of the latent distribution from a standard normal
// one. Targets are not looked at. Its metrics are these two: reconstruction, and kl without beta.
class Vae final : public Model {
 public:
  explicit Vae(const VaeOptions& options);
  // batch.images (B, ...) with `inputs` numbers a sample -> logits of their pixels (B, inputs).
  Tensor forward(const data::Batch& batch) override;
  std::vector<MetricInfo> metrics() const override;

 protected:
  Loss compute_loss(const data::Batch& batch) override { return evaluation_of(batch).loss; }
  Evaluation compute_evaluation(const data::Batch& batch) override { return evaluation_of(batch); }

 private:
  struct Latent {
    Tensor mean, log_variance;
  };
  Tensor pixels_of(const data::Batch& batch) const;
  Latent encode(const Tensor& pixels) const;
  Tensor decode(const Latent& latent) const;
  Evaluation evaluation_of(const data::Batch& batch) const;

  VaeOptions options_;
  Linear fc1_;
  Linear fc21_;
  Linear fc22_;
  Linear fc3_;
  Linear fc4_;
};

}  // namespace tessera::nn
