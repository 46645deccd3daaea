// The tessera command with what a user may bring along: a model that casts nothing, with a part
// that is frozen or starts as it likes, and an optimizer that looks at numbers.
#include <random>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "launcher/experiment/run.h"
#include "nn/layers.h"

namespace {

using namespace tessera;

class Own final : public nn::Model {
 public:
  Own(bool frozen, bool random) : first_(this, "first", 784, 16), second_(this, "second", 16, 10) {
    first_.make_block();
    second_.make_block();
    first_.bias.set_requires_grad(!frozen);
    if (!random) return;
    set_initial_values(first_.weight, nn::Init::custom([](int64_t, const Array& out) {
                         std::random_device device;
                         for (int64_t i = 0; i < out.numel(); ++i) {
                           out.data<float>()[i] = static_cast<float>(device() % 1000) * 1e-5F;
                         }
                       }));
  }
  Tensor forward(const data::Batch& batch) override {
    Tensor x = reshape(batch.images, {batch.images.size(0), 784});
    return second_(relu(first_(x)));
  }

 private:
  nn::Linear first_;
  nn::Linear second_;
};

class OwnSection final : public experiment::ModelSection {
 public:
  void visit(experiment::FieldVisitor& v) override {
    v("frozen", frozen_, "whether a bias is");
    v("random", random_, "whether each rank starts as it likes");
  }
  std::unique_ptr<nn::Model> make() const override {
    return std::make_unique<Own>(frozen_, random_);
  }

 private:
  bool frozen_ = false;
  bool random_ = false;
};

// param -= lr * scale * grad, the scale being read.
class Reading final : public optim::UpdateRule {
 public:
  optim::Cut cut() const override { return optim::Cut::anywhere; }
  std::vector<optim::StateInfo> states(const Dims&) const override { return {}; }
  std::string describe() const override { return "reading"; }
  void update(const optim::Slice& slice, const Array& grad_scale,
              const optim::UpdateStep& step) const override {
    NoGrad no_grad;
    double scale = grad_scale.item<double>();
    sub_(Tensor(slice.param), Tensor(slice.grad) * (step.lr * scale));
  }
};

class ReadingSection final : public experiment::OptimSection {
 public:
  std::unique_ptr<optim::Optimizer> make(const nn::Module& module) const override {
    return std::make_unique<optim::Optimizer>(std::vector{optim::ParamGroup{module.parameters()}},
                                              std::make_shared<Reading>());
  }
};

}  // namespace

int main(int argc, char** argv) {
  experiment::Catalog catalog = experiment::builtin_catalog();
  catalog.model.push_back(experiment::option<OwnSection>("own", "two layers"));
  catalog.optim.push_back(experiment::option<ReadingSection>("reading", "plain descent"));
  return run(argc, argv, catalog);
}
