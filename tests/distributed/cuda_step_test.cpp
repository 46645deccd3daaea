// Training steps on a device that the host cannot read.
#include <cmath>
#include <functional>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "autograd/running_statistics.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "distributed/comm/fake_communicator.h"
#include "distributed/train_step.h"
#include "nn/layers/linear.h"
#include "nn/optim/adafactor.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/optim/muon.h"
#include "nn/optim/sgd.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

// Rows of a table through two layers. Its running mean is of what the hidden one gives.
struct Net : nn::Callable<Net> {
  Tensor mean = add_buffer("mean", Array::zeros({16}));
  Tensor count = add_buffer("count", Array::zeros({}, DType::i64));
  Tensor table = add_parameter("table", {8, 8}, nn::Init::normal(1));
  nn::Linear hidden{this, "hidden", 8, 16};
  nn::Linear out{this, "out", 16, 4};
  Tensor forward(const Tensor& index) const {
    Tensor x = relu(hidden(embedding(table, index)));
    observe({mean.data(), tessera::mean(x, {0}).data(), 0.1, static_cast<double>(x.size(0))});
    observe_batch(count.data());
    return out(x);
  }
};

using MakeOptimizer = std::function<std::unique_ptr<optim::Optimizer>(const Net&)>;

template <class Rule>
MakeOptimizer rule(typename Rule::Options options = {}) {
  return [options](const Net& net) {
    return std::make_unique<optim::OptimizerOf<Rule>>(
        std::vector<optim::ParamGroup>{{net.parameters(), 0.01}}, options);
  };
}

// Muon for the matrices, AdamW for the others.
std::unique_ptr<optim::Optimizer> make_muon(const Net& net) {
  auto muon = std::make_shared<optim::MuonRule>(optim::MuonRule::Options{.products = DType::f32});
  auto adamw = std::make_shared<optim::AdamWRule>(optim::AdamWRule::Options{});
  std::vector<optim::ParamGroup> groups{{.weight_decay = 0.01, .rule = muon}, {.rule = adamw}};
  for (const Tensor& parameter : net.parameters()) {
    groups[parameter.dim() == 2 ? 0 : 1].params.push_back(parameter);
  }
  return std::make_unique<optim::Optimizer>(groups);
}

MakeOptimizer averaged(const MakeOptimizer& inner) {
  return [inner](const Net& net) { return std::make_unique<optim::Ema>(*inner(net), 0.9); };
}

// A user's rule, which knows nothing of UpdateStep::when.
class Descent final : public optim::UpdateRule {
 public:
  struct Options {};
  explicit Descent(Options) {}
  optim::Cut cut() const override { return optim::Cut::whole_parameter; }
  std::vector<optim::StateInfo> states(const Dims&) const override { return {}; }
  std::string describe() const override { return "descent"; }
  void update(const optim::Slice& slice, const Array& grad_scale,
              const optim::UpdateStep& step) const override {
    EXPECT_FALSE(step.when.defined());
    NoGrad no_grad;
    Tensor change = Tensor(slice.grad) * Tensor(grad_scale) * step.lr;
    slice.param.copy_((Tensor(slice.param) - change).data());
  }
};

// The same numbers on every device.
class Training {
 public:
  Training(Device device, const MakeOptimizer& make, StepOptions options = {})
      : device_(device), world_(0, 1, device), mesh_(world_, {}, control_.get()) {
    manual_seed(7);
    net_ = std::make_unique<Net>();
    net_->to(device);
    optimizer_ = make(*net_);
    options.leaves = 3;
    step_ = std::make_unique<TrainStep>(*net_, *optimizer_, mesh_, options);
  }

