// LBFGS in a program's own loop: as PyTorch has it (scripts/make_optimizer_golden.py), from its
// saved state, and what it refuses.
#include "nn/optim/lbfgs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "autograd/ops.h"
#include "core/io/safetensors.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::optim {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

struct Row {
  LbfgsRule::Options options;
  double lr;
  int64_t batches;
};
const std::map<std::string, Row>& rows() {
  constexpr LineSearch kWolfe = LineSearch::strong_wolfe;
  static const std::map<std::string, Row> all{
      {"fixed", {{.max_iter = 4}, 0.5, 1}},
      {"wolfe", {{.max_iter = 4, .line_search = kWolfe}, 1, 1}},
      {"fixed_short", {{.max_iter = 3, .max_eval = 3, .history_size = 3}, 0.1, 3}},
      {"wolfe_short",
       {{.max_iter = 3, .max_eval = 9, .history_size = 2, .line_search = kWolfe}, 0.8, 3}},
      {"wolfe_one", {{.max_iter = 1, .line_search = kWolfe}, 0.5, 1}},
      {"wolfe_two", {{.max_iter = 2, .line_search = kWolfe}, 0.5, 1}}};
  return all;
}

// number() of the script.
Tensor numbers(int64_t step, const Dims& shape, DType dtype) {
  Array out = Array::empty(shape, DType::f64);
  for (int64_t i = 0; i < out.numel(); ++i) {
    auto whole = static_cast<double>((step * 37 + i * i * 11 + i * 5) % 101);
    out.data<double>()[i] = whole / 64 - 0.75;
  }
  return Tensor(out.to(dtype));
}

// The script's network.
struct Net {
  Tensor w1, w2, b, inputs;

  explicit Net(DType dtype = DType::f64)
      : w1(numbers(0, {8, 24}, dtype).data(), true),
        w2(numbers(1, {24, 8}, dtype).data(), true),
        b(numbers(2, {7}, dtype).data(), true),
        inputs(numbers(10, {16, 24}, dtype)) {}
  std::vector<Tensor> parameters() const { return {w1, w2, b}; }
  Tensor loss(int64_t batch) const {
    Tensor out = matmul(tanh(matmul(inputs, w2)), w1);
    Tensor targets = numbers(20 + batch, {16, 24}, w1.dtype());
    Tensor first = slice(out, 1, 0, 7);
    return mean(square(out - targets)) + mean(square(first - b)) * 0.1;
  }
  void copy(const Net& other) {
    for (size_t i = 0; i < 3; ++i) parameters()[i].data().copy_(other.parameters()[i].data());
  }
};

struct Loop {
  const Row& row;
  Net net;
  Lbfgs optimizer;

  explicit Loop(const std::string& name, DType dtype = DType::f64)
      : row(rows().at(name)), net(dtype), optimizer({{net.parameters()}}, row.options) {}
  double step(int64_t number) {
    return optimizer.step(row.lr, [&] { return net.loss(number % row.batches); }).loss;
  }
};

class LbfgsOfPyTorch : public testing::TestWithParam<std::string> {};

TEST_P(LbfgsOfPyTorch, MatchesItOverFiftySteps) {
  const std::string& name = GetParam();
  std::map<std::string, Array> golden;
  std::string path = TESSERA_GOLDEN_DIR "/optim/lbfgs.safetensors";
  for (auto& [key, array] : load_safetensors(path).tensors) golden.emplace(key, array);
  Loop loop(name);
  std::vector<double> losses;
  for (int64_t step = 1; step <= 50; ++step) {
    losses.push_back(loop.step(step));
    if (step != 1 && step != 10 && step != 50) continue;
    size_t i = 0;
    for (const char* parameter : {"W1", "W2", "B"}) {
      std::string key = fmt::format("{}.{}.{}", name, step, parameter);
      EXPECT_TRUE(
          close_to(doubles(loop.net.parameters()[i++].data()), doubles(golden.at(key)), 1e-5, 1e-5))
          << key;
    }
  }
  EXPECT_TRUE(close_to(losses, doubles(golden.at(name + ".losses")), 1e-5, 1e-5)) << name;
  // In f32 the way is as good, if not the same.
  Loop narrow(name, DType::f32);
  double last = 0;
  for (int64_t step = 1; step <= 50; ++step) last = narrow.step(step);
  EXPECT_LT(last, losses.back() * 1.1) << name;
}

