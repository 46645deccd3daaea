#include "nn/callable.h"

#include <gtest/gtest.h>

#include <tuple>

#include "autograd/checkpoint.h"
#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/layers.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::error_with_place;
using test::same_bits;

Tensor twos(const Dims& shape) { return Tensor(Array::full(shape, 2)); }

// A module of the user's own with three arguments, which draws random numbers itself.
struct Gate : Callable<Gate> {
  using Callable::Callable;
  Gate(Module* parent, std::string name) : Callable(parent, std::move(name)) {}
  Linear fc{this, "fc", 4, 4};
  Tensor forward(const Tensor& x, double p, const Tensor& scale) {
    return dropout(fc(x), p, training()) * scale;
  }
};

struct Net : Callable<Net> {
  Gate a{this, "a"};
  Gate b{this, "b"};
  Tensor forward(const Tensor& x) { return a(x, 0.5, twos({4})) + b(x, 0.5, twos({4})); }
};

TEST(Callable, NamesTheModuleInGraphNodesAndErrors) {
  Net net;
  Tensor y = net.b(twos({2, 4}), 0.25, twos({4}));
  EXPECT_EQ(y.grad_fn()->module_path(), "b");
  Tensor h = net.b.fc(twos({2, 4}));
  EXPECT_EQ(h.grad_fn()->module_path(), "b.fc");
  EXPECT_EQ(context().path(), "");
  std::string error = error_with_place([&] { net.a(twos({2, 4}), 0, twos({3})); });
  EXPECT_TRUE(contains(error, ", in module 'a', called at ")) << error;
  EXPECT_TRUE(contains(error, "callable_test.cpp")) << error;
  EXPECT_EQ(context().path(), "");
  // Called by its name, forward is a function as any.
  EXPECT_EQ(net.b.forward(twos({2, 4}), 0, twos({4})).grad_fn()->module_path(), "");
}

TEST(Callable, NamesTheModuleWhereBackwardMeetsTheFirstNaN) {
  Net net;
  DetectAnomaly anomaly;
  Tensor infinite(Array::full({4}, 0));
  Tensor y = sum(log(net.b(twos({2, 4}), 0, infinite) * 0));
  std::string error = error_with_place([&] { y.backward(); });
  EXPECT_TRUE(contains(error, "[anomaly]")) << error;
  struct Log : Callable<Log> {
    Gate gate{this, "gate"};
    struct Inner : Callable<Inner> {
      Inner(Module* parent, std::string name) : Callable(parent, std::move(name)) {}
      Tensor forward(const Tensor& x, int, bool) { return sqrt(x * 0); }
    } inner{this, "inner"};
    Tensor forward(const Tensor& x) { return sum(inner(gate(x, 0, twos({4})), 1, true) * 0); }
  } log_net;
  Tensor loss = log_net(twos({2, 4}));
  error = error_with_place([&] { loss.backward(); });
  EXPECT_TRUE(contains(error, "in module 'inner'")) << error;
}

TEST(Callable, RandomNumbersAreTheModulesOwn) {
  Net net;
  net.b.load_state_dict(
      {{"b.fc.weight", net.a.fc.weight.data()}, {"b.fc.bias", net.a.fc.bias.data()}});
  Tensor x = twos({64, 4});
  context().random.begin(1, 0, 0);
  Array a = net.a(x, 0.5, twos({4})).data();
  Array b = net.b(x, 0.5, twos({4})).data();
  EXPECT_FALSE(same_bits(a, b));
  // In the other order the same ones: what other modules draw changes nothing.
  context().random.begin(1, 0, 0);
  EXPECT_TRUE(same_bits(net.b(x, 0.5, twos({4})).data(), b));
  EXPECT_TRUE(same_bits(net.a(x, 0.5, twos({4})).data(), a));
  EXPECT_FALSE(same_bits(net.a(x, 0.5, twos({4})).data(), a));  // its second call
}

TEST(Callable, ReturnsWhatForwardReturns) {
  struct Many : Callable<Many> {
    std::tuple<Tensor, int> forward(const Tensor& x, int n) { return {x * n, n}; }
    int calls = 0;
  } many;
  auto [y, n] = many(twos({1}), 3);
  EXPECT_EQ(y.item<double>(), 6);
  EXPECT_EQ(n, 3);
  struct Nothing : Callable<Nothing> {
    int* seen = nullptr;
    void forward(int value, int& out) const { out = value; }
  } nothing;
  int out = 0;
  const Nothing& constant = nothing;
  constant(5, out);
  EXPECT_EQ(out, 5);
}