  TrainStep& step() { return *step_; }
  const Net& net() const { return *net_; }
  nn::Loss loss(Leaf leaf, double factor = 1, int64_t row = 0) const {
    Array index = Array::from<int64_t>({row, 3 + leaf.index, 2}, {3}).to(device_);
    auto seed = static_cast<uint64_t>(10 * leaf.step + leaf.index);
    Tensor target(random_array({3, 4}, DType::f32, seed).to(device_));
    Tensor error = (*net_)(Tensor(index)) - target;
    return {sum(error * error) * factor, 3};
  }
  StepResult run(double factor = 1, int64_t row = 0) {
    return step_->run(0.01, [&](Leaf leaf) { return loss(leaf, factor, row); });
  }
  // Parameters, states of the optimizer and statistics.
  std::vector<double> values() const {
    std::vector<double> all;
    for (const HeldTensor& held : step_->held()) {
      std::vector<double> own = doubles(held.data.to(Device{}));
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  }

 private:
  Device device_;
  std::unique_ptr<Net> net_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  FakeCommunicator world_;
  std::unique_ptr<Communicator> control_ = make_self_communicator();
  Mesh mesh_;
  std::unique_ptr<TrainStep> step_;
};

struct Recipe {
  std::string name;
  MakeOptimizer make;
  int waits = 0;  // of the host in a step
};
std::vector<Recipe> recipes() {
  return {{"adamw", rule<optim::AdamWRule>()},
          {"sgd", rule<optim::SgdRule>({.momentum = 0.9})},
          {"adafactor", rule<optim::AdafactorRule>()},
          {"muon", make_muon},
          {"averages", averaged(make_muon)},
          {"averages of adafactor", averaged(rule<optim::AdafactorRule>())},
          {"a rule that does not heed", rule<Descent>(), 1}};
}

int64_t waits_in(const std::function<void()>& body) {
  int64_t before = backend(kCuda).host_waits();
  body();
  return backend(kCuda).host_waits() - before;
}

using CudaStep = CudaTest;

TEST_F(CudaStep, AgreesWithTheCpu) {
  for (const Recipe& recipe : recipes()) {
    for (double clip_norm : {0.0, 0.5}) {
      SCOPED_TRACE(fmt::format("{} clip {}", recipe.name, clip_norm));
      Training here(Device{}, recipe.make, {.clip_norm = clip_norm});
      Training there(kCuda, recipe.make, {.clip_norm = clip_norm});
      for (int i = 0; i < 4; ++i) {
        StepResult expected = here.run();
        StepResult result = there.run();
        EXPECT_NEAR(result.loss(), expected.loss(), 1e-5 * expected.loss());
        EXPECT_NEAR(result.grad_norm(), expected.grad_norm(), 1e-5 * expected.grad_norm());
        EXPECT_TRUE(result.finite());
      }
      EXPECT_TRUE(close_to(there.values(), here.values(), 1e-5, 1e-5));
      EXPECT_TRUE(near(there.net().mean.data(), here.net().mean.data(), 1e-5));
      EXPECT_EQ(there.net().count.data().item<int64_t>(), 4);
      EXPECT_GT(sum(here.net().mean).item<double>(), 0);
    }
  }
}

TEST_F(CudaStep, MakesTheHostWaitWhereItAsks) {
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.name);
    Training training(kCuda, recipe.make, {.clip_norm = 0.5});
    training.run().loss();
    for (int i = 0; i < 3; ++i) {
      StepResult result;
      EXPECT_EQ(waits_in([&] { result = training.run(); }), recipe.waits);
      EXPECT_EQ(waits_in([&] { result.loss(); }), 1 - recipe.waits);
      EXPECT_TRUE(result.ready());
      EXPECT_EQ(waits_in([&] { EXPECT_TRUE(result.finite() && result.grad_norm() > 0); }), 0);
      EXPECT_EQ(waits_in([&] { training.step().updates_done(); }), 0);
    }
  }
}

// Then it has waited, at the most, for what the device did before this step.
TEST_F(CudaStep, LooksAtTheStepBeforeWhereNobodyAsked) {
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.name);
    Training training(kCuda, recipe.make, {.clip_norm = 0.5});
    StepResult before = training.run();
    for (int i = 0; i < 3; ++i) {
      StepResult result;
      EXPECT_EQ(waits_in([&] { result = training.run(); }), 1);
      EXPECT_EQ(waits_in([&] { EXPECT_GT(before.loss(), 0); }), 0);
      before = result;
    }
    EXPECT_EQ(training.step().steps_done(), 4);
    EXPECT_EQ(training.step().updates_done(), 4);
  }
}

TEST_F(CudaStep, ChangesNothingWhereANumberIsNotFinite) {
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.name);
    Training asking(kCuda, recipe.make, {.clip_norm = 0.5});
    Training other(kCuda, recipe.make, {.clip_norm = 0.5});
    // The first step is one like that, and the third.
    for (int64_t updates : {0, 1}) {
      std::vector<double> before = asking.values();
      StepResult result = asking.run(std::nan(""));
      EXPECT_FALSE(result.finite());
      EXPECT_TRUE(std::isnan(result.loss()));
      EXPECT_EQ(asking.values(), before);
      EXPECT_EQ(asking.step().updates_done(), updates);
      EXPECT_EQ(asking.step().steps_done(), 2 * updates + 1);
      EXPECT_TRUE(asking.run().finite());
      EXPECT_NE(asking.values(), before);
      // It goes on as if that step had not been, whoever asks.
      other.run(HUGE_VAL);
      other.run();
      EXPECT_EQ(other.values(), asking.values());
    }
    EXPECT_EQ(other.step().updates_done(), 2);
  }
}

// Where the host may hear of what was wrong with a batch, and whether the training goes on: what a
// collective throws ends it.
struct Hearing {
  std::string name;
  std::function<void(Training&, StepResult&)> look;
  bool goes_on = false;
};
const std::vector<Hearing>& hearings() {
  static const std::vector<Hearing> all{
      {"the result", [](Training&, StepResult& result) { result.loss(); }, true},
      {"the count", [](Training& training, StepResult&) { training.step().updates_done(); }, true},
      {"the next step", [](Training& training, StepResult&) { training.run(); }},
      {"the state", [](Training& training, StepResult&) { training.step().state(); }}};
  return all;
}

