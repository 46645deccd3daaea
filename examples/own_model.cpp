// The tessera command with a model of one's own, and a metric of its own.
//   own_model train own_model.yaml
#include <autograd/ops.h>
#include <launcher/experiment/run.h>
#include <nn/layers/linear.h>

using namespace tessera;

// Two layers between 784 pixels and ten kinds of things.
class Net final : public nn::Model {
 public:
  explicit Net(int64_t width) : fc1_(this, "fc1", 784, width), fc2_(this, "fc2", width, 10) {
    fc1_.make_block(), fc2_.make_block();  // what zero3 gathers at once
  }
  Tensor forward(const data::Batch& batch) override {
    return fc2_(relu(fc1_(flatten(batch.images, 1))));
  }
  // How often it is right, and the probability of what it says.
  std::vector<nn::MetricInfo> metrics() const override {
    std::vector<nn::MetricInfo> all = nn::class_metrics(10);
    all.push_back({.name = "confidence", .is_share = true});
    return all;
  }

 protected:
  nn::Evaluation compute_evaluation(const data::Batch& batch) override {
    Tensor logits = (*this)(batch);
    std::vector<nn::Loss> all = nn::class_metrics_of(logits, batch.targets);
    all.push_back({sum(amax(softmax(logits, -1), {-1})), double(logits.size(0))});
    return {nn::cross_entropy_loss(logits, batch.targets), all};
  }

 private:
  nn::Linear fc1_, fc2_;
};

class NetSection final : public experiment::ModelSection {
 public:
  void visit(experiment::FieldVisitor& v) override {
    v("width", width_, "units of the hidden layer", experiment::in_range(1, 1 << 20));
  }
  std::unique_ptr<nn::Model> make() const override { return std::make_unique<Net>(width_); }
  data::DataContract contract() const override { return data::DataContract::of_images(784, 10); }

 private:
  int64_t width_ = 64;
};

int main(int argc, char** argv) {
  experiment::Catalog catalog = experiment::builtin_catalog();
  catalog.model.push_back(experiment::option<NetSection>("net", "two layers"));
  return run(argc, argv, catalog);
}
