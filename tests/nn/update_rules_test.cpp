// Every rule: as PyTorch has it (scripts/make_optimizer_golden.py), however it is cut, on meta, and
// from its saved state.
#include "nn/optim/update_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/io/safetensors.h"
#include "nn/optim/adadelta.h"
#include "nn/optim/adafactor.h"
#include "nn/optim/adagrad.h"
#include "nn/optim/adamax.h"
#include "nn/optim/adamw.h"
#include "nn/optim/ema.h"
#include "nn/optim/lion.h"
#include "nn/optim/muon.h"
#include "nn/optim/nadam.h"
#include "nn/optim/radam.h"
#include "nn/optim/rmsprop.h"
#include "nn/optim/schedule_free.h"
#include "nn/optim/sgd.h"
#include "nn/optim/swa.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::optim {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

struct RuleCase {
  std::string name;
  RulePtr rule;
  double lr = 0.01;
  double weight_decay = 0;
  size_t fewest_dims = 1;
  bool in_pytorch = true;
};
void PrintTo(const RuleCase& row, std::ostream* out) { *out << row.name; }

template <class Rule>
RulePtr rule(typename Rule::Options options = {}) {
  return std::make_shared<Rule>(options);
}

const std::vector<RuleCase>& rule_cases() {
  static const std::vector<RuleCase> cases{
      {"adamw", rule<AdamWRule>({.beta1 = 0.9, .beta2 = 0.95}), 0.01, 0.1},
      {"muon", rule<MuonRule>(), 0.001, 0.1, 2},
      {"muon_plain", rule<MuonRule>({.nesterov = false}), 0.001, 0, 2},
      {"muon_rms", rule<MuonRule>({.scale = MuonScale::match_rms_adamw}), 0.001, 0.1, 2},
      {"adafactor", rule<AdafactorRule>(), 0.01},
      {"adafactor_decay", rule<AdafactorRule>({.beta2_decay = -0.6, .clip = 2}), 0.05, 0.1},
      {"sgd", rule<SgdRule>(), 0.01, 0.1},
      {"sgd_momentum", rule<SgdRule>({.momentum = 0.9}), 0.01, 0.1},
      {"sgd_nesterov", rule<SgdRule>({.momentum = 0.9, .nesterov = true}), 0.01},
      {"adam", rule<AdamRule>(), 0.01},
      {"adam_decay", rule<AdamRule>({.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6}), 0.01, 0.1},
      {"adam_amsgrad", rule<AdamRule>({.beta1 = 0.8, .beta2 = 0.95, .amsgrad = true}), 0.02, 0.1},
      {"adamw_amsgrad", rule<AdamWRule>({.beta1 = 0.8, .beta2 = 0.95, .amsgrad = true}), 0.02, 0.1},
      {"nadam", rule<NAdamRule>(), 0.01},
      {"nadam_decay", rule<NAdamRule>({.beta1 = 0.8, .beta2 = 0.95, .momentum_decay = 0.05}), 0.01,
       0.1},
      {"nadam_decoupled", rule<NAdamRule>({.decoupled_weight_decay = true}), 0.01, 0.1},
      {"radam", rule<RAdamRule>(), 0.01},
      {"radam_decay", rule<RAdamRule>({.beta1 = 0.8, .beta2 = 0.95}), 0.01, 0.1},
      {"radam_decoupled", rule<RAdamRule>({.decoupled_weight_decay = true}), 0.01, 0.1},
      {"adamax", rule<AdamaxRule>(), 0.01},
      {"adamax_decay", rule<AdamaxRule>({.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6}), 0.01, 0.1},
      {"rmsprop", rule<RmspropRule>(), 0.01},
      {"rmsprop_decay", rule<RmspropRule>({.alpha = 0.9, .eps = 1e-4}), 0.01, 0.1},
      {"rmsprop_momentum", rule<RmspropRule>({.momentum = 0.9}), 0.005},
      {"rmsprop_centered", rule<RmspropRule>({.eps = 1e-4, .centered = true}), 0.005},
      {"rmsprop_all",
       rule<RmspropRule>({.alpha = 0.9, .eps = 1e-3, .momentum = 0.8, .centered = true}), 0.005,
       0.1},
      {"adagrad", rule<AdagradRule>(), 0.05},
      {"adagrad_decay", rule<AdagradRule>({.lr_decay = 0.1, .initial_accumulator_value = 0.5}),
       0.05, 0.1},
      {"adadelta", rule<AdadeltaRule>(), 1},
      {"adadelta_decay", rule<AdadeltaRule>({.rho = 0.8, .eps = 1e-4}), 0.5, 0.1},
      {"lion", rule<LionRule>(), 0.01},
      {"lion_decay", rule<LionRule>({.beta1 = 0.95, .beta2 = 0.98}), 0.005, 0.5},
      {"adamw_schedule_free", rule<AdamWScheduleFreeRule>(), 0.01},
      {"adamw_schedule_free_decay",
       rule<AdamWScheduleFreeRule>({.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6, .warmup_steps = 20}),
       0.02, 0.1},
      {"sgd_schedule_free", rule<SgdScheduleFreeRule>(), 0.1},
      {"sgd_schedule_free_decay", rule<SgdScheduleFreeRule>({.momentum = 0.7, .warmup_steps = 7}),
       0.1, 0.1},
      {"averaged", std::make_shared<EmaRule>(rule<AdamWRule>(), 0.5), 0.01, 0.1, 1, false},
      {"averaged_muon", std::make_shared<EmaRule>(rule<MuonRule>(), 0.5), 0.01, 0.1, 2, false},
      {"mean", std::make_shared<SwaRule>(rule<LionRule>(), 3, 2), 0.01, 0.1, 1, false},
      {"mean_of_points", std::make_shared<SwaRule>(rule<SgdScheduleFreeRule>(), 3, 2), 0.01, 0.1, 1,
       false},
  };
  return cases;
}

