#include "autograd/engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "core/allocator.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

using test::Values;

Tensor leaf(std::vector<double> values) {
  auto size = static_cast<int64_t>(values.size());
  return Tensor(Array::from(values, {size}), true);
}

Values grad(const Tensor& x) { return doubles(x.grad().data()); }

TEST(Backward, AddsUpThePathsOfADiamond) {
  Tensor x = leaf({3});
  Tensor a = x * 2.0;
  Tensor b = square(x);
  (a * b).backward();  // 2 x^3
  EXPECT_EQ(grad(x), Values{54});
}

TEST(Backward, WaitsForEveryPathOfNestedDiamonds) {
  Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 30; ++i) y = y + y;  // 2^30 paths
  y.backward();
  EXPECT_EQ(grad(x), Values{1 << 30});
}

TEST(Backward, HandlesATensorUsedTwiceByOneOperation) {
  Tensor x = leaf({3, 4});
  sum(x * x).backward();
  EXPECT_EQ(grad(x), (Values{6, 8}));
}

TEST(Backward, AccumulatesOverCalls) {
  Tensor x = leaf({3});
  square(x).backward();
  square(x).backward();
  EXPECT_EQ(grad(x), Values{12});
  x.set_grad({});
  square(x).backward();
  EXPECT_EQ(grad(x), Values{6});
}

TEST(Backward, RunsTwiceOnlyIfTheGraphIsKept) {
  Tensor x = leaf({3});
  Tensor y = square(x);
  y.backward({}, true);
  y.backward();
  EXPECT_EQ(grad(x), Values{12});
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "[square] backward a second time: its saved tensors are gone; keep them with "
            "retain_graph");
  EXPECT_EQ(grad(x), Values{12});
}

TEST(Backward, FreesWhatWasSaved) {
  Tensor x = leaf(std::vector<double>(1000, 1.0));
  int64_t before = allocator::stats().current_bytes;
  Tensor y = sum(exp(exp(x)));
  EXPECT_GT(allocator::stats().current_bytes, before + 16000);
  y.backward();
  x.set_grad({});
  EXPECT_LT(allocator::stats().current_bytes, before + 1000);
}

TEST(Backward, OfALeafFillsItsOwnGrad) {
  Tensor x = leaf({3});
  x.backward();
  EXPECT_EQ(grad(x), Values{1});
}

TEST(Backward, ReachesOnlyWhatRequiresAGradient) {
  Tensor x = leaf({3});
  Tensor constant(Array::from<double>({5}, {1}));
  (x * constant).backward();
  EXPECT_EQ(grad(x), Values{5});
  EXPECT_FALSE(constant.grad().defined());
}

TEST(Backward, DoesNotNeedTheLeafToLive) {
  Tensor y;
  Tensor kept = leaf({2});
  {
    Tensor x = leaf({3});
    y = x + kept;
  }
  y.backward();
  EXPECT_EQ(grad(kept), Values{1});
}

TEST(Backward, PassesByAnUndefinedGradient) {
  Tensor x = leaf({3});
  Tensor dead =
      record("dead", x.data(), {x}, [](const Tensor&, const Node&) { return Grads{Tensor()}; });
  (square(dead) + x).backward();
  EXPECT_EQ(grad(x), Values{1});
  Tensor z = leaf({3});
  Tensor blocked =
      record("dead", z.data(), {z}, [](const Tensor&, const Node&) { return Grads{Tensor()}; });
  square(blocked).backward();
  EXPECT_FALSE(z.grad().defined());
}

TEST(Backward, SaysWhatIsWrongWithTheCall) {
  Tensor x = leaf({3, 4});
  Tensor y = x * 2.0;
  EXPECT_EQ(error_of([&] { y.backward(); }),
            "[backward] expected a tensor of one element or a gradient, got (2,)");
  EXPECT_EQ(error_of([&] { x.detach().backward(); }),
            "[backward] the tensor does not require a gradient");
  EXPECT_EQ(error_of([&] {
              y.backward(Tensor(Array::zeros({2, 1}, DType::f64)));
            }),
            "[backward] expected a gradient of shape (2,) and f64, got (2, 1) and f64");
  EXPECT_EQ(error_of([&] { y.backward(Tensor(Array::zeros({2}))); }),
            "[backward] expected a gradient of shape (2,) and f64, got (2,) and f32");
  EXPECT_EQ(error_of([] { Tensor().backward(); }), "[Tensor] the tensor is undefined");
}

