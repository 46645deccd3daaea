#include "nn/models/cnn.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class CnnSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("channels", options_.channels, "channels of an image", in_range(1, 1 << 16));
    v("size", options_.size, "rows, and columns, of an image", in_range(4, 1 << 12));
    v("width", options_.width, "channels of the first convolution; the second has twice as many",
      in_range(1, 1 << 16));
    v("hidden", options_.hidden, "units of the hidden layer", in_range(1, 1 << 24));
    v("classes", options_.classes, "kinds of samples", in_range(1, 1 << 24));
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::Cnn>(options_); }
  data::DataContract contract() const override {
    return data::DataContract::of_images(options_.channels * options_.size * options_.size,
                                         options_.classes);
  }

 private:
  nn::CnnOptions options_;
};

}  // namespace

Option cnn() { return option<CnnSection>("cnn", "two convolutions and two linear layers"); }

}  // namespace tessera::experiment::models
