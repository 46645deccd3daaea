#include "nn/models/vae.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class VaeSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("inputs", options_.inputs, "numbers in a sample, each in [0, 1]", in_range(1, 1 << 24));
    v("hidden", options_.hidden, "units of the hidden layers", in_range(1, 1 << 24));
    v("latent", options_.latent, "numbers that lie behind a sample", in_range(1, 1 << 24));
    v("beta", options_.beta, "what the divergence from a normal distribution counts",
      at_least(0).in_f32());
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::Vae>(options_); }
  data::DataContract contract() const override {
    return {.samples = data::DataContract::Samples::images, .numbers = options_.inputs};
  }

 private:
  nn::VaeOptions options_;
};

}  // namespace

Option vae() { return option<VaeSection>("vae", "a variational autoencoder for images"); }

}  // namespace tessera::experiment::models