TEST_F(CudaStep, TellsWhatIsWrongWithABatchAndChangesNothing) {
  const std::string wrong = "[embedding] expected an index in [0, 8), got 8 at 0";
  for (const Recipe& recipe : recipes()) {
    for (const Hearing& hearing : hearings()) {
      SCOPED_TRACE(recipe.name + ", by " + hearing.name);
      Training training(kCuda, recipe.make);
      Training right(kCuda, recipe.make);
      training.run();
      right.run();
      StepResult result;
      std::string in_step = error_of([&] { result = training.run(1, 8); });
      EXPECT_EQ(in_step, recipe.waits > 0 ? wrong : "");
      if (in_step.empty()) {
        EXPECT_EQ(error_of([&] { hearing.look(training, result); }), wrong);
        EXPECT_EQ(error_of([&] { result.finite(); }), wrong);
      }
      EXPECT_EQ(training.step().steps_done(), 1);
      EXPECT_EQ(training.step().updates_done(), 1);
      EXPECT_EQ(training.values(), right.values());
      if (!in_step.empty()) break;
      if (!hearing.goes_on) continue;
      EXPECT_EQ(training.run().loss(), right.run().loss());
      EXPECT_EQ(training.values(), right.values());
    }
  }
}

// Then the step is none, all the same.
TEST_F(CudaStep, IsNoneWhereItsErrorWasThrownByOthers) {
  Training training(kCuda, rule<optim::AdamWRule>());
  training.run();
  std::vector<double> before = training.values();
  StepResult result = training.run(1, 8);
  EXPECT_TRUE(contains(error_of([&] { backend(kCuda).synchronize(); }), "[embedding]"));
  EXPECT_TRUE(contains(error_of([&] { result.loss(); }), "[TrainStep] step 2 updated nothing"));
  EXPECT_EQ(training.step().steps_done(), 1);
  EXPECT_EQ(training.values(), before);
  EXPECT_TRUE(training.run().finite());
  EXPECT_EQ(training.step().updates_done(), 2);
}

// Who goes on from elsewhere need not hear what was wrong with the step before.
TEST_F(CudaStep, GoesOnFromElsewhereWhateverBecameOfItsLast) {
  Training training(kCuda, rule<optim::AdamWRule>());
  training.run();
  StepResult result = training.run(1, 8);
  EXPECT_EQ(error_of([&] { training.step().restored(7, 3); }), "");
  EXPECT_EQ(training.step().steps_done(), 7);
  EXPECT_EQ(training.step().updates_done(), 3);
  EXPECT_TRUE(contains(error_of([&] { result.loss(); }), "[embedding]"));
  EXPECT_TRUE(training.run().finite());
  EXPECT_EQ(training.step().updates_done(), 4);
}

// The scale follows from the step before, whose numbers the host waits for before backward.
TEST_F(CudaStep, ScalesItsLosses) {
  LossScaleOptions scale{.init_scale = 1024, .growth_interval = 2};
  Training scaled(kCuda, rule<optim::AdamWRule>(), {.clip_norm = 0.5, .loss_scale = scale});
  Training plain(kCuda, rule<optim::AdamWRule>(), {.clip_norm = 0.5});
  const std::pair<double, double> steps[] = {
      {1, 1024}, {HUGE_VAL, 1024}, {1, 512}, {1, 512}, {1, 1024}};
  bool first = true;
  for (auto [factor, expected] : steps) {
    StepResult result;
    EXPECT_EQ(waits_in([&] { result = scaled.run(factor); }), first ? 0 : 1);
    first = false;
    EXPECT_EQ(result.loss_scale(), expected);
    plain.run(factor);
  }
  EXPECT_EQ(scaled.step().loss_scale(), (LossScaleState{1024, 1}));
  EXPECT_EQ(scaled.step().updates_done(), 4);
  EXPECT_EQ(scaled.values(), plain.values());
}

TEST_F(CudaStep, ItsHalvesGiveTheWhole) {
  Training whole(kCuda, rule<optim::AdamWRule>(), {.clip_norm = 0.5});
  Training halves(kCuda, rule<optim::AdamWRule>(), {.clip_norm = 0.5});
  for (int i = 0; i < 2; ++i) {
    StepResult expected = whole.run();
    StepGradients gradients =
        halves.step().accumulate([&](Leaf leaf) { return halves.loss(leaf); });
    EXPECT_EQ(gradients.loss, expected.loss());
    EXPECT_EQ(halves.step().norm(gradients), expected.grad_norm());
    StepResult result = halves.step().apply(0.01, std::move(gradients));
    EXPECT_EQ(result.loss(), expected.loss());
    EXPECT_EQ(result.grad_norm(), expected.grad_norm());
  }
  EXPECT_EQ(halves.values(), whole.values());
}

}  // namespace
}  // namespace tessera::test