TEST(Backward, CountsTheGradientsOfAnOperation) {
  Tensor x = leaf({3});
  Tensor y = record("odd", x.data(), {x}, [](const Tensor& dy, const Node&) {
    return Grads{dy, dy};
  });
  EXPECT_TRUE(contains(error_of([&] { y.backward(); }), "odd returned 2 gradients for 1 inputs"));
}

TEST(Backward, ForwardsAnErrorAndCanGoOn) {
  Tensor x = leaf({3});
  bool fail = true;
  Tensor y = record("flaky", x.data(), {x}, [&fail](const Tensor& dy, const Node&) {
    if (fail) throw_error("[flaky] no");
    return Grads{dy};
  });
  EXPECT_EQ(error_of([&] { y.backward(); }), "[flaky] no");
  EXPECT_TRUE(context().grad_enabled);
  fail = false;
  y.backward();
  EXPECT_EQ(grad(x), Values{1});
}

TEST(NoGrad, RecordsNothingWhileItLives) {
  Tensor x = leaf({3});
  {
    NoGrad outer;
    { NoGrad inner; }
    EXPECT_FALSE(square(x).requires_grad());
  }
  EXPECT_TRUE(square(x).requires_grad());
}

TEST(NoGrad, BelongsToItsThread) {
  NoGrad no_grad;
  bool other = false;
  std::thread([&] { other = context().grad_enabled; }).join();
  EXPECT_TRUE(other);
}

TEST(Backward, RecordsNothing) {
  Tensor x = leaf({3});
  square(square(x)).backward();
  EXPECT_FALSE(x.grad().requires_grad());
}

TEST(Tensor, DetachCutsTheHistory) {
  Tensor x = leaf({3});
  Tensor y = square(x);
  Tensor cut = y.detach();
  EXPECT_TRUE(cut.is_leaf());
  EXPECT_FALSE(cut.requires_grad());
  EXPECT_EQ(cut.data().storage(), y.data().storage());
  (y * cut).backward();
  EXPECT_EQ(grad(x), Values{54});  // 9 * 2 x, not 4 x^3
}

TEST(Tensor, SaysWhatIsWrongWithTheCall) {
  Tensor x = leaf({3});
  Tensor y = square(x);
  EXPECT_EQ(error_of([&] { y.set_requires_grad(false); }),
            "[set_requires_grad] expected a leaf, got the result of square");
  EXPECT_EQ(error_of([] { Tensor(Array::arange(3), true); }),
            "[set_requires_grad] only floating point tensors have gradients, this one is i64");
  EXPECT_EQ(error_of([&] { x.set_grad(Tensor(Array::zeros({2}, DType::f64))); }),
            "[set_grad] expected shape (1,) and f64, got (2,) and f64");
  EXPECT_EQ(error_of([&] { x.set_data(Array::zeros({1})); }),
            "[set_data] expected shape (1,) and f64, got (1,) and f32");
  EXPECT_EQ(error_of([&] { x.detach().register_hook([](const Tensor& g) { return g; }); }),
            "[register_hook] the tensor does not require a gradient");
  EXPECT_EQ(error_of([&] { y.register_post_accumulate_grad_hook([](const Tensor&) {}); }),
            "[register_post_accumulate_grad_hook] expected a leaf that requires a gradient");
  EXPECT_EQ(error_of([] { Tensor{Array{}}; }), "[Tensor] the array is undefined");
}

// --- Hooks --------------------------------------------------------------------------------------

TEST(Hooks, RunInOrderAndMayReplaceTheGradient) {
  Tensor x = leaf({3});
  std::string order;
  Values seen;
  x.register_hook([&](const Tensor& g) {
    order += 'a';
    return g * 10.0;
  });
  x.register_hook([&](const Tensor& g) {
    order += 'b';
    seen = doubles(g.data());
    return Tensor();
  });
  square(x).backward();
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(seen, Values{60});
  EXPECT_EQ(grad(x), Values{60});
}

