#include "nn/models/unet.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class UnetSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("channels", options_.channels, "channels of an image", in_range(1, 1 << 16));
    v("size", options_.size, "rows, and columns, of an image; a multiple of 2^levels",
      in_range(2, 1 << 14));
    v("width", options_.width, "channels at full size; each level below has twice as many",
      in_range(1, 1 << 12));
    v("levels", options_.levels, "how often sizes are halved", in_range(1, 10));
    v("noise", options_.noise, "deviation of the noise that it learns to take away",
      at_least(0).in_f32());
  }
  void check() const override {
    if (options_.size % (int64_t{1} << options_.levels) != 0) {
      throw ConfigError(fmt::format("model.levels: images of {} x {} cannot be halved {} times",
                                    options_.size, options_.size, options_.levels));
    }
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::Unet>(options_); }
  data::DataContract contract() const override {
    return {.samples = data::DataContract::Samples::images,
            .numbers = options_.channels * options_.size * options_.size};
  }

 private:
  nn::UnetOptions options_;
};

}  // namespace

Option unet() { return option<UnetSection>("unet", "a U-Net that takes noise from images"); }

}  // namespace tessera::experiment::models