TEST_P(LbfgsOfPyTorch, GoesOnFromItsSavedState) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Loop whole(GetParam(), dtype);
    Loop first(GetParam(), dtype);
    Loop second(GetParam(), dtype);
    Loop without(GetParam(), dtype);
    for (int64_t step = 1; step <= 12; ++step) {
      whole.step(step);
      if (step == 7) {
        second.net.copy(first.net);
        without.net.copy(first.net);
        second.optimizer.load_state_dict(first.optimizer.state_dict());
      }
      (step < 7 ? first : second).step(step);
      if (step >= 7) without.step(step);
    }
    for (size_t i = 0; i < 3; ++i) {
      const Array& expected = whole.net.parameters()[i].data();
      EXPECT_TRUE(same_bits(second.net.parameters()[i].data(), expected));
      EXPECT_FALSE(same_bits(without.net.parameters()[i].data(), expected));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, LbfgsOfPyTorch,
                         testing::Values("fixed", "wolfe", "fixed_short", "wolfe_short",
                                         "wolfe_one", "wolfe_two"),
                         [](const auto& row) { return row.param; });

// Rosenbrock's valley, whose minimum is at (1, ..., 1).
Tensor valley(const Tensor& x) {
  int64_t n = x.size(0);
  Tensor head = slice(x, 0, 0, n - 1);
  Tensor tail = slice(x, 0, 1, n);
  return sum(square(tail - square(head)) * 100 + square(1 - head));
}

TEST(Lbfgs, FindsTheMinimumOfAValley) {
  Tensor x(Array::zeros({10}, DType::f64), true);
  Lbfgs optimizer({{{x}}}, {.max_iter = 50, .line_search = LineSearch::strong_wolfe});
  int evaluations = 0;
  int told = 0;
  for (int i = 0; i < 4; ++i) {
    told += optimizer
                .step(1,
                      [&] {
                        ++evaluations;
                        return valley(x);
                      })
                .evaluations;
  }
  EXPECT_TRUE(close_to(doubles(x.data()), std::vector<double>(10, 1), 1e-4, 0));
  EXPECT_EQ(told, evaluations);
  // There it asks once, and stays.
  Array before = x.data().clone();
  EXPECT_EQ(optimizer.step(1, [&] { return valley(x); }).evaluations, 1);
  EXPECT_TRUE(same_bits(x.data(), before));
}

TEST(Lbfgs, KeepsToItsNumberOfEvaluations) {
  for (LineSearch search : {LineSearch::none, LineSearch::strong_wolfe}) {
    for (int64_t most : {1, 2, 5}) {
      LbfgsRule::Options options{.max_iter = 20, .max_eval = most, .line_search = search};
      Tensor x(Array::zeros({10}, DType::f64), true);
      Lbfgs optimizer({{{x}}}, options);
      ClosureOutcome outcome = optimizer.step(0.01, [&] { return valley(x); });
      EXPECT_LE(outcome.evaluations, LbfgsRule(options).most_evaluations());
      EXPECT_TRUE(outcome.finite);
    }
  }
  EXPECT_EQ(LbfgsRule({.max_iter = 4}).most_evaluations(), 4);
  EXPECT_EQ(LbfgsRule({.max_iter = 4, .max_eval = 1}).most_evaluations(), 2);
  EXPECT_EQ(LbfgsRule({.max_iter = 4, .line_search = LineSearch::strong_wolfe}).most_evaluations(),
            6);
}

// sqrt(x) is no number left of 0, where steps of this rate lead.
TEST(Lbfgs, EndsWhereAllWasFinite) {
  for (LineSearch search : {LineSearch::none, LineSearch::strong_wolfe}) {
    Tensor x(Array::full({300}, 0.01, DType::f64), true);
    Tensor unused(Array::full({3}, 1), true);
    Lbfgs optimizer({{{x, unused}}}, {.line_search = search});
    auto loss = [&] { return sum(sqrt(x)); };
    Array before = x.data().clone();
    ClosureOutcome outcome = optimizer.step(1e3, loss);
    EXPECT_FALSE(outcome.finite);
    EXPECT_TRUE(std::isnan(outcome.loss));
    EXPECT_EQ(outcome.evaluations, 2);
    EXPECT_TRUE(same_bits(x.data(), before));
    EXPECT_EQ(doubles(unused.data()), std::vector<double>(3, 1));
    optimizer.on_nonfinite(NonFinite::refuse);
    EXPECT_TRUE(contains(error_of([&] { optimizer.step(1e3, loss); }),
                         "[Optimizer] the loss is nan after 2 evaluations of a step"));
    // Where it is so from the beginning, nothing is known afterwards either.
    x.data().fill_(-1);
    optimizer.on_nonfinite(NonFinite::skip);
    EXPECT_EQ(optimizer.step(1, loss).evaluations, 1);
    EXPECT_EQ(doubles(x.data()), std::vector<double>(300, -1));
  }
}

