#include "nn/module.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/block.h"
#include "nn/layers.h"
#include "tests/nn/small_modules.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

struct Net : Module {
  Linear fc1{this, "fc1", 3, 4};
  Linear fc2{this, "fc2", 4, 2};
};

struct Inner : Module {
  Inner(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  Linear fc{this, "fc", 2, 2, {.bias = false}};
};

struct Outer : Module {
  Inner a{this, "a"};
  Inner b{this, "b"};
};

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : module.named_parameters()) out.push_back(name);
  return out;
}

// Copies that later changes of the module do not reach.
StateDict snapshot(const Module& module) {
  StateDict out;
  for (const auto& [name, array] : module.state_dict()) out.emplace_back(name, array.clone());
  return out;
}

testing::AssertionResult same_state(const StateDict& a, const StateDict& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << a.size() << " and " << b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].first != b[i].first) return testing::AssertionFailure() << a[i].first;
    auto same = same_bits(a[i].second, b[i].second);
    if (!same) return same << ", of " << a[i].first;
  }
  return testing::AssertionSuccess();
}

TEST(Module, NamesParametersByTheirPath) {
  Net net;
  EXPECT_EQ(names(net),
            (std::vector<std::string>{"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
  EXPECT_EQ(net.path(), "");
  EXPECT_EQ(net.fc2.path(), "fc2");
  // A part names its own by the path from the root, too.
  EXPECT_EQ(names(net.fc2), (std::vector<std::string>{"fc2.weight", "fc2.bias"}));
  EXPECT_EQ(net.num_parameters(), 3 * 4 + 4 + 4 * 2 + 2);
  EXPECT_EQ(net.parameters().size(), 4U);
}

TEST(Module, NamesPartsOfParts) {
  Outer outer;
  EXPECT_EQ(names(outer), (std::vector<std::string>{"a.fc.weight", "b.fc.weight"}));
}

TEST(Module, PutsItsOwnParametersBeforeItsParts) {
  Free root;
  Free part(&root, "part");
  part.add("x", {1});
  root.add("scale", {1});
  EXPECT_EQ(names(root), (std::vector<std::string>{"scale", "part.x"}));
}

TEST(Module, ParametersRequireGradients) {
  Net net;
  for (const Tensor& parameter : net.parameters()) {
    EXPECT_TRUE(parameter.requires_grad() && parameter.is_leaf());
    EXPECT_EQ(parameter.dtype(), DType::f32);
  }
}

TEST(Module, RefusesBadNames) {
  Free root;
  root.add("w", {2});
  Free part(&root, "part");
  EXPECT_EQ(error_of([&] { Free(&root, "a.b"); }),
            "[Module] expected a name without a dot or a slash, got 'a.b'");
  EXPECT_EQ(error_of([&] { Free(&root, ""); }),
            "[Module] expected a name without a dot or a slash, got ''");
  EXPECT_EQ(error_of([&] { root.add("x.y", {1}); }),
            "[Module] expected a name without a dot or a slash, got 'x.y'");
  EXPECT_EQ(error_of([&] { Free(&root, "part"); }), "[Module] 'part' is there twice");
  EXPECT_EQ(error_of([&] { Free(&root, "w"); }), "[Module] 'w' is there twice");
  EXPECT_EQ(error_of([&] { root.add("part", {1}); }), "[Module] 'part' is there twice");
  part.add("w", {1});
  EXPECT_EQ(error_of([&] { part.add("w", {1}); }), "[Module] 'part.w' is there twice");
  EXPECT_EQ(names(root), (std::vector<std::string>{"w", "part.w"}));
}

TEST(Module, AChildThatIsGoneBeforeItsParentIsMissed) {
  Free root;
  { Free part(&root, "part"); }
  std::string error = error_of([&] { names(root); });
  EXPECT_TRUE(contains(error, "'part' was destroyed before its parent")) << error;
  // Another one takes its place.
  Free part(&root, "part");
  part.add("w", {1});
  EXPECT_EQ(names(root), (std::vector<std::string>{"part.w"}));
}

TEST(Module, APartThatThrowsLeavesNothingBehind) {
  Free root;
  EXPECT_THROW(Linear(&root, "fc", 0, 1), Error);
  EXPECT_TRUE(names(root).empty());
  root.train();
}

// The output layer uses the embedding's weight: one parameter, whose gradient has both shares.
TEST(Module, ATiedTensorIsThereOnce) {
  struct Tied : Module {
    Embedding wte{this, "wte", 5, 3};
    Tensor forward(const Tensor& index) { return linear(wte(index), wte.weight); }
  } model;
  EXPECT_EQ(names(model), std::vector<std::string>{"wte.weight"});
  EXPECT_EQ(model.num_parameters(), 15);
  sum(model.forward(Array::from(std::vector<int64_t>{1, 2}, {2}))).backward();
  // Rows that no token took got a gradient as output weights.
  std::vector<double> grad = doubles(model.wte.weight.grad().data());
  EXPECT_NE(grad[0], 0);
}

TEST(Module, StateDictSharesMemory) {
  Net net;
  net.state_dict()[1].second.fill_(7);
  EXPECT_EQ(doubles(net.fc1.bias.data()), std::vector<double>(4, 7));
}

TEST(Module, StateDictGoesThereAndBack) {
  manual_seed(1);
  Net a;
  manual_seed(2);
  Net b;
  EXPECT_FALSE(same_state(a.state_dict(), b.state_dict()));
  Tensor before = b.fc1.weight;
  b.load_state_dict(a.state_dict());
  EXPECT_TRUE(same_state(a.state_dict(), b.state_dict()));
  EXPECT_NE(a.fc1.weight.data().raw(), b.fc1.weight.data().raw());
  EXPECT_EQ(before.shared(), b.fc1.weight.shared());
  // Its own state changes nothing, in whatever order it comes.
  StateDict own = b.state_dict();
  std::swap(own[0], own[3]);
  b.load_state_dict(own);
  EXPECT_TRUE(same_state(a.state_dict(), b.state_dict()));
}

TEST(Module, LoadsStridedValues) {
  Free root;
  Tensor w = root.add("w", {2, 3});
  Array value = Array::arange(6, DType::f32).view({3, 2}).transpose(0, 1);
  root.load_state_dict({{"w", value}});
  EXPECT_EQ(doubles(w.data()), (std::vector<double>{0, 2, 4, 1, 3, 5}));
}

TEST(Module, ARefusedStateChangesNothing) {
  Net net;
  StateDict before = snapshot(net);
  StateDict good;
  for (const auto& [name, array] : before) good.emplace_back(name, Array::zeros(array.shape()));
  auto refused = [&](StateDict state, const std::string& why) {
    EXPECT_EQ(error_of([&] { net.load_state_dict(state); }), "[load_state_dict] " + why);
    EXPECT_TRUE(same_state(net.state_dict(), before));
  };

  StateDict missing = good;
  missing.pop_back();
  refused(missing, "'fc2.bias' is missing");
  refused({},
          "'fc1.weight' is missing; 'fc1.bias' is missing; 'fc2.weight' is missing; "
          "'fc2.bias' is missing");

  StateDict unknown = good;
  unknown.emplace_back("fc3.bias", Array::zeros({2}));
  refused(unknown, "the module has no 'fc3.bias'");

  StateDict shape = good;
  shape[2].second = Array::zeros({4, 2});
  refused(shape, "'fc2.weight': expected f32 (2, 4), got f32 (4, 2)");

  StateDict dtype = good;
  dtype[3].second = Array::zeros({2}, DType::f64);
  refused(dtype, "'fc2.bias': expected f32 (2,), got f64 (2,)");

  net.load_state_dict(good);
  EXPECT_TRUE(same_state(net.state_dict(), good));
}

TEST(Module, BuffersAreStateButNoParameters) {
  struct Counter : Module {
    Counter(Module* parent, std::string name) : Module(parent, std::move(name)) {}
    Tensor w = add_parameter("w", {2}, Init::constant(1));
    Tensor count = add_buffer("count", Array::from<int64_t>({7}, {}));
    Linear fc{this, "fc", 2, 2, {.bias = false}};
  };
  struct Root : Module {
    Counter a{this, "a"};
  } root;
  EXPECT_EQ(names(root), (std::vector<std::string>{"a.w", "a.fc.weight"}));
  NamedTensors buffers = root.named_buffers();
  ASSERT_EQ(buffers.size(), 1U);
  EXPECT_EQ(buffers[0].first, "a.count");
  EXPECT_FALSE(root.a.count.requires_grad());
  EXPECT_EQ(root.a.named_buffers()[0].first, "a.count");
  StateDict state = snapshot(root);
  ASSERT_EQ(state.size(), 3U);
  EXPECT_EQ(state[1].first, "a.count");
  root.a.count.data().fill_(0);
  root.load_state_dict(state);
  EXPECT_EQ(root.a.count.item<int64_t>(), 7);
  EXPECT_EQ(error_of([&] {
              state[1].second = Array::zeros({});
              root.load_state_dict(state);
            }),
            "[load_state_dict] 'a.count': expected i64 (), got f32 ()");
}

TEST(Module, TrainAndEvalReachAllParts) {
  Outer outer;
  EXPECT_TRUE(outer.training() && outer.a.training() && outer.a.fc.training());
  outer.eval();
  EXPECT_FALSE(outer.training() || outer.a.training() || outer.b.fc.training());
  outer.a.train();
  EXPECT_TRUE(outer.a.fc.training());
  EXPECT_FALSE(outer.training() || outer.b.training());
}

TEST(Module, ZeroGradDropsGradients) {
  Net net;
  sum(net.fc2(relu(net.fc1(Tensor(Array::full({1, 3}, 1)))))).backward();
  for (const Tensor& parameter : net.parameters()) EXPECT_TRUE(parameter.grad().defined());
  net.zero_grad();
  for (const Tensor& parameter : net.parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST(ModuleList, NumbersItsItems) {
  Free root;
  ModuleList<Linear> list(&root, "layers");
  for (int i = 0; i < 12; ++i) list.emplace_back(2, 2, Linear::Options{.bias = false});
  EXPECT_EQ(list.size(), 12U);
  EXPECT_EQ(list[11].path(), "layers.11");
  // Eleven comes after ten and not after one.
  std::vector<std::string> all = names(root);
  ASSERT_EQ(all.size(), 12U);
  EXPECT_EQ(all[1], "layers.1.weight");
  EXPECT_EQ(all[10], "layers.10.weight");
  root.eval();
  EXPECT_FALSE(list[3].training());
}

TEST(ModuleScope, NamesWhoDrawsAndEnds) {
  Free root;
  Free part(&root, "part");
  context().module_path = std::make_shared<const std::string>("outside");
  {
    ModuleScope scope(part);
    EXPECT_EQ(context().path(), "part");
    {
      ModuleScope inner(root);
      EXPECT_EQ(context().path(), "");
    }
    EXPECT_EQ(context().path(), "part");
  }
  EXPECT_EQ(context().path(), "outside");
  context().module_path = nullptr;
}

struct Recorder : BlockRunner {
  std::vector<std::string> paths;
  std::vector<Tensor> run(const Module& block, const TensorFunction& forward,
                          const std::vector<Tensor>& inputs) override {
    paths.push_back(block.path());
    return forward(inputs);
  }
};

TEST(Blocks, RunUnderTheRunnerOfTheirRoot) {
  Blocks module;
  Tensor x(Array::full({1, 3}, 1));
  Array alone = module.forward(x).data();
  Recorder recorder;
  module.set_block_runner(&recorder);
  EXPECT_TRUE(same_bits(module.forward(x).data(), alone));
  EXPECT_EQ(recorder.paths, (std::vector<std::string>{"first", "second"}));
  module.set_block_runner(nullptr);
  module.forward(x);
  EXPECT_EQ(recorder.paths.size(), 2U);
}

TEST(Blocks, InsideOfBlocksArePartOfThem) {
  struct Outer : Module {
    struct Part : Module {
      explicit Part(Module* parent) : Module(parent, "part") { make_block(); }
      Linear layer{this, "layer", 2, 2};
    } part{this};
    Outer() {
      make_block();
      part.layer.make_block();
    }
  } outer;
  ASSERT_EQ(outer.blocks().size(), 1U);
  EXPECT_EQ(outer.blocks()[0], &outer);
  Recorder recorder;
  outer.set_block_runner(&recorder);
  outer.part.layer(Tensor(Array::full({1, 2}, 1)));
  EXPECT_TRUE(recorder.paths.empty());
}

TEST(Module, SharesParametersUnderSeveralNames) {
  struct Tied : Module {
    struct Head : Module {
      Head(Module* parent, const Tensor& weight) : Module(parent, "head") {
        share_parameter("weight", weight);
      }
    };
    Tensor weight = add_parameter("weight", {2}, Init::constant(1));
    Head head{this, weight};
  } tied;
  EXPECT_EQ(tied.named_parameters().size(), 1U);
  ASSERT_EQ(tied.all_named_parameters().size(), 2U);
  EXPECT_EQ(tied.all_named_parameters()[1].first, "head.weight");
  EXPECT_EQ(tied.initial_values(tied.weight).name, "weight");
}

}  // namespace
}  // namespace tessera::nn
