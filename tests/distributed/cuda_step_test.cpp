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
  std::vector<double> values() const {
    std::vector<double> all;
    for (const auto& [name, parameter] : net_->named_parameters()) {
      std::vector<double> own = doubles(parameter.data().to(Device{}));
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
};
std::vector<Recipe> recipes() {
  return {{"adamw", rule<optim::AdamWRule>()},
          {"sgd", rule<optim::SgdRule>({.momentum = 0.9})},
          {"adafactor", rule<optim::AdafactorRule>()}};
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
        EXPECT_NEAR(result.loss, expected.loss, 1e-5 * expected.loss);
        EXPECT_NEAR(result.grad_norm, expected.grad_norm, 1e-5 * expected.grad_norm);
        EXPECT_TRUE(result.finite);
      }
      EXPECT_TRUE(close_to(there.values(), here.values(), 1e-5, 1e-5));
      EXPECT_TRUE(near(there.net().mean.data(), here.net().mean.data(), 1e-5));
      EXPECT_EQ(there.net().count.data().item<int64_t>(), 4);
      EXPECT_GT(sum(here.net().mean).item<double>(), 0);
    }
  }
}

// What the host asks the device for in a steady step: the row of the step's numbers.
TEST_F(CudaStep, MakesTheHostWaitOnce) {
  for (const Recipe& recipe : recipes()) {
    Training training(kCuda, recipe.make, {.clip_norm = 0.5});
    training.run();
    int64_t before = backend(kCuda).host_waits();
    for (int i = 0; i < 3; ++i) training.run();
    int64_t waits = backend(kCuda).host_waits() - before;
    EXPECT_EQ(waits, 3) << recipe.name;
  }
}

TEST_F(CudaStep, ChangesNothingWhereANumberIsNotFinite) {
  for (const Recipe& recipe : recipes()) {
    SCOPED_TRACE(recipe.name);
    Training training(kCuda, recipe.make, {.clip_norm = 0.5});
    Training other(kCuda, recipe.make, {.clip_norm = 0.5});
    training.run();
    other.run();
    std::vector<double> before = training.values();
    StepResult result = training.run(std::nan(""));
    EXPECT_FALSE(result.finite);
    EXPECT_TRUE(std::isnan(result.loss));
    EXPECT_EQ(training.values(), before);
    EXPECT_EQ(training.step().updates_done(), 1);
    EXPECT_EQ(training.step().steps_done(), 2);
    // And it goes on as if that step had not been.
    EXPECT_FALSE(other.run(HUGE_VAL).finite);
    training.run();
    other.run();
    EXPECT_EQ(training.values(), other.values());
  }
}

TEST_F(CudaStep, TellsWhatIsWrongWithABatchAndChangesNothing) {
  for (const Recipe& recipe : recipes()) {
    Training training(kCuda, recipe.make);
    training.run();
    std::vector<double> before = training.values();
    EXPECT_EQ(error_of([&] { training.run(1, 8); }),
              "[embedding] expected an index in [0, 8), got 8 at 0")
        << recipe.name;
    EXPECT_EQ(training.values(), before) << recipe.name;
    EXPECT_EQ(training.step().updates_done(), 1);
    EXPECT_EQ(training.step().steps_done(), 1);
  }
}

TEST_F(CudaStep, ItsHalvesGiveTheWhole) {
  Training whole(kCuda, rule<optim::AdamWRule>(), {.clip_norm = 0.5});
  Training halves(kCuda, rule<optim::AdamWRule>(), {.clip_norm = 0.5});
  for (int i = 0; i < 2; ++i) {
    StepResult expected = whole.run();
    StepGradients gradients =
        halves.step().accumulate([&](Leaf leaf) { return halves.loss(leaf); });
    EXPECT_EQ(gradients.loss, expected.loss);
    EXPECT_EQ(halves.step().norm(gradients), expected.grad_norm);
    StepResult result = halves.step().apply(0.01, std::move(gradients));
    EXPECT_EQ(result.loss, expected.loss);
    EXPECT_EQ(result.grad_norm, expected.grad_norm);
  }
  EXPECT_EQ(halves.values(), whole.values());
}

}  // namespace
}  // namespace tessera::test
