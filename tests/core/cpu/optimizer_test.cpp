#include "core/kernels/optimizer.h"
#include "core/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;
using test::same_bits;

const Kernels& cpu() { return kernels({}); }

// What one step of the rule "adamw" takes, as core/update_rules.inc has it.
struct AdamWStep {
  double lr = 1e-2, beta1 = 0.9, beta2 = 0.95, eps = 1e-8, weight_decay = 0.1;
  int64_t step = 1;

  UpdateArgs args() const {
    auto t = static_cast<double>(step);
    double correction1 = 1 - std::pow(beta1, t);
    double correction2 = 1 - std::pow(beta2, t);
    return {"adamw",
            {1 - lr * weight_decay, lr / correction1, 1 / std::sqrt(correction2), eps, beta1,
             1 - beta1, beta2, 1 - beta2}};
  }
};

void update(const UpdateArgs& args, const Array& param, const Array& grad, double scale,
            const std::vector<Array>& states) {
  cpu().optimizer().update(args, param, grad, Array::scalar(scale, DType::f64), states);
}

TEST(AdamW, AgreesWithADoubleLoop) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t count : {0, 1, 5, 16, 1000, 16384, 40001}) {
      AdamWStep args;
      Array param = random_array({count}, dtype, 1);
      Array m = Array::zeros({count}, dtype);
      Array v = Array::zeros({count}, dtype);
      std::vector<double> p = doubles(param);
      std::vector<double> pm(p.size());
      std::vector<double> pv(p.size());
      for (args.step = 1; args.step <= 3; ++args.step) {
        Array grad = random_array({count}, dtype, static_cast<uint64_t>(10 + args.step));
        std::vector<double> g = doubles(grad);
        update(args.args(), param, grad, 0.5, {m, v});
        double t = static_cast<double>(args.step);
        for (size_t i = 0; i < p.size(); ++i) {
          double gi = g[i] * 0.5;
          pm[i] = args.beta1 * pm[i] + (1 - args.beta1) * gi;
          pv[i] = args.beta2 * pv[i] + (1 - args.beta2) * gi * gi;
          double m_hat = pm[i] / (1 - std::pow(args.beta1, t));
          double v_hat = pv[i] / (1 - std::pow(args.beta2, t));
          p[i] -= args.lr * args.weight_decay * p[i];
          p[i] -= args.lr * m_hat / (std::sqrt(v_hat) + args.eps);
        }
      }
      double tolerance = dtype == DType::f32 ? 1e-6 : 1e-14;
      EXPECT_TRUE(close_to(doubles(param), p, tolerance, tolerance)) << count;
      EXPECT_TRUE(close_to(doubles(m), pm, tolerance, tolerance));
      EXPECT_TRUE(close_to(doubles(v), pv, tolerance, tolerance));
    }
  }
}

TEST(AdamW, AnElementsBitsDoNotDependOnTheCut) {
  UpdateArgs args = AdamWStep().args();
  Array whole[4];
  Array pieces[4];
  for (uint64_t i = 0; i < 4; ++i) {
    whole[i] = random_array({1024}, DType::f32, i, 0.1, 1);
    pieces[i] = whole[i].clone();
  }
  update(args, whole[0], whole[1], 1, {whole[2], whole[3]});
  for (int64_t first = 0, size = 1; first < 1024; first += size, size = size % 37 + 1) {
    Array part[4];
    for (size_t i = 0; i < 4; ++i) part[i] = pieces[i].slice(0, first, first + size);
    update(args, part[0], part[1], 1, {part[2], part[3]});
  }
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(same_bits(whole[i], pieces[i])) << i;
}

TEST(UpdateRules, WhatIsNoRuleOrHasAnotherDTypeIsRefused) {
  Array param = Array::zeros({8});
  EXPECT_EQ(test::error_of([&] {
              update({"adamv", {}}, param, param, 1, {param, param});
            }),
            "[optimizer] there is no rule 'adamv' in core/update_rules.inc");
  Array narrow = Array::zeros({8}, DType::bf16);
  EXPECT_TRUE(test::contains(test::error_of([&] {
                               update({"sgd", {}}, narrow, narrow, 1, {});
                             }),
                             "bf16"));
}

}  // namespace
}  // namespace tessera