// What any language can make: see number() of the script.
Array numbers(int64_t step, const Dims& shape, DType dtype = DType::f32) {
  Array out = Array::empty(shape, DType::f64);
  for (int64_t i = 0; i < out.numel(); ++i) {
    auto whole = static_cast<double>((step * 37 + i * i * 11 + i * 5) % 101);
    out.data<double>()[i] = whole / 64 - 0.75;
  }
  return out.to(dtype);
}

std::vector<Dims> shapes_of(const RuleCase& row) {
  std::vector<Dims> shapes{{8, 24}, {24, 8}, {7}};
  std::erase_if(shapes, [&](const Dims& shape) { return shape.size() < row.fewest_dims; });
  return shapes;
}

// A parameter that a program's own loop trains.
struct Loop {
  Loop(const RuleCase& row_in, const Dims& shape, DType dtype = DType::f32)
      : row(row_in),
        param(numbers(0, shape, dtype), true),
        optimizer({{.params = {param}, .weight_decay = row.weight_decay}}, row.rule) {}
  void run(int64_t from, int64_t to) {
    for (int64_t step = from; step <= to; ++step) {
      param.set_grad(Tensor(numbers(step, param.shape(), param.dtype())));
      optimizer.step(row.lr);
    }
  }
  const RuleCase& row;
  Tensor param;
  Optimizer optimizer;
};

std::vector<RuleCase> rules_that(bool (*hold)(const RuleCase&)) {
  std::vector<RuleCase> rows;
  std::copy_if(rule_cases().begin(), rule_cases().end(), std::back_inserter(rows), hold);
  return rows;
}

std::string name_of(const testing::TestParamInfo<RuleCase>& row) { return row.param.name; }

class RulesOfPyTorch : public testing::TestWithParam<RuleCase> {};

std::map<std::string, Array> golden_values() {
  std::map<std::string, Array> golden;
  for (const char* file : {"rules", "elementwise"}) {
    std::string path = fmt::format("{}/optim/{}.safetensors", TESSERA_GOLDEN_DIR, file);
    for (auto& [name, array] : load_safetensors(path).tensors) golden.emplace(name, array);
  }
  return golden;
}

