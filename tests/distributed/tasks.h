// Small things to train, for tests of training steps.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "autograd/ops.h"
#include "distributed/train_step.h"
#include "nn/block.h"
#include "nn/layers/conv.h"
#include "nn/layers/normalize.h"
#include "nn/models/gpt.h"
#include "nn/optim/adadelta.h"
#include "nn/optim/adafactor.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adamax.h"
#include "nn/optim/adamw.h"
#include "nn/optim/groups.h"
#include "nn/optim/lion.h"
#include "nn/optim/muon.h"
#include "nn/optim/nadam.h"
#include "nn/optim/radam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/schedule_free.h"
#include "nn/optim/sgd.h"
#include "tests/support/arrays.h"

namespace tessera::test {

// Something to train: a module and the loss of its leaves, a function of step and leaf alone.
struct Task {
  virtual ~Task() = default;
  virtual nn::Module& module() = 0;
  virtual nn::Loss loss(Leaf leaf) = 0;
};
using MakeTask = std::function<std::unique_ptr<Task>()>;

struct GptTask : Task {
  nn::Gpt model;

  explicit GptTask(double dropout = 0)
      : model({.layers = 2,
               .heads = 2,
               .width = 16,
               .context = 8,
               .vocabulary = 256,
               .dropout = dropout}) {}
  nn::Module& module() override { return model; }
  nn::Loss loss(Leaf leaf) override {
    // The last leaf of a batch is smaller.
    int64_t rows = leaf.index == 4 ? 1 : 2;
    std::vector<int64_t> x;
    std::vector<int64_t> y;
    for (int64_t i = 0; i < rows * 8; ++i) {
      x.push_back((leaf.step * 71 + leaf.index * 13 + i * i) % 256);
      y.push_back((x.back() * 5 + 1) % 256);
    }
    return model.loss({.tokens = Array::from(x, {rows, 8}), .targets = Array::from(y, {rows, 8})});
  }
};

// Dropout draws by leaf, whoever runs it.
struct DropoutTask : Task {
  struct Net : nn::Module {
    nn::Linear fc1{this, "fc1", 30, 40};
    nn::Dropout drop1{this, "drop1", 0.5};
    nn::Linear fc2{this, "fc2", 40, 20};
    nn::Dropout drop2{this, "drop2", 0.2};
    nn::Linear fc3{this, "fc3", 20, 4};
    Net() {
      fc1.make_block();
      fc2.make_block();
    }
  } net;

  nn::Module& module() override { return net; }
  nn::Loss loss(Leaf leaf) override {
    auto seed = static_cast<uint64_t>(leaf.step * 100 + leaf.index);
    Tensor x(random_array({3, 30}, DType::f32, seed));
    Array targets = Array::from(std::vector<int64_t>{leaf.index % 4, 1, 2}, {3});
    Tensor hidden = net.drop1(relu(net.fc1(x)));
    hidden = net.drop2(relu(net.fc2(hidden)));
    return nn::cross_entropy_loss(net.fc3(hidden), targets);
  }
};

// What scripts/make_training_golden.py makes as well.
inline Array conv_input(Leaf leaf, int64_t rows) {
  std::vector<float> values;
  for (int64_t i = 0; i < rows * 2 * 6 * 6; ++i) {
    int64_t number = (leaf.step * 31 + leaf.index * 17 + i * i * 7) % 101;
    values.push_back(static_cast<float>(number) / 64 - 0.75F);
  }
  return Array::from(values, {rows, 2, 6, 6});
}

// Batch norm over leaves of different sizes, one of which leaves a layer out.
struct ConvTask : Task {
  struct Net : nn::Module {
    // Batch norm takes a bias away again: its gradient is noise, which Adam would scale up.
    nn::Conv2d conv{this, "conv", 2, 6, {3, 3}, {.bias = false}};
    nn::BatchNorm2d norm{this, "norm", 6};
    nn::BatchNorm2d sometimes{this, "sometimes", 6};
    nn::Linear head{this, "head", 6, 3};
    Net() {
      conv.make_block();
      sometimes.make_block();
      head.make_block();
    }
  } net;

