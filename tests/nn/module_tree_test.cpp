// Modules that are attached, found and replaced, and what happens to their names and values.
#include <gtest/gtest.h>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/layers.h"
#include "nn/module.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

struct Head : Callable<Head> {
  Linear fc{this, "fc", 3, 2};
  LayerNorm norm{this, "norm", 2};
  Tensor forward(const Tensor& x) { return norm(fc(x)); }
};

struct InPlace : Callable<InPlace> {
  struct Inner : Callable<Inner> {
    Inner(Module* parent, std::string name) : Callable(parent, std::move(name)) {}
    Linear fc{this, "fc", 3, 2};
    LayerNorm norm{this, "norm", 2};
  } head{this, "head"};
  Linear last{this, "last", 2, 2};
};

struct Body : Callable<Body> {
  Sequential layers{this, "layers"};
  Linear out{this, "out", 4, 2};
  Body() { layers.add<Linear>(3, 4).add<Relu>().add<Linear>(4, 4); }
  Tensor forward(const Tensor& x) { return out(layers(x)); }
};

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : module.named_parameters()) out.push_back(name);
  return out;
}

Tensor ramp(const Dims& shape) {
  return Tensor(Array::arange(num_elements(shape), DType::f32).view(shape));
}

TEST(Attach, GivesTheNamesAndValuesOfAModuleMadeInPlace) {
  manual_seed(3);
  InPlace expected;
  Module root;
  auto& head = root.attach("head", std::make_unique<Head>());
  root.attach("last", make<Linear>(2, 2));
  EXPECT_EQ(names(root), names(expected));
  EXPECT_EQ(head.fc.path(), "head.fc");
  EXPECT_EQ(head.parent(), &root);
  StateDict a = root.state_dict();
  StateDict b = expected.state_dict();
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(same_bits(a[i].second, b[i].second)) << a[i].first;
  }
  EXPECT_EQ(root.initial_values(head.fc.weight).name, "head.fc.weight");
}

TEST(Attach, OfOneWithoutMemoryResolvesItsValuesAsWell) {
  manual_seed(3);
  InPlace expected;
  Module root;
  {
    DeferInit defer;
    root.attach("head", std::make_unique<Head>());
  }
  root.materialize();
  EXPECT_TRUE(same_bits(root.get<Linear>("head.fc").weight.data(), expected.head.fc.weight.data()));
}

TEST(Attach, KeepsValuesThatWereChanged) {
  auto head = std::make_unique<Head>();
  fill_(head->fc.bias.detach(), 5);
  Tensor weight = head->fc.weight;
  Array before = weight.data().clone();
  Module root;
  root.attach("head", std::move(head));
  EXPECT_EQ(doubles(root.get<Linear>("head.fc").bias.data()), (std::vector<double>{5, 5}));
  EXPECT_FALSE(same_bits(weight.data(), before));  // this one started anew, in the same tensor
  EXPECT_EQ(root.get<Linear>("head.fc").weight.shared(), weight.shared());
}

TEST(Attach, OfAModuleThatSomebodyElseKeeps) {
  Head head;
  Module root;
  root.attach("head", head);
  EXPECT_EQ(names(root).size(), 4U);
  EXPECT_EQ(root.find("head"), &head);
}

TEST(Attach, RefusesWhatHasAPlaceAlready) {
  InPlace net;
  Module other;
  EXPECT_TRUE(contains(error_of([&] { other.attach("x", net.head); }),
                       "expected a module without a parent, got 'head'"));
  EXPECT_TRUE(contains(error_of([&] { net.attach("last", make<Linear>(1, 1)); }), "there twice"));
  EXPECT_TRUE(contains(error_of([&] { net.attach("a.b", make<Linear>(1, 1)); }), "without a dot"));
  EXPECT_TRUE(contains(error_of([&] { net.head.attach("root", net); }), "below itself"));
  EXPECT_TRUE(
      contains(error_of([&] { net.attach("none", std::unique_ptr<Linear>()); }), "got none"));
  EXPECT_EQ(names(net).size(), 6U);
}

TEST(Find, ByPathAndByType) {
  Body body;
  EXPECT_EQ(body.find(""), &body);
  EXPECT_EQ(body.find("layers.2"), &body.layers[2]);
  EXPECT_EQ(body.find("layers.7"), nullptr);
  EXPECT_EQ(body.find("layers.2.weight"), nullptr);  // a parameter is no module
  EXPECT_EQ(body.get<Linear>("layers.2").weight.shape(), (Dims{4, 4}));
  EXPECT_EQ(error_of([&] { body.get<Linear>("layers.7"); }),
            "[Module] there is no 'layers.7' in ''; the children of 'layers' are '0', '1', '2'");
  EXPECT_EQ(error_of([&] { body.get<LayerNorm>("out"); }),
            "[Module] 'out' is a Linear, not a LayerNorm");
  std::vector<std::string> paths;
  for (const Module* module : std::as_const(body).modules()) paths.push_back(module->path());
  EXPECT_EQ(paths,
            (std::vector<std::string>{"", "layers", "layers.0", "layers.1", "layers.2", "out"}));
  EXPECT_EQ(body.children(), (std::vector<Module*>{&body.layers, &body.out}));
  paths.clear();
  body.layers.apply([&](Module& module) { paths.push_back(module.path()); });
  EXPECT_EQ(paths, (std::vector<std::string>{"layers.0", "layers.1", "layers.2", "layers"}));
}

