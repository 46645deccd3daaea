#include "nn/models/vit.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class ViTSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("channels", options_.channels, "channels of an image", in_range(1, 1 << 16));
    v("size", options_.size, "rows, and columns, of an image", in_range(1, 1 << 12));
    v("patch", options_.patch, "rows, and columns, of a patch; divides size", in_range(1, 1 << 12));
    v("width", options_.width, "size of a patch's vector", in_range(1, 1 << 20));
    v("depth", options_.depth, "number of blocks", in_range(1, 10000));
    v("heads", options_.heads, "attention heads; divides width", in_range(1, 10000));
    v("mlp_ratio", options_.mlp_ratio, "units of a hidden layer, in widths",
      in_range(1.0 / 64, 64));
    v("classes", options_.classes, "kinds of samples", in_range(1, 1 << 24));
    v("pool", options_.pool, "what is classified: a token of its own, or the mean of the patches");
    v("dropout", options_.dropout, "probability of dropping an activation",
      at_least_and_below(0, 1).in_f32());
    v("attention_dropout", options_.attention_dropout, "probability of dropping a patch seen",
      at_least_and_below(0, 1).in_f32());
  }
  void check() const override {
    const nn::ViTOptions& o = options_;
    if (o.size % o.patch != 0) {
      throw ConfigError(
          fmt::format("model.patch: patches of {} x {} do not divide images of {} x "
                      "{}",
                      o.patch, o.patch, o.size, o.size));
    }
    if (o.width % o.heads != 0) {
      throw ConfigError(
          fmt::format("model.heads: {} heads do not divide a width of {}", o.heads, o.width));
    }
    if (static_cast<double>(o.width) * o.mlp_ratio < 1) {
      throw ConfigError("model.mlp_ratio: it leaves no hidden units");
    }
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::ViT>(options_); }
  data::DataContract contract() const override {
    return data::DataContract::of_images(options_.channels * options_.size * options_.size,
                                         options_.classes);
  }

 private:
  nn::ViTOptions options_;
};

}  // namespace

Option vit() { return option<ViTSection>("vit", "a transformer for images"); }

}  // namespace tessera::experiment::models
