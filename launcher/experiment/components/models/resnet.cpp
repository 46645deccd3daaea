#include "nn/models/resnet.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class ResNetSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("depth", options_.depth, "layers with weights: 18, 34 or 50", in_range(18, 50));
    v("stem", options_.stem, "imagenet: 7 x 7 and a pooling; cifar: 3 x 3, for small images");
    v("channels", options_.channels, "channels of an image", in_range(1, 1 << 16));
    v("size", options_.size, "rows, and columns, of an image", in_range(1, 1 << 12));
    v("width", options_.width, "channels of the first of four stages; the next has twice as many",
      in_range(1, 1 << 14));
    v("classes", options_.classes, "kinds of samples", in_range(1, 1 << 24));
    v("zero_init_residual", options_.zero_init_residual, "blocks start as the identity");
  }
  void check() const override {
    if (options_.depth != 18 && options_.depth != 34 && options_.depth != 50) {
      throw ConfigError(fmt::format("model.depth: expected 18, 34 or 50, got {}", options_.depth));
    }
  }
  std::unique_ptr<nn::Model> make() const override {
    return std::make_unique<nn::ResNet>(options_);
  }
  data::DataContract contract() const override {
    return data::DataContract::of_images(options_.channels * options_.size * options_.size,
                                         options_.classes);
  }

 private:
  nn::ResNetOptions options_;
};

}  // namespace

Option resnet() { return option<ResNetSection>("resnet", "a residual network for images"); }

}  // namespace tessera::experiment::models