// W x + B A x, W frozen (Hu et al. 2021): takes a linear's place, and goes on with its parameters.
struct Lora : Layer {
  explicit Lora(Linear& base) : base_(base) {
    share_parameter("weight", base.weight);
    share_parameter("bias", base.bias);
    base.requires_grad_(false);
    a = add_parameter("lora_a", {1, base.weight.size(1)}, Init::normal(1));
    b = add_parameter("lora_b", {base.weight.size(0), 1}, Init::constant(0));
  }
  Tensor forward(const Tensor& x) const override { return base_(x) + linear(linear(x, a), b); }

  Tensor a, b;

 private:
  Linear& base_;
};

TEST(Replace, CallsReachTheOneInItsPlace) {
  Body body;
  Tensor x = ramp({2, 3});
  Array before = body(x).data();
  std::vector<std::string> order = names(body);
  auto& lora = body.replace("layers.0", std::make_unique<Lora>(body.get<Linear>("layers.0")));
  EXPECT_EQ(lora.path(), "layers.0");
  EXPECT_EQ(body.find("layers.0"), &lora);
  EXPECT_TRUE(same_bits(body(x).data(), before));  // B starts at zero
  EXPECT_EQ(names(body)[0], order[0]);
  EXPECT_EQ(names(body)[2], "layers.0.lora_a");
  EXPECT_EQ(names(body).size(), order.size() + 2);
  EXPECT_EQ(body.initial_values(lora.a).name, "layers.0.lora_a");
  EXPECT_EQ(body.initial_values(body.named_parameters()[0].second).name, "layers.0.weight");
  fill_(lora.b.detach(), 1);
  EXPECT_FALSE(same_bits(body(x).data(), before));
  sum(body(x)).backward();
  EXPECT_TRUE(lora.a.grad().defined());
  EXPECT_FALSE(body.named_parameters()[0].second.grad().defined());
  // And again, on top of it.
  struct Doubled : Layer {
    explicit Doubled(Layer& base_in) : base(base_in) {}
    Tensor forward(const Tensor& y) const override { return base(y) * 2; }
    Layer& base;
  };
  Array once = body.layers[0](x).data();
  body.replace("layers.0", std::make_unique<Doubled>(lora));
  EXPECT_TRUE(same_bits(body.layers[0](x).data(), (Tensor(once) * 2).data()));
}

TEST(Replace, RefusesWhatDoesNotFit) {
  Body body;
  std::vector<std::string> before = names(body);
  EXPECT_EQ(error_of([&] { body.replace("layers.0", std::make_unique<Head>()); }),
            "[Module] 'layers.0' is a Linear: a Head cannot be called in its place");
  EXPECT_TRUE(contains(error_of([&] { body.replace("layer.0", make<Linear>(3, 4)); }),
                       "there is no 'layer.0'"));
  EXPECT_TRUE(
      contains(error_of([&] { body.replace("", std::make_unique<Body>()); }), "has no parent"));
  EXPECT_EQ(names(body), before);
}

TEST(Find, TakesNoEmptyNames) {
  Body body;
  for (const char* path : {".", "layers.", ".layers", "layers..0"}) {
    EXPECT_EQ(body.find(path), nullptr) << path;
    EXPECT_TRUE(contains(error_of([&] { body.get<Linear>(path); }), "there is no '")) << path;
  }
}

TEST(Replace, OfABlockMakesABlock) {
  Body body;
  body.out.make_block();
  body.replace("out", make<Linear>(4, 2));
  ASSERT_EQ(body.blocks().size(), 1U);
  EXPECT_EQ(body.blocks()[0]->path(), "out");
}

struct Open : Callable<Open> {
  static constexpr bool kForwardIsVirtual = true;
  Open(Module* parent, std::string name) : Callable(parent, std::move(name)) {}
  virtual int forward(int x) { return x; }
};

// Whose forward is not virtual: a call would not reach another's.
TEST(Replace, TakesOtherTypesWhereForwardIsVirtualOnly) {
  struct Plain : Callable<Plain> {
    Plain(Module* parent, std::string name) : Callable(parent, std::move(name)) {}
    int forward(int x) { return x; }
  };
  struct Wide : Plain {
    using Plain::Plain;
    int forward(int x) { return 100 * x; }
  };
  struct Wider : Open {
    using Open::Open;
    int forward(int x) override { return 100 * x; }
  };
  struct Root : Callable<Root> {
    Plain plain{this, "plain"};
    Open open{this, "open"};
  } root;
  EXPECT_TRUE(contains(error_of([&] { root.replace("plain", make<Wide>()); }),
                       "cannot be called in its place"));
  root.replace("plain", make<Plain>());
  root.replace("open", make<Wider>());
  EXPECT_EQ(root.open(2), 200);
}