  nn::Module& module() override { return net; }
  nn::Loss loss(Leaf leaf) override {
    int64_t rows = leaf.index == 2 ? 1 : 3;
    Tensor x = to(conv_input(leaf, rows), net.conv.weight.dtype());
    Tensor hidden = net.norm(net.conv(x));
    // A leaf without it: its block is gathered, dropped and counts as zero.
    Tensor other = leaf.index == 1 ? hidden : net.sometimes(hidden * 2 + 1);
    Array targets =
        Array::from(std::vector<int64_t>(static_cast<size_t>(rows), leaf.index % 3), {rows});
    Tensor features = mean(relu(other), {2, 3});
    return nn::cross_entropy_loss(net.head(features), targets);
  }
};

template <class T>
MakeTask make() {
  return [] { return std::make_unique<T>(); };
}

inline optim::AdamW adamw_of(const nn::Module& module) {
  optim::ParamGroup decayed{{}, 0.1};
  optim::ParamGroup plain{{}, 0};
  for (const Tensor& param : module.parameters()) {
    (param.dim() >= 2 ? decayed : plain).params.push_back(param);
  }
  return {{decayed, plain}, {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8}};
}

// Every rule that updates element by element, each for some of the parameters: the first for the
// first one, and so on in turn.
inline std::unique_ptr<optim::Optimizer> all_elementwise_of(const nn::Module& module) {
  auto group = []<class Rule>(const Rule& rule) {
    return optim::ParamGroup{.weight_decay = 0.1, .rule = std::make_shared<Rule>(rule)};
  };
  std::vector<optim::ParamGroup> groups{
      group(optim::AdamWScheduleFreeRule({.warmup_steps = 3})),
      group(optim::RmspropRule({.momentum = 0.5, .centered = true})),
      group(optim::AdamRule({.amsgrad = true})),
      group(optim::NAdamRule({})),
      group(optim::AdagradRule({.lr_decay = 0.1, .initial_accumulator_value = 0.1})),
      group(optim::SgdScheduleFreeRule({})),
      group(optim::LionRule({})),
      group(optim::RAdamRule({.beta2 = 0.9})),
      group(optim::AdamaxRule({})),
      group(optim::AdadeltaRule({})),
      group(optim::AdamRule({})),
      group(optim::SgdRule({.momentum = 0.9}))};
  size_t next = 0;
  for (const auto& [name, parameter] : module.named_parameters()) {
    optim::ParamGroup& own = groups[next++ % groups.size()];
    own.params.push_back(parameter);
    own.names.push_back(name);
  }
  return std::make_unique<optim::Optimizer>(std::move(groups));
}

// "adamw", "muon" for matrices that are no embeddings beside it, "adafactor", or "elementwise" of
// all_elementwise_of.
inline std::unique_ptr<optim::Optimizer> optimizer_of(const std::string& name,
                                                      const nn::Module& module) {
  if (name == "adamw") return std::make_unique<optim::AdamW>(adamw_of(module));
  if (name == "elementwise") return all_elementwise_of(module);
  if (name == "adafactor") {
    return std::make_unique<optim::Adafactor>(optim::groups_of(module, {}),
                                              optim::AdafactorRule::Options{});
  }
  TESSERA_CHECK(name == "muon", "there is no optimizer '{}'", name);
  auto takes = [](const std::string& parameter, const Tensor& value) {
    return value.dim() == 2 && !parameter.starts_with("wte") && !parameter.starts_with("wpe");
  };
  optim::ParamGroup muon{.weight_decay = 0.1,
                         .rule = std::make_shared<optim::MuonRule>(optim::MuonRule::Options{})};
  return std::make_unique<optim::Optimizer>(
      optim::groups_of(module, {{"matrices", takes, muon}}),
      std::make_shared<optim::AdamWRule>(optim::AdamWRule::Options{}));
}

// Of hybrid: two copies of the model where that is possible.
inline int group_of(int world) { return world % 2 == 0 ? world / 2 : world; }
inline MeshShape shape_of(Strategy strategy, int world, int per_node = 0) {
  return {.group = strategy == Strategy::hybrid ? group_of(world) : 1, .ranks_per_node = per_node};
}

}  // namespace tessera::test
