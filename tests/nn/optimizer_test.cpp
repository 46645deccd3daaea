#include "nn/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
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
using test::random_array;
using test::same_bits;

Tensor parameter(const Dims& shape, DType dtype = DType::f32, uint64_t seed = 1) {
  return {random_array(shape, dtype, seed), /*requires_grad=*/true};
}

void set_random_grad(const Tensor& param, uint64_t seed) {
  param.set_grad(Tensor(random_array(param.shape(), param.dtype(), seed)));
}

// AdamW as its paper writes it, in doubles.
struct NaiveAdamW {
  AdamW::Options options;
  double weight_decay = 0;
  std::vector<double> param;
  std::vector<double> m = std::vector<double>(param.size());
  std::vector<double> v = std::vector<double>(param.size());

  void update(const std::vector<double>& grad, double scale, double lr, int step) {
    for (size_t i = 0; i < param.size(); ++i) {
      double g = grad[i] * scale;
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
      double m_hat = m[i] / (1 - std::pow(options.beta1, step));
      double v_hat = v[i] / (1 - std::pow(options.beta2, step));
      param[i] -= lr * weight_decay * param[i];
      param[i] -= lr * m_hat / (std::sqrt(v_hat) + options.eps);
    }
  }
};

class AdamWSteps : public testing::TestWithParam<DType> {};