TEST_P(RulesOfPyTorch, MatchItOverFiftySteps) {
  const RuleCase& row = GetParam();
  std::map<std::string, Array> golden = golden_values();
  for (const Dims& shape : shapes_of(row)) {
    Loop loop(row, shape);
    int64_t done = 0;
    for (int64_t steps : {1, 10, 50}) {
      loop.run(done + 1, steps);
      done = steps;
      std::string key = fmt::format("{}.{}.{}", row.name, fmt::join(shape, "x"), steps);
      ASSERT_TRUE(golden.contains(key)) << key;
      auto matches = [&](const Array& expected) {
        return close_to(doubles(loop.param.data()), doubles(expected), 1e-5, 1e-5);
      };
      EXPECT_TRUE(matches(golden.at(key))) << key;
      if (!row.rule->evaluation_point()) continue;
      Array trained = loop.param.data().clone();
      loop.optimizer.eval();
      EXPECT_TRUE(matches(golden.at(key + ".x"))) << key;
      loop.optimizer.train();
      EXPECT_TRUE(same_bits(loop.param.data(), trained)) << key;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Rules, RulesOfPyTorch,
    testing::ValuesIn(rules_that([](const RuleCase& row) { return row.in_pytorch; })), name_of);

class UpdateRules : public testing::TestWithParam<RuleCase> {};

TEST_P(UpdateRules, GoOnFromTheirSavedState) {
  const RuleCase& row = GetParam();
  for (DType dtype : {DType::f32, DType::f64}) {
    for (const Dims& shape : shapes_of(row)) {
      Loop whole(row, shape, dtype);
      whole.run(1, 40);
      Loop first(row, shape, dtype);
      first.run(1, 20);
      Loop second(row, shape, dtype);
      second.param.data().copy_(first.param.data());
      nn::StateDict state = first.optimizer.state_dict();
      EXPECT_EQ(state[0].first, "step/0");
      second.optimizer.load_state_dict(state);
      second.run(21, 40);
      EXPECT_TRUE(same_bits(second.param.data(), whole.param.data())) << row.name;
      if (row.rule->states(shape).empty()) continue;
      // Without it they would not.
      Loop without(row, shape, dtype);
      without.param.data().copy_(first.param.data());
      without.run(21, 40);
      EXPECT_FALSE(same_bits(without.param.data(), whole.param.data())) << row.name;
    }
  }
}

class RulesForAnyCut : public testing::TestWithParam<RuleCase> {};

TEST_P(RulesForAnyCut, GiveTheSameBitsHoweverParametersAreCut) {
  const RuleCase& row = GetParam();
  constexpr int64_t kLength = 1000;
  std::vector<Array> arrays;  // parameter and states, whole and in pieces
  for (bool cut : {false, true}) {
    Slice all{numbers(0, {kLength}), {}, {}};
    for (size_t i = 0; i < row.rule->states({kLength}).size(); ++i) {
      all.state.push_back(Array::zeros({kLength}));
    }
    for (int64_t step = 1; step <= 3; ++step) {
      all.grad = numbers(step, {kLength});
      for (int64_t begin = 0, end = 0; begin < kLength; begin = end) {
        end = cut ? std::min<int64_t>(begin + 123, kLength) : kLength;
        auto piece = [&](const Array& x) { return x.slice(0, begin, end); };
        Slice slice{piece(all.param), piece(all.grad), {}};
        for (const Array& state : all.state) slice.state.push_back(piece(state));
        row.rule->update(slice, Array::scalar(0.5, DType::f64), {row.lr, row.weight_decay, step});
      }
    }
    arrays.push_back(all.param);
    arrays.insert(arrays.end(), all.state.begin(), all.state.end());
  }
  size_t half = arrays.size() / 2;
  for (size_t i = 0; i < half; ++i) EXPECT_TRUE(same_bits(arrays[i], arrays[half + i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Rules, RulesForAnyCut,
                         testing::ValuesIn(rules_that([](const RuleCase& row) {
                           return row.rule->cut() == Cut::anywhere;
                         })),
                         name_of);

TEST_P(UpdateRules, ChangeNothingWhereTheDeviceSaysSo) {
  const RuleCase& row = GetParam();
  EXPECT_TRUE(row.rule->heeds_when());
  for (const Dims& shape : shapes_of(row)) {
    bool flat = row.rule->cut() == Cut::anywhere;
    auto arrays_after = [&](double scale, const Array& when) {
      auto laid = [&](const Array& x) { return flat ? x.view({x.numel()}) : x; };
      Slice slice{laid(numbers(0, shape)), laid(numbers(1, shape)), {}};
      for (const StateInfo& state : row.rule->states(shape)) {
        slice.state.push_back(laid(numbers(2, state.shape)));
      }
      row.rule->update(slice, Array::scalar(scale, DType::f64),
                       {row.lr, row.weight_decay, 1, when});
      slice.state.push_back(slice.param);
      return slice.state;
    };
    auto condition = [](bool value) { return Array::scalar(value ? 1 : 0, DType::boolean); };
    std::vector<Array> whatever = arrays_after(0.5, {});
    std::vector<Array> met = arrays_after(0.5, condition(true));
    std::vector<Array> unmet = arrays_after(std::nan(""), condition(false));
    std::vector<StateInfo> states = row.rule->states(shape);
    for (size_t i = 0; i < whatever.size(); ++i) {
      EXPECT_TRUE(same_bits(met[i], whatever[i])) << i;
      Array before = i < states.size() ? numbers(2, states[i].shape) : numbers(0, shape);
      EXPECT_TRUE(same_bits(unmet[i], before.view(unmet[i].shape()))) << i;
    }
  }
}

TEST_P(UpdateRules, ReadNothingBack) {
  const RuleCase& row = GetParam();
  constexpr Device kMeta{DeviceType::meta};
  for (const Dims& shape : shapes_of(row)) {
    Slice slice{Array::empty(shape, DType::f32, kMeta), Array::empty(shape, DType::f32, kMeta), {}};
    for (const StateInfo& state : row.rule->states(shape)) {
      slice.state.push_back(Array::empty(state.shape, DType::f32, kMeta));
    }
    row.rule->update(slice, Array::empty({}, DType::f64, kMeta), {row.lr, row.weight_decay, 1});
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, UpdateRules, testing::ValuesIn(rule_cases()), name_of);

TEST(ScheduleFree, HasTwoPointsAndTrainsAtOneOfThem) {
  const RuleCase row{"", rule<AdamWScheduleFreeRule>({.warmup_steps = 2}), 0.1};
  Loop loop(row, {7});
  // Before the first step there is one point.
  Array first = loop.param.data().clone();
  loop.optimizer.eval();
  EXPECT_TRUE(same_bits(loop.param.data(), first));
  EXPECT_EQ(
      error_of([&] { loop.optimizer.step(0.1); }),
      "[Optimizer::step] the parameters are what they are to be used at, not what is trained: "
      "train() comes first");
  EXPECT_TRUE(contains(error_of([&] { loop.optimizer.state_dict(); }), "[Optimizer::state_dict]"));
  EXPECT_TRUE(contains(error_of([&] { loop.optimizer.load_state_dict({}); }), "train() comes"));
  loop.optimizer.train();
  loop.run(1, 5);
  Array trained = loop.param.data().clone();
  nn::StateDict state = loop.optimizer.state_dict();
  ASSERT_EQ(state[2].first, "x/0");
  Array meant = state[2].second.clone();
  EXPECT_FALSE(same_bits(meant, trained));
  for (int i = 0; i < 2; ++i) {
    loop.optimizer.eval();
    loop.optimizer.eval();
    EXPECT_TRUE(same_bits(loop.param.data(), meant));
    loop.optimizer.train();
    EXPECT_TRUE(same_bits(loop.param.data(), trained));
  }
}

// Against the mean of what the parameter was, by hand.
TEST(Swa, IsTheMeanFromItsStart) {
  const RuleCase row{"", std::make_shared<SwaRule>(rule<SgdRule>(), 3, 2), 0.1};
  Loop loop(row, {7});
  std::vector<double> sum(7);
  double count = 0;
  for (int64_t step = 1; step <= 8; ++step) {
    loop.run(step, step);
    std::vector<double> param = doubles(loop.param.data());
    std::vector<double> mean = doubles(loop.optimizer.state_dict()[1].second);
    if (step < 3) {
      EXPECT_EQ(mean, param) << step;
      continue;
    }
    if ((step - 3) % 2 != 0) continue;
    ++count;
    for (size_t i = 0; i < 7; ++i) {
      sum[i] += param[i];
      EXPECT_NEAR(mean[i], sum[i] / count, 1e-6) << step;
    }
  }
  EXPECT_EQ(count, 3);
  EXPECT_TRUE(contains(error_of([] { SwaRule(rule<SgdRule>(), 0); }), "at least 1, got 0 and 1"));
}

// The points that are meant to be used, not those that are trained.
TEST(Averages, AreOfTheEvaluationPoint) {
  RulePtr inner = rule<SgdScheduleFreeRule>();
  const RuleCase swa{"", std::make_shared<SwaRule>(inner, 5), 0.1};
  const RuleCase ema{"", std::make_shared<EmaRule>(inner, 1e-9), 0.1};
  for (const RuleCase* row : {&swa, &ema}) {
    Loop loop(*row, {7});
    loop.run(1, 5);
    nn::StateDict state = loop.optimizer.state_dict();  // the count, z, x and the average
    ASSERT_EQ(state.size(), 4);
    std::vector<double> x = doubles(state[2].second);
    std::vector<double> average = doubles(state[3].second);
    EXPECT_TRUE(close_to(average, x, 1e-6, 1e-6));
    EXPECT_FALSE(close_to(doubles(loop.param.data()), x, 1e-4, 1e-4));
  }
}

TEST(RuleOptions, AreRefusedOutOfTheirBounds) {
  const std::vector<std::pair<std::function<void()>, std::string>> cases{
      {[] { Adam({}, {.beta1 = 1}); }, "[Adam] expected betas in [0, 1), got 1 and 0.999"},
      {[] { NAdam({}, {.momentum_decay = -1}); },
       "[NAdam] expected a momentum_decay of at least 0, got -1"},
      {[] { RAdam({}, {.eps = 0}); }, "[RAdam] expected an eps above 0, got 0"},
      {[] { Adamax({}, {.beta2 = -0.5}); }, "[Adamax] expected betas in [0, 1), got 0.9 and -0.5"},
      {[] { Rmsprop({}, {.alpha = 1}); }, "[Rmsprop] expected an alpha in [0, 1), got 1"},
      {[] { Rmsprop({}, {.momentum = 1}); }, "[Rmsprop] expected a momentum in [0, 1), got 1"},
      {[] { Adagrad({}, {.lr_decay = -1}); },
       "[Adagrad] expected an lr_decay of at least 0, got -1"},
      {[] { Adadelta({}, {.rho = 1.5}); }, "[Adadelta] expected a rho in [0, 1), got 1.5"},
      {[] { Lion({}, {.beta2 = 2}); }, "[Lion] expected betas in [0, 1), got 0.9 and 2"},
      {[] { AdamWScheduleFree({}, {.warmup_steps = -1}); },
       "[AdamWScheduleFree] expected warmup_steps of at least 0, got -1"},
      {[] { SgdScheduleFree({}, {.momentum = 1}); },
       "[SgdScheduleFree] expected a momentum in [0, 1), got 1"}};
  for (const auto& [make, message] : cases)
    EXPECT_TRUE(contains(error_of(make), message)) << message;
}

TEST(Muon, IsForMatricesOnly) {
  Tensor bias(Array::zeros({3}), true);
  EXPECT_TRUE(contains(error_of([&] { Muon({{{bias}}}, {}); }),
                       "[Muon] expected matrices, got a parameter of shape (3,)"));
  EXPECT_TRUE(contains(error_of([] { Muon({}, {.iterations = 0}); }), "from 1 to 99 iterations"));
  EXPECT_TRUE(contains(error_of([] { Muon({}, {.momentum = 1}); }), "a momentum in [0, 1)"));
}

TEST(Muon, MakesUpdatesNearlyOrthogonal) {
  // What five iterations leave of singular values lies around 1 (0.5 to 1.5): so of q q^T the
  // diagonal does, and the rest is small.
  Tensor param(Array::zeros({6, 40}), true);
  param.set_grad(Tensor(test::random_array({6, 40}, DType::f32, 3)));
  Muon muon({{{param}}}, {.products = DType::f32});
  muon.step(1);
  std::vector<double> q = doubles(param.data());
  for (size_t i = 0; i < 6; ++i) {
    for (size_t j = 0; j < 6; ++j) {
      double product = 0;
      for (size_t k = 0; k < 40; ++k) product += q[i * 40 + k] * q[j * 40 + k];
      EXPECT_NEAR(product, i == j ? 0.95 : 0, i == j ? 0.6 : 0.35) << i << ", " << j;
    }
  }
}

TEST(Adafactor, KeepsRowsAndColumnsOfMatrices) {
  AdafactorRule rule({});
  std::vector<StateInfo> states = rule.states({2, 30, 40});
  ASSERT_EQ(states.size(), 2U);
  EXPECT_EQ(states[0].shape, (Dims{2, 30, 1}));
  EXPECT_EQ(states[1].shape, (Dims{2, 1, 40}));
  EXPECT_EQ(rule.states({}).size(), 1U);
  EXPECT_TRUE(contains(error_of([] { AdafactorRule({.clip = 0.5}); }), "a clip of at least 1"));
}

// What a rule remembers of its rise is no state: updates may come in any order, of any parameter.
TEST(ScheduleFree, ItsWeightsFollowFromTheStepAlone) {
  AdamWScheduleFreeRule::Options options{.beta2 = 0.95, .warmup_steps = 6};
  AdamWScheduleFreeRule used(options);
  for (int64_t step : {1, 2, 3, 9, 5, 5, 1, 7, 30, 6}) {
    std::vector<Array> params;
    AdamWScheduleFreeRule fresh(options);
    for (const UpdateRule* rule : {&used, &fresh}) {
      Slice slice{numbers(0, {64}), numbers(1, {64}), {}};
      for (int i = 0; i < 3; ++i) slice.state.push_back(numbers(2, {64}));
      rule->update(slice, Array::scalar(1, DType::f64), {0.1, 0.1, step});
      params.push_back(slice.param);
    }
    EXPECT_TRUE(same_bits(params[0], params[1])) << step;
  }
}

}  // namespace
}  // namespace tessera::optim