TEST(Hooks, OnAResultSeeItsWholeGradient) {
  Tensor x = leaf({3});
  Tensor y = x * 2.0;
  Values seen;
  y.register_hook([&](const Tensor& g) {
    seen.push_back(g.item<double>());
    return g * 100.0;
  });
  (y * 3.0 + y * 4.0).backward();
  EXPECT_EQ(seen, Values{7});
  EXPECT_EQ(grad(x), Values{1400});
}

TEST(Hooks, OnTheRootSeeTheFirstGradient) {
  Tensor x = leaf({3});
  Tensor y = x * 2.0;
  y.register_hook([](const Tensor& g) { return g * 5.0; });
  y.backward();
  EXPECT_EQ(grad(x), Values{10});
}

TEST(Hooks, SeeTheWholeGradientOfALeafBeforeItIsAdded) {
  Tensor x = leaf({3});
  Values seen;
  x.register_hook([&](const Tensor& g) {
    seen.push_back(g.item<double>());
    return Tensor();
  });
  (x + x + x).backward();
  (x * 5.0).backward();
  EXPECT_EQ(seen, (Values{3, 5}));
  EXPECT_EQ(grad(x), Values{8});
}

TEST(Hooks, AfterAccumulationSeeTheSum) {
  Tensor x = leaf({3});
  Values seen;
  x.register_post_accumulate_grad_hook(
      [&](const Tensor& self) { seen.push_back(self.grad().item<double>()); });
  square(x).backward();
  square(x).backward();
  EXPECT_EQ(seen, (Values{6, 12}));
}

TEST(Hooks, AfterAccumulationMayTakeTheGradientAway) {
  Tensor x = leaf({3});
  Tensor taken;
  x.register_post_accumulate_grad_hook([&](const Tensor& self) {
    taken = self.grad();
    self.set_grad({});
  });
  square(x).backward();
  EXPECT_FALSE(x.grad().defined());
  EXPECT_EQ(taken.item<double>(), 6);
}

TEST(Hooks, OfALeafRunAsSoonAsItsGradientIsComplete) {
  Tensor first = leaf({1});
  Tensor last = leaf({1});
  Tensor h = square(first);
  std::string order;
  h.register_hook([&](const Tensor&) {
    order += 'h';
    return Tensor();
  });
  first.register_post_accumulate_grad_hook([&](const Tensor&) { order += 'f'; });
  last.register_post_accumulate_grad_hook([&](const Tensor&) { order += 'l'; });
  (h * last).backward();
  EXPECT_EQ(order, "lhf");
}

// A hook that adds hooks moves the list that it stands in, captures included: they are small enough
// to lie inside the std::function.
TEST(Hooks, MayAddHooksWhichBeginWithTheNextBackward) {
  Tensor x = leaf({3});
  std::string order;
  x.register_hook([&order, &x](const Tensor&) {
    for (int i = 0; i < 10; ++i) {
      x.register_hook([&order](const Tensor&) {
        order += 'n';
        return Tensor();
      });
    }
    order += 'a';
    return Tensor();
  });
  square(x).backward();
  EXPECT_EQ(order, "a");
  square(x).backward();
  EXPECT_EQ(order, "aa" + std::string(10, 'n'));
}

TEST(Hooks, AfterAccumulationMayAddHooks) {
  Tensor x = leaf({3});
  std::string order;
  std::string name = "b name that is too long for a small string to hold";
  x.register_post_accumulate_grad_hook([&order, name](const Tensor& self) {
    for (int i = 0; i < 10; ++i) {
      self.register_post_accumulate_grad_hook([&order](const Tensor&) { order += 'n'; });
    }
    order += name[0];
  });
  square(x).backward();
  EXPECT_EQ(order, "b");
  square(x).backward();
  EXPECT_EQ(order, "bb" + std::string(10, 'n'));
}

TEST(Hooks, MustKeepShapeAndDtype) {
  for (bool on_result : {false, true}) {
    Tensor x = leaf({3, 4});
    Tensor y = x * 2.0;
    (on_result ? y : x).register_hook([](const Tensor& g) { return sum(g); });
    EXPECT_EQ(error_of([&] { sum(y).backward(); }),
              "[register_hook] expected the hook to return a gradient of shape (2,) and f64, got "
              "() and f64");
  }
}

// --- Who owns a gradient ------------------------------------------------------------------------