// An iteration that failed is none: the next one is the first, and as long as that.
TEST(Lbfgs, BeginsAgainAfterAFirstIterationThatFailed) {
  for (LineSearch search : {LineSearch::none, LineSearch::strong_wolfe}) {
    auto moved = [&](bool fails) {
      Tensor x(Array::full({300}, 0.01, DType::f64), true);
      Lbfgs optimizer({{{x}}}, {.max_iter = 2, .line_search = search});
      if (fails) {
        EXPECT_FALSE(optimizer.step(1e3, [&] { return sum(sqrt(x)); }).finite);
      }
      optimizer.step(0.1, [&] { return sum(square(x)); });
      return x.data();
    };
    EXPECT_TRUE(same_bits(moved(true), moved(false)));
  }
}

TEST(Lbfgs, LeavesTheParametersWhereALossThrows) {
  for (LineSearch search : {LineSearch::none, LineSearch::strong_wolfe}) {
    Tensor x(Array::full({300}, 0.01, DType::f64), true);
    Lbfgs optimizer({{{x}}}, {.line_search = search});
    Array before = x.data().clone();
    int evaluations = 0;
    EXPECT_EQ(error_of([&] {
                optimizer.step(1, [&] {
                  if (++evaluations == 2) throw Error("no more data");
                  return sum(square(x));
                });
              }),
              "no more data");
    EXPECT_TRUE(same_bits(x.data(), before));
  }
}

TEST(Lbfgs, NamesMistakes) {
  Tensor x(Array::full({3}, 1), true);
  Tensor y(Array::full({3}, 1), true);
  auto rule = std::make_shared<LbfgsRule>(LbfgsRule::Options{});
  auto adamw = std::make_shared<AdamWRule>(AdamWRule::Options{});
  auto error = [](std::vector<ParamGroup> groups) {
    return error_of([&] { Optimizer{std::move(groups)}; });
  };
  EXPECT_TRUE(contains(error({{.params = {x}, .rule = adamw}, {.params = {y}, .rule = rule}}),
                       "expected one rule for all groups"));
  EXPECT_TRUE(contains(error({{.params = {x}, .rule = rule}, {.params = {y}, .rule = adamw}}),
                       "expected one rule for all groups"));
  EXPECT_TRUE(contains(error({{.params = {x}, .weight_decay = 0.1, .rule = rule}}),
                       "expected no weight_decay and no lr_scale"));
  Lbfgs optimizer({{{x}}}, {});
  sum(square(x)).backward();
  EXPECT_TRUE(contains(error_of([&] { optimizer.step(1); }),
                       "[Lbfgs] it asks for the loss several times in a step"));
  Ema averaged(optimizer, 0.9);
  EXPECT_TRUE(contains(error_of([&] { averaged.step(1, [&] { return sum(square(x)); }); }),
                       "in no average of another rule"));
  EXPECT_EQ(doubles(x.data()), std::vector<double>(3, 1));
  EXPECT_TRUE(contains(error_of([&] { optimizer.step(-1, [&] { return sum(square(x)); }); }),
                       "expected a rate of at least 0"));
  EXPECT_TRUE(contains(error_of([] { LbfgsRule({.history_size = 0}); }), "history_size from 1"));
  EXPECT_TRUE(contains(error_of([] { LbfgsRule({.max_iter = 0}); }), "expected a max_iter"));
}

TEST(Optimizer, OfAnyRuleTakesAStepOfALoss) {
  Net by_hand;
  Net by_loss;
  AdamW first({{by_hand.parameters()}}, {});
  AdamW second({{by_loss.parameters()}}, {});
  for (int64_t step = 0; step < 3; ++step) {
    first.zero_grad();
    Tensor loss = by_hand.loss(step);
    loss.backward();
    first.step(0.01);
    ClosureOutcome outcome = second.step(0.01, [&] { return by_loss.loss(step); });
    EXPECT_EQ(outcome.loss, loss.item<double>());
    EXPECT_EQ(outcome.evaluations, 1);
  }
  EXPECT_TRUE(same_bits(by_hand.w1.data(), by_loss.w1.data()));
  // A loss that is no number, with a gradient that is one, and taken all the same.
  double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(second.step(0.01, [&] { return by_loss.loss(0) + nan; }).finite);
  EXPECT_FALSE(same_bits(by_hand.w1.data(), by_loss.w1.data()));
}

}  // namespace
}  // namespace tessera::optim