TEST(Module, BuffersComeBackFromMeta) {
  BatchNorm1d norm(nullptr, "", 3);
  norm.running_mean.data().fill_(4);
  norm.to(Device{DeviceType::meta});
  EXPECT_EQ(norm.running_mean.device().type, DeviceType::meta);
  EXPECT_TRUE(
      contains(error_of([&] { norm.load_state_dict(BatchNorm1d(nullptr, "", 3).state_dict()); }),
               "'weight' would be written to before it has memory"));
  norm.to(Device{});
  EXPECT_EQ(doubles(norm.running_mean.data()), (std::vector<double>{4, 4, 4}));
}

TEST(Module, MayNotChangeWhileARunnerHasIt) {
  struct Runner : BlockRunner {
    std::vector<Tensor> run(const Module&, const TensorFunction& forward,
                            const std::vector<Tensor>& inputs) override {
      return forward(inputs);
    }
  } runner;
  Body body;
  body.set_block_runner(&runner);
  EXPECT_TRUE(contains(error_of([&] { body.layers.attach("9", make<Linear>(4, 4)); }),
                       "while a TrainStep has the model"));
  EXPECT_TRUE(contains(error_of([&] { body.replace("out", make<Linear>(4, 2)); }),
                       "while a TrainStep has the model"));
  EXPECT_TRUE(
      contains(error_of([&] { body.layers.add<Relu>(); }), "while a TrainStep has the model"));
  EXPECT_TRUE(contains(error_of([&] { body.to(DType::bf16); }), "while a TrainStep has the model"));
  body.set_block_runner(nullptr);
}

TEST(Module, AChildMayOutliveItsParent) {
  auto child = std::unique_ptr<Linear>();
  {
    Module parent;
    child = std::make_unique<Linear>(&parent, "fc", 2, 2);
  }
  EXPECT_EQ((*child)(ramp({1, 2})).shape(), (Dims{1, 2}));
}

TEST(Module, GoesToAnotherDTypeWithItsGradients) {
  Body body;
  sum(body(ramp({2, 3}))).backward();
  Tensor weight = body.out.weight;
  Array values = weight.data().clone();
  body.to(DType::bf16);
  EXPECT_EQ(body.out.weight.dtype(), DType::bf16);
  EXPECT_EQ(weight.dtype(), DType::bf16);  // the same tensor
  EXPECT_EQ(weight.grad().dtype(), DType::bf16);
  EXPECT_TRUE(same_bits(weight.data(), values.to(DType::bf16)));
  EXPECT_TRUE(contains(error_of([&] { body.to(DType::i64); }), "expected a floating dtype"));
  body.requires_grad_(false);
  for (const Tensor& parameter : body.parameters()) EXPECT_FALSE(parameter.requires_grad());
}

TEST(Module, OnMetaItHasNoValuesAndGetsItsFirstOnesBack) {
  manual_seed(5);
  Body body;
  Array first = body.out.weight.data().clone();
  fill_(body.out.weight.detach(), 1);
  body.to(Device{DeviceType::meta});
  EXPECT_EQ(body.out.weight.device().type, DeviceType::meta);
  body.to(Device{});
  EXPECT_TRUE(same_bits(body.out.weight.data(), first));
}

TEST(Module, AsBf16ItStartsAlikeWithAndWithoutMemory) {
  manual_seed(6);
  Body made;
  made.to(DType::bf16);
  std::unique_ptr<Body> deferred;
  {
    DeferInit defer;
    deferred = std::make_unique<Body>();
  }
  deferred->to(DType::bf16);
  deferred->materialize();
  EXPECT_TRUE(same_bits(made.out.weight.data(), deferred->out.weight.data()));
}

TEST(LoadStateDict, ListsAllThatIsWrongInOneError) {
  Body body;
  StateDict state = body.state_dict();
  state[0].second = Array::zeros({9, 9});
  state[1].first = "layers.0.bais";
  state.emplace_back(state[2]);
  state.pop_back();
  state.erase(state.begin() + 2);
  EXPECT_EQ(error_of([&] { body.load_state_dict(state); }),
            "[load_state_dict] 'layers.0.weight': expected f32 (4, 3), got f32 (9, 9); "
            "'layers.0.bias' is missing; 'layers.2.weight' is missing; the module has no "
            "'layers.0.bais'");
}

TEST(LoadStateDict, LenientTakesWhatThereIsAndSaysWhatThereIsNot) {
  Body body;
  StateDict state{{"out.bias", Array::full({2}, 3)}, {"head.weight", Array::zeros({1})}};
  LoadResult result = body.load_state_dict(state, {.strict = false});
  EXPECT_EQ(result.unexpected, std::vector<std::string>{"head.weight"});
  EXPECT_EQ(result.missing.size(), 5U);
  EXPECT_EQ(doubles(body.out.bias.data()), (std::vector<double>{3, 3}));
  state[0].second = Array::zeros({3});
  EXPECT_TRUE(contains(error_of([&] { body.load_state_dict(state, {.strict = false}); }),
                       "'out.bias': expected f32 (2,), got f32 (3,)"));
}

}  // namespace
}  // namespace tessera::nn