// ------------------------------------------------------------------------------------------- hooks

TEST(ForwardHooks, SeeAndReplaceTensorsUntilTheyAreRemoved) {
  Net net;
  Tensor x = twos({2, 4});
  net.eval();
  Array plain = net.a(x, 0, twos({4})).data();
  std::vector<Dims> seen;
  HookHandle before =
      net.a.register_forward_pre_hook([&](const Module& module, std::vector<Tensor>& inputs) {
        EXPECT_EQ(module.path(), "a");
        ASSERT_EQ(inputs.size(), 2U);  // the tensors among the arguments
        for (const Tensor& input : inputs) seen.push_back(input.shape());
        inputs[1] = inputs[1] * 2;
      });
  EXPECT_TRUE(same_bits(net.a(x, 0, twos({4})).data(), (Tensor(plain) * 2).data()));
  EXPECT_EQ(seen, (std::vector<Dims>{{2, 4}, {4}}));
  HookHandle after = net.a.register_forward_hook(
      [&](const Module&, const std::vector<Tensor>& inputs, std::vector<Tensor>& outputs) {
        EXPECT_EQ(inputs[1].data().to_vector<float>()[0], 4);
        outputs[0] = outputs[0] * 0;
      });
  EXPECT_TRUE(same_bits(net.a(x, 0, twos({4})).data(), (Tensor(plain) * 0).data()));
  before.remove();
  before.remove();
  after.remove();
  EXPECT_TRUE(same_bits(net.a(x, 0, twos({4})).data(), plain));
}

TEST(ForwardHooks, OneThatRemovesItselfRunsOnce) {
  Linear layer(nullptr, "", 2, 2);
  int calls = 0;
  HookHandle handle;
  handle = layer.register_forward_hook(
      [&](const Module&, const std::vector<Tensor>&, std::vector<Tensor>&) {
        ++calls;
        handle.remove();
      });
  layer(twos({1, 2}));
  layer(twos({1, 2}));
  EXPECT_EQ(calls, 1);
}

TEST(ForwardHooks, AHandleMayOutliveItsModule) {
  auto layer = make<Linear>(2, 2);
  HookHandle handle = layer->register_forward_pre_hook([](const Module&, std::vector<Tensor>&) {});
  layer.reset();
  handle.remove();
}

TEST(ForwardHooks, OneThatChangesTheNumberOfTensorsIsRefused) {
  Linear layer(nullptr, "", 2, 2);
  HookHandle handle = layer.register_forward_pre_hook(
      [](const Module&, std::vector<Tensor>& inputs) { inputs.clear(); });
  EXPECT_TRUE(contains(error_of([&] { layer(twos({1, 2})); }), "made 0 inputs of 1"));
}

// What forward writes to stays the caller's, and is not looked into.
TEST(ForwardHooks, LeaveArgumentsThatAreWrittenToTheCaller) {
  struct Cached : Callable<Cached> {
    Tensor forward(const Tensor& x, int& calls, std::vector<Tensor>& cache, const char* label) {
      EXPECT_STREQ(label, "label");
      ++calls;
      cache.push_back(x);
      return x;
    }
  } cached;
  size_t seen = 0;
  cached.register_forward_pre_hook(
      [&](const Module&, std::vector<Tensor>& inputs) { seen = inputs.size(); });
  int calls = 0;
  std::vector<Tensor> cache;
  for (int i = 0; i < 2; ++i) cached(twos({1}), calls, cache, "label");
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(cache.size(), 2U);
  EXPECT_EQ(seen, 1U);
}

TEST(ForwardHooks, TakeWhatHasNoCopiesAsItIs) {
  struct Options {
    virtual ~Options() = default;
    virtual int id() const { return 1; }
  };
  struct More : Options {
    int id() const override { return 2; }
  };
  struct Owner : Callable<Owner> {
    int forward(const Options& options, std::unique_ptr<int> moved,
                const std::vector<std::unique_ptr<int>>& kept) {
      return options.id() + *moved + *kept[0];
    }
  } owner;
  std::vector<std::unique_ptr<int>> kept;
  kept.push_back(std::make_unique<int>(100));
  owner.register_forward_pre_hook([](const Module&, std::vector<Tensor>&) {});
  EXPECT_EQ(owner(More(), std::make_unique<int>(10), kept), 112);
}

// ------------------------------------------------------------------------------------------ blocks

