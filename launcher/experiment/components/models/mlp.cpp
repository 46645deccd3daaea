#include "nn/models/mlp.h"
#include "launcher/experiment/components/components.h"

namespace tessera::experiment::models {
namespace {

class MlpSection final : public ModelSection {
 public:
  void visit(FieldVisitor& v) override {
    v("inputs", options_.inputs, "numbers in a sample", in_range(1, 1 << 24));
    v("hidden1", options_.hidden1, "units of the first hidden layer", in_range(1, 1 << 24));
    v("hidden2", options_.hidden2, "units of the second hidden layer", in_range(1, 1 << 24));
    v("classes", options_.classes, "kinds of samples", in_range(1, 1 << 24));
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<nn::Mlp>(options_); }
  data::DataContract contract() const override {
    return data::DataContract::of_images(options_.inputs, options_.classes);
  }

 private:
  nn::MlpOptions options_;
};

}  // namespace

Option mlp() { return option<MlpSection>("mlp", "two hidden layers with ReLU"); }

}  // namespace tessera::experiment::models
