#include "nn/models/lenet.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class LeNetSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("channels", options_.channels, "channels of an image", in_range(1, 1 << 16));
    v("size", options_.size, "rows, and columns, of an image", in_range(12, 1 << 12));
    v("classes", options_.classes, "kinds of samples", in_range(1, 1 << 24));
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::LeNet>(options_); }
  data::DataContract contract() const override {
    return data::DataContract::of_images(options_.channels * options_.size * options_.size,
                                         options_.classes);
  }

 private:
  nn::LeNetOptions options_;
};

}  // namespace

Option lenet() {
  return option<LeNetSection>("lenet", "LeNet-5: two convolutions and three linear layers");
}

}  // namespace tessera::experiment::models