TEST_P(AdamWSteps, MatchThePaper) {
  DType dtype = GetParam();
  double tolerance = dtype == DType::f64 ? 1e-12 : 2e-6;
  AdamW::Options options{.beta1 = 0.8, .beta2 = 0.95, .eps = 1e-6};
  // 17 elements end in a part of a vector; 0-d parameters are one element.
  std::vector<Tensor> params{parameter({17}, dtype, 1), parameter({5, 30}, dtype, 2),
                             parameter({}, dtype, 3)};
  AdamW optimizer({{{params[0], params[2]}, 0}, {{params[1]}, 0.3}}, options);
  std::vector<NaiveAdamW> naive;
  for (size_t i = 0; i < 3; ++i) {
    naive.push_back({options, i == 1 ? 0.3 : 0, doubles(params[i].data())});
  }
  for (int step = 1; step <= 6; ++step) {
    double lr = 0.1 / step;
    double scale = step % 2 == 0 ? 0.25 : 1;
    for (size_t i = 0; i < 3; ++i) {
      set_random_grad(params[i], 100 * i + static_cast<uint64_t>(step));
      naive[i].update(doubles(params[i].grad().data()), scale, lr, step);
    }
    if (scale == 1) optimizer.step(lr);
    else optimizer.step(lr, Array::scalar(scale, DType::f64));
    for (size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(close_to(doubles(params[i].data()), naive[i].param, tolerance, tolerance))
          << "step " << step << ", parameter " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, AdamWSteps, testing::Values(DType::f32, DType::f64),
                         [](const auto& param) { return std::string(name(param.param)); });

TEST(AdamW, DecaysOnlyItsGroup) {
  Tensor plain(Array::full({300}, 1), true);
  Tensor decayed(Array::full({300}, 1), true);
  AdamW optimizer({{{plain}, 0}, {{decayed}, 0.5}}, {});
  plain.set_grad(Tensor(Array::zeros({300})));
  decayed.set_grad(Tensor(Array::zeros({300})));
  optimizer.step(0.1);
  EXPECT_EQ(doubles(plain.data()), std::vector<double>(300, 1));
  EXPECT_TRUE(close_to(doubles(decayed.data()), std::vector<double>(300, 0.95), 1e-7, 0));
}

TEST(AdamW, CutsChangeNothing) {
  Tensor whole = parameter({1000});
  Tensor copy(whole.data().clone(), true);
  AdamW optimizer({{{whole}, 0.1}}, {});
  const UpdateRule& rule = *optimizer.groups()[0].rule;
  Array m = Array::zeros({1000});
  Array v = Array::zeros({1000});
  for (int step = 1; step <= 3; ++step) {
    set_random_grad(whole, static_cast<uint64_t>(step));
    for (int64_t begin = 0, end = 0; begin < 1000; begin = end) {
      end = std::min<int64_t>(begin + 123, 1000);
      auto cut = [&](const Array& x) { return x.slice(0, begin, end); };
      rule.update({cut(copy.data()), cut(whole.grad().data()), {cut(m), cut(v)}},
                  Array::scalar(1, DType::f64), {0.01, 0.1, step});
    }
    optimizer.step(0.01);
  }
  EXPECT_TRUE(same_bits(whole.data(), copy.data()));
}

TEST(Optimizer, LeavesParametersWithoutGradient) {
  Tensor used = parameter({10});
  Tensor unused = parameter({10}, DType::f32, 2);
  Array before = unused.data().clone();
  AdamW optimizer({{{unused, used}, 0.5}}, {});
  Array used_before = used.data().clone();
  set_random_grad(used, 3);
  optimizer.step(0.1);
  EXPECT_TRUE(same_bits(unused.data(), before));
  EXPECT_FALSE(same_bits(used.data(), used_before));
  // It may get one later.
  set_random_grad(unused, 4);
  optimizer.step(0.1);
  EXPECT_FALSE(same_bits(unused.data(), before));
}

TEST(Optimizer, StepsWithGradientsOfBackward) {
  Tensor x = parameter({3, 4});
  Tensor y = parameter({4, 3}, DType::f32, 2);
  AdamW optimizer({{{x, y}}}, {});
  // Gradients of a sum are expanded, those of a transpose transposed.
  (sum(x) + sum(transpose(y, 0, 1) * x)).backward();
  Array before = y.data().clone();
  EXPECT_EQ(error_of([&] { clip_grad_norm({x, y}, 1); }), "");
  EXPECT_EQ(error_of([&] { optimizer.step(0.1); }), "");
  EXPECT_FALSE(same_bits(y.data(), before));
  optimizer.zero_grad();
  EXPECT_FALSE(x.grad().defined() || y.grad().defined());
}

TEST(Optimizer, CountsTheStepsOfEachParameter) {
  Tensor late = parameter({10});
  Tensor fresh(late.data().clone(), true);
  Tensor other = parameter({10}, DType::f32, 2);
  AdamW shared({{{late, other}}}, {});
  set_random_grad(other, 3);
  shared.step(0.1);
  set_random_grad(late, 4);
  shared.step(0.1);
  AdamW alone({{{fresh}}}, {});
  set_random_grad(fresh, 4);
  alone.step(0.1);
  EXPECT_TRUE(same_bits(late.data(), fresh.data()));
}

TEST(Optimizer, RefusesWhatItCannotTrain) {
  Tensor leaf = parameter({3});
  EXPECT_EQ(error_of([&] {
              AdamW({{{leaf, leaf}}}, {});
            }),
            "[Optimizer] a parameter is listed twice");
  auto refused = [](const Tensor& tensor) { return error_of([&] { AdamW({{{tensor}}}, {}); }); };
  EXPECT_EQ(refused(leaf), "");
  EXPECT_EQ(refused(leaf * 2.0), "[Optimizer] expected leaves, got the result of an operation");
  EXPECT_EQ(refused(Tensor(random_array({3}))),
            "[Optimizer] expected parameters that require a gradient, and none of 1 does");
}

TEST(Optimizer, LeavesFrozenParametersAlone) {
  Tensor trained = parameter({10});
  Tensor frozen = parameter({10}, DType::f32, 2);
  frozen.set_requires_grad(false);
  Array before = frozen.data().clone();
  AdamW optimizer({{{frozen, trained}, 0.5}}, {});
  (sum(trained * frozen)).backward();
  EXPECT_TRUE(optimizer.step(0.1));
  EXPECT_TRUE(same_bits(frozen.data(), before));
  // A gradient of before it was frozen does not count either.
  set_random_grad(frozen, 3);
  optimizer.step(0.1);
  EXPECT_TRUE(same_bits(frozen.data(), before));
  // Thawed, it begins with its first step.
  frozen.set_requires_grad(true);
  optimizer.step(0.1);
  EXPECT_FALSE(same_bits(frozen.data(), before));
}

TEST(Optimizer, GradientsThatAreNotFiniteAreTakenSkippedOrRefused) {
  for (double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    for (NonFinite wanted : {NonFinite::take, NonFinite::skip, NonFinite::refuse}) {
      Tensor first = parameter({10});
      Tensor second = parameter({4, 5}, DType::f32, 2);
      Tensor same(second.data().clone(), true);
      Array before = second.data().clone();
      AdamW optimizer({{{first, second}}}, {});
      optimizer.on_nonfinite(wanted);
      set_random_grad(first, 3);
      second.set_grad(Tensor(Array::full({4, 5}, 1)));
      second.grad().data().select(0, 3).select(0, 1).fill_(bad);
      bool taken = true;
      std::string error = error_of([&] { taken = optimizer.step(0.1); });
      EXPECT_EQ(taken, wanted != NonFinite::skip);
      EXPECT_EQ(same_bits(second.data(), before), wanted != NonFinite::take);
      EXPECT_EQ(error, wanted == NonFinite::refuse
                           ? "[Optimizer] the gradient of parameter 2, of shape (4, 5), is NaN or "
                             "infinite in 1 of 20 elements; nothing was updated"
                           : "");
      if (wanted == NonFinite::take) continue;
      // What was not taken is no step of the optimizer.
      AdamW other({{{same}}}, {});
      set_random_grad(second, 4);
      set_random_grad(same, 4);
      EXPECT_TRUE(optimizer.step(0.1));
      other.step(0.1);
      EXPECT_TRUE(same_bits(second.data(), same.data()));
    }
  }
}

TEST(Optimizer, RefusesAScaleOrARateThatIsNotFinite) {
  Tensor param = parameter({10});
  Array before = param.data().clone();
  AdamW optimizer({{{param}}}, {});
  optimizer.on_nonfinite(NonFinite::refuse);
  set_random_grad(param, 3);
  EXPECT_TRUE(
      contains(error_of([&] { optimizer.step(0.1, Array::scalar(std::nan(""), DType::f64)); }),
               "[Optimizer] the gradients' scale is nan"));
  EXPECT_TRUE(contains(error_of([&] { optimizer.step(HUGE_VAL); }),
                       "[Optimizer] the learning rate is inf"));
  EXPECT_TRUE(same_bits(param.data(), before));
}

TEST(AdamW, RefusesBadOptions) {
  auto error = [](AdamW::Options options) { return error_of([&] { AdamW({}, options); }); };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({.beta1 = 0, .beta2 = 0}), "");
  double nan = std::nan("");
  for (double beta : {-0.1, 1.0, nan}) {
    EXPECT_TRUE(contains(error({.beta1 = beta}), "[AdamW] expected betas in [0, 1)"));
    EXPECT_TRUE(contains(error({.beta2 = beta}), "[AdamW] expected betas in [0, 1)"));
  }
  for (double eps : {0.0, -1.0, nan}) {
    EXPECT_TRUE(contains(error({.eps = eps}), "[AdamW] expected an eps above 0"));
  }
}

double naive_norm(const std::vector<Tensor>& params) {
  double squares = 0;
  for (const Tensor& param : params) {
    if (!param.grad().defined()) continue;
    for (double g : doubles(param.grad().data())) squares += g * g;
  }
  return std::sqrt(squares);
}

TEST(ClipGradNorm, GivesTheNormAndTheFactor) {
  std::vector<Tensor> params{parameter({1000}), parameter({3, 5}), parameter({2}), parameter({})};
  for (size_t i : {0, 1, 3}) set_random_grad(params[i], i);
  double expected = naive_norm(params);
  double norm = 0;
  Array factor = clip_grad_norm(params, 0.5, &norm);
  EXPECT_NEAR(norm, expected, 1e-10 * expected);
  EXPECT_EQ(factor.dtype(), DType::f64);
  EXPECT_EQ(factor.dim(), 0U);
  EXPECT_NEAR(factor.item<double>(), 0.5 / (expected + 1e-6), 1e-12);
  // Gradients stay as they are, and short ones are not made longer.
  EXPECT_EQ(naive_norm(params), expected);
  EXPECT_EQ(clip_grad_norm(params, expected * 2).item<double>(), 1);
}

TEST(ClipGradValue, ClipsElementsByThemselves) {
  Tensor first = parameter({4});
  Tensor without = parameter({2});
  first.set_grad(Tensor(Array::from(std::vector<float>{-3, 0.25F, 0.5F, HUGE_VALF}, {4})));
  clip_grad_value({first, without}, 0.5);
  EXPECT_EQ(doubles(first.grad().data()), (std::vector<double>{-0.5, 0.25, 0.5, 0.5}));
  EXPECT_FALSE(without.grad().defined());
  first.grad().data().fill_(std::nan(""));
  clip_grad_value({first}, 0.5);
  EXPECT_TRUE(std::isnan(doubles(first.grad().data())[0]));
  for (double bad : {0.0, -1.0, std::nan("")}) {
    EXPECT_TRUE(contains(error_of([&] { clip_grad_value({first}, bad); }),
                         "[clip_grad_value] expected a value above 0"));
  }
}

TEST(ClipGradNorm, OfNothingIsZero) {
  double norm = -1;
  EXPECT_EQ(clip_grad_norm({parameter({3})}, 1, &norm).item<double>(), 1);
  EXPECT_EQ(norm, 0);
}

TEST(ClipGradNorm, DoesNotDependOnCutsAtChunks) {
  constexpr int64_t kLength = 256 * 7 + 100;
  Array grad = random_array({kLength});
  auto part = [&](int64_t begin, int64_t end) {
    Tensor out(Array::zeros({end - begin}), true);
    out.set_grad(Tensor(grad.slice(0, begin, end).clone()));
    return out;
  };
  double whole = 0;
  double cut = 0;
  clip_grad_norm({part(0, kLength)}, 1, &whole);
  clip_grad_norm({part(0, 256), part(256, 1024), part(1024, kLength)}, 1, &cut);
  EXPECT_EQ(whole, cut);
}

TEST(ClipGradNorm, NaNStaysNaN) {
  Tensor param = parameter({3});
  param.set_grad(Tensor(Array::full({3}, std::nan(""))));
  EXPECT_TRUE(std::isnan(clip_grad_norm({param}, 1).item<double>()));
}

TEST(ClipGradNorm, RefusesNormsThatAreNotPositive) {
  for (double max_norm : {0.0, -1.0, std::nan("")}) {
    EXPECT_TRUE(contains(error_of([&] { clip_grad_norm({}, max_norm); }),
                         "[clip_grad_norm] expected a norm above 0"));
  }
}

// Against the formula, by hand, on a parameter that another optimizer moves.
TEST(Ema, FollowsTheParameter) {
  auto make = [] { return Tensor(Array::from(std::vector<float>{1, -2, 3}, {3}), true); };
  Tensor plain = make();
  Tensor averaged = make();
  optim::AdamW adamw({{{plain}, 0.1}}, {});
  optim::Ema ema(optim::AdamW({{{averaged}, 0.1}}, {}), 0.75);
  const UpdateRule& rule = *ema.groups()[0].rule;
  std::vector<std::string> names;
  for (const StateInfo& state : rule.states({3})) names.push_back(state.name);
  EXPECT_EQ(names, (std::vector<std::string>{"exp_avg", "exp_avg_sq", "ema"}));
  Array state = Array::zeros({3});
  std::vector<double> expected{1, -2, 3};
  std::vector<Array> arrays{Array::zeros({3}), Array::zeros({3}), state};
  for (int64_t step = 1; step <= 4; ++step) {
    Array grad = Array::from(std::vector<float>{0.5F, 1, static_cast<float>(-step)}, {3});
    plain.set_grad(Tensor(grad));
    adamw.step(0.1);
    rule.update({averaged.data(), grad, arrays}, Array::scalar(1, DType::f64), {0.1, 0.1, step});
    EXPECT_EQ(averaged.data().to_vector<float>(), plain.data().to_vector<float>());
    for (size_t i = 0; i < 3; ++i) {
      expected[i] = 0.75 * expected[i] + 0.25 * static_cast<double>(plain.data().data<float>()[i]);
      EXPECT_NEAR(state.data<float>()[i], expected[i], 1e-6) << "step " << step;
    }
  }
  for (double decay : {0.0, 1.0, -0.5}) {
    optim::AdamW inner({{{make()}}}, {});
    EXPECT_EQ(test::error_of([&] { optim::Ema(inner, decay); }),
              fmt::format("[Ema] expected a decay in (0, 1), got {}", decay));
  }
}

}  // namespace
}  // namespace tessera::optim