TEST(Gradients, TheCallersIsNeverChanged) {
  Tensor x = leaf({1, 2});
  Tensor start(Array::from<double>({10, 20}, {2}));
  (x + x).backward(start);
  (x + x).backward(start);
  EXPECT_EQ(doubles(start.data()), (Values{10, 20}));
  EXPECT_EQ(grad(x), (Values{40, 80}));
}

TEST(Gradients, OneThatIsSetIsNotChangedByAccumulation) {
  Tensor x = leaf({1});
  Array mine = Array::from<double>({5}, {1});
  x.set_grad(Tensor(mine));
  square(x).backward();
  EXPECT_EQ(doubles(mine), Values{5});
  EXPECT_EQ(grad(x), Values{7});
}

TEST(Gradients, AHooksStashIsNotChanged) {
  Tensor x = leaf({1, 2});
  Tensor y = x * 1.0;
  std::vector<Tensor> tensors;
  std::vector<Array> arrays;
  auto stash = [&](const Tensor& g) {
    tensors.push_back(g);
    arrays.push_back(g.data());
    return Tensor();
  };
  x.register_hook(stash);
  y.register_hook(stash);
  std::vector<Values> before;
  for (int i = 0; i < 2; ++i) sum(y + y + x).backward({}, true);
  for (const Tensor& g : tensors) before.push_back(doubles(g.data()));
  EXPECT_EQ(before, (std::vector<Values>{{2, 2}, {3, 3}, {2, 2}, {3, 3}}));
  x.grad().data().fill_(-1);  // and it is not the leaf's own
  for (int i = 0; i < 2; ++i) sum(y + y + x).backward({}, true);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(doubles(tensors[i].data()), before[i]) << i;
    EXPECT_EQ(doubles(arrays[i]), before[i]) << i;
  }
}

// Scaling one leaf's gradient in place, as clipping does, must not scale another's.
TEST(Gradients, OfTwoLeavesShareNoMemory) {
  Tensor a = leaf({1, 2});
  Tensor b = leaf({3, 4});
  Tensor c = leaf({5, 6});
  (a + b + reshape(c, {2})).backward(Tensor(Array::full({2}, 1, DType::f64)));
  a.grad().data().fill_(7);
  EXPECT_EQ(grad(b), (Values{1, 1}));
  EXPECT_EQ(grad(c), (Values{1, 1}));
  EXPECT_NE(b.grad().data().storage(), c.grad().data().storage());
}

TEST(Gradients, OfALeafAreRowMajor) {
  Tensor x(random_array({3, 4}, DType::f64), true);
  Tensor weights(random_array({4, 3}, DType::f64, 2));
  sum(transpose(x, 0, 1) * weights).backward();
  EXPECT_TRUE(x.grad().data().is_contiguous());
  EXPECT_TRUE(same_bits(x.grad().data(), weights.data().transpose(0, 1)));
  Tensor y(random_array({3, 4}, DType::f64), true);
  sum(y).backward();
  EXPECT_TRUE(y.grad().data().is_contiguous());
  EXPECT_EQ(y.grad().data().storage()->bytes(), 96U);
}

TEST(Gradients, AreNotAffectedByChangingAReplacedOne) {
  Tensor x = leaf({1});
  Array replacement = Array::from<double>({4}, {1});
  x.register_hook([&](const Tensor&) { return Tensor(replacement); });
  square(x).backward();
  replacement.fill_(9);
  EXPECT_EQ(grad(x), Values{4});
}

// --- Depth, memory, threads ---------------------------------------------------------------------