struct Recomputing : BlockRunner {
  std::vector<std::string> paths;
  std::vector<Tensor> run(const Module& block, const TensorFunction& forward,
                          const std::vector<Tensor>& inputs) override {
    paths.push_back(block.path());
    return checkpoint(forward, inputs);
  }
};

struct Pair {
  Tensor sum, difference;
  std::string note;
  template <class F>
  void visit_tensors(F&& f) {
    f(sum), f(difference);
  }
};

struct Hint {
  int value;
};

struct Mixer : Callable<Mixer> {
  Mixer(Module* parent, std::string name) : Callable(parent, std::move(name)) { make_block(); }
  Linear fc{this, "fc", 4, 4};
  Pair forward(const Tensor& x, const std::vector<Tensor>& others, std::optional<Tensor> bias,
               double p) {
    Tensor h = dropout(fc(x), p, training());
    if (bias) h = h + *bias;
    return {h + others[0], h - others[1], "mixed"};
  }
};

struct Mixed : Callable<Mixed> {
  Mixer first{this, "first"};
  Mixer second{this, "second"};
  Tensor forward(const Tensor& x) {
    Pair one = first(x, std::vector<Tensor>{x, x * 2}, std::nullopt, 0.5);
    EXPECT_EQ(one.note, "mixed");
    Pair two = second(one.sum, std::vector<Tensor>{one.difference, x}, one.difference, 0.5);
    return sum(two.sum * two.difference);
  }
};

std::vector<double> gradients(Mixed& net) {
  context().random.begin(7, 0, 0);
  net.zero_grad();
  net(twos({3, 4})).backward();
  std::vector<double> all;
  for (const Tensor& parameter : net.parameters()) {
    for (double g : doubles(parameter.grad().data())) all.push_back(g);
  }
  return all;
}

TEST(Blocks, OfAnySignatureRunAgainForBackward) {
  Mixed net;
  std::vector<double> plain = gradients(net);
  Recomputing runner;
  net.set_block_runner(&runner);
  EXPECT_EQ(gradients(net), plain);
  EXPECT_EQ(runner.paths, (std::vector<std::string>{"first", "second"}));
  net.set_block_runner(nullptr);
}

TEST(Blocks, WhoseTensorsAreHiddenAreRefused) {
  struct Hidden {
    Tensor x;
  };
  struct Root : Callable<Root> {
    struct Hides : Callable<Hides> {
      explicit Hides(Module* parent) : Callable(parent, "hides") { make_block(); }
      Hidden forward(const Tensor& x) { return {x}; }
    } hides{this};
    struct Writes : Callable<Writes> {
      explicit Writes(Module* parent) : Callable(parent, "writes") { make_block(); }
      Tensor forward(const Tensor& x, Hidden& cache) { return cache.x = x; }
    } writes{this};
  } root;
  Hidden cache;
  root.hides(twos({1}));
  root.writes(twos({1}), cache);
  Recomputing runner;
  root.set_block_runner(&runner);
  EXPECT_TRUE(contains(error_of([&] { root.hides(twos({1})); }),
                       "block 'hides' returns a type whose tensors are not known"));
  EXPECT_TRUE(contains(error_of([&] { root.writes(twos({1}), cache); }),
                       "block 'writes' takes an argument by a reference"));
  root.set_block_runner(nullptr);
}

TEST(Blocks, TakeVariablesThatTheyOnlyRead) {
  struct Root : Callable<Root> {
    struct Reads : Callable<Reads> {
      explicit Reads(Module* parent) : Callable(parent, "reads") { make_block(); }
      Tensor forward(const Tensor& x, const std::string& word, const Hint& hint) {
        return x * static_cast<double>(word.size() + static_cast<size_t>(hint.value));
      }
    } reads{this};
  } root;
  Recomputing runner;
  root.set_block_runner(&runner);
  Hint hint{3};
  EXPECT_EQ(root.reads(twos({1}), "four", hint).item<double>(), 14);
  root.set_block_runner(nullptr);
}

TEST(Blocks, ThatARunnerDoesNotRunAreMissed) {
  struct Lazy : BlockRunner {
    std::vector<Tensor> run(const Module&, const TensorFunction&,
                            const std::vector<Tensor>& inputs) override {
      return inputs;
    }
  } lazy;
  Linear layer(nullptr, "", 2, 2);
  layer.make_block();
  layer.set_block_runner(&lazy);
  EXPECT_TRUE(contains(error_of([&] { layer(twos({1, 2})); }), "has not run it"));
  layer.set_block_runner(nullptr);
}

}  // namespace
}  // namespace tessera::nn