TEST(Graph, AMillionAdditionsNeitherOverflowNorLeak) {
  constexpr int kLength = 1000000;
  int64_t before = allocator::stats().current_bytes;
  {
    Tensor x(Array::zeros({1}), true);
    Tensor one(Array::full({1}, 1));
    Tensor y = x;
    for (int i = 0; i < kLength; ++i) y = y + one;
    EXPECT_EQ(y.item<float>(), kLength);
    y.backward();
    EXPECT_EQ(doubles(x.grad().data()), Values{1});
  }
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

TEST(Graph, ALongChainIsDroppedWithoutBackward) {
  int64_t before = allocator::stats().current_bytes;
  {
    Tensor x(Array::zeros({1}), true);
    Tensor y = x;
    for (int i = 0; i < 300000; ++i) y = exp(y * x);  // saves tensors with a history
  }
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

TEST(Graph, AHookOnALongChainIsDroppedWithIt) {
  int64_t before = allocator::stats().current_bytes;
  {
    Tensor x(Array::zeros({1}), true);
    Tensor y = x;
    for (int i = 0; i < 100000; ++i) {
      Tensor next = y + 1.0;
      next.register_hook([y](const Tensor&) { return Tensor(); });
      y = next;
    }
    y.backward();
  }
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

// Destroyed after the thread's own variables: on exit it must not touch what is gone.
const Tensor& outlives_main() {
  static Tensor kept = [] {
    Tensor x(Array::zeros({1}), true);
    Tensor y = x;
    for (int i = 0; i < 100; ++i) y = exp(y);
    return y;
  }();
  return kept;
}

TEST(Graph, MayOutliveMain) { EXPECT_TRUE(outlives_main().requires_grad()); }

TEST(Backward, RunsInSeveralThreadsOnSeparateGraphs) {
  auto train = [](uint64_t seed) {
    set_num_threads(2);
    Tensor w(random_array({40, 40}, DType::f32, seed), true);
    Tensor x(random_array({64, 40}, DType::f32, seed + 1));
    for (int i = 0; i < 20; ++i) mean(square(tanh(linear(x, w)))).backward();
    return w.grad().data();
  };
  std::vector<Array> alone;
  for (uint64_t seed = 0; seed < 4; ++seed) alone.push_back(train(seed));
  std::vector<Array> together(4);
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] { together[seed] = train(seed); });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(together[i], alone[i]));
}

TEST(Backward, AGraphMayBeBuiltInOneThreadAndRunInAnother) {
  Tensor x = leaf({3});
  Tensor y = square(x);
  std::thread([&] {
    y.backward();
    y = {};
  }).join();
  EXPECT_EQ(grad(x), Values{6});
}

// Sums of gradients round, so their order must not depend on anything but the forward pass.
TEST(Backward, SumsGradientsInOneOrder) {
  auto once = [] {
    Tensor x(random_array({100}), true);
    Tensor total = x;
    for (int i = 1; i < 30; ++i) total = total + tanh(x * (0.1 * i));
    sum(total).backward();
    return x.grad().data();
  };
  Array expected = once();
  for (int round = 0; round < 10; ++round) {
    std::vector<Array> noise;  // moves the addresses of nodes
    for (int i = 0; i < 7 * round; ++i) noise.push_back(Array::zeros({i + 1}));
    EXPECT_TRUE(same_bits(once(), expected));
  }
}

TEST(Backward, LeavesOfASumHaveGradientsInMemoryOfTheirOwn) {
  for (bool graph : {false, true}) {
    Tensor a = leaf({1, 2});
    Tensor b = leaf({3, 4});
    Tensor c = a + b;
    sum(c * c).backward({}, graph, graph);
    EXPECT_NE(a.grad().data().storage(), b.grad().data().storage());
    EXPECT_EQ(a.grad().requires_grad(), graph);
    Array(a.grad().data()).fill_(0);
    EXPECT_EQ(grad(b), (Values{8, 12}));
  }
  // The copy has the history: d sum(dc) / da = 2.
  Tensor a = leaf({1, 2});
  Tensor b = leaf({3, 4});
  Tensor c = a + b;
  sum(c * c).backward({}, true, true);
  Tensor first = a.grad();
  a.set_grad({});
  sum(first).backward();
  EXPECT_EQ(grad(a), (Values{2, 2}));
}

TEST(Grad, ResultsHaveMemoryOfTheirOwn) {
  for (bool graph : {false, true}) {
    Tensor a = leaf({1, 2});
    Tensor b = leaf({3, 4});
    Tensor c = a + b;
    std::vector<Tensor> grads = tessera::grad({sum(c * c)}, {a, b, a}, {}, {.create_graph = graph});
    grads[0].data().fill_(0);
    EXPECT_EQ(doubles(grads[1].data()), (Values{8, 12}));
    EXPECT_EQ(doubles(grads[2].data()), (Values{8, 12}));
    EXPECT_EQ(grads[1].requires_grad(), graph);
  }
}

}  // namespace
}  // namespace tessera
