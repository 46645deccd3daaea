// Every instruction set that this machine has, not only the best: a release build must be right on
// older machines too.

#include <gtest/gtest.h>
#include <hwy/detect_targets.h>
#include <hwy/targets.h>

#include <cmath>

#include "core/cpu/cpu.h"
#include "core/kernels.h"
#include "core/kernels/attention.h"
#include "core/kernels/binary.h"
#include "core/kernels/normalize.h"
#include "core/kernels/optimizer.h"
#include "core/kernels/reduce.h"
#include "core/kernels/softmax.h"
#include "core/kernels/unary.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::doubles;
using test::random_array;

// What the kernels written for each set make of one input, side by side.
std::vector<Array> results_of_all_kernels() {
  const Kernels& k = kernels({});
  Array x = random_array({37, 131});
  Array w = random_array({131}, DType::f32, 2);
  Array dy = random_array({37, 131}, DType::f32, 3);
  std::vector<Array> out;
  auto next = [&](const Dims& shape, DType dtype = DType::f32) {
    return out.emplace_back(Array::zeros(shape, dtype));
  };
  for (UnaryOp op : {UnaryOp::exp, UnaryOp::tanh, UnaryOp::sigmoid, UnaryOp::gelu, UnaryOp::relu,
                     UnaryOp::sign, UnaryOp::square}) {
    k.unary().run(op, x, next({37, 131}));
  }
  for (BinaryOp op : {BinaryOp::add, BinaryOp::div, BinaryOp::maximum, BinaryOp::gelu_grad}) {
    k.binary().run(op, x, dy, next({37, 131}));
  }
  k.reduce().sum_rows(x, next({37}));
  k.reduce().sum_columns(x, next({131}));
  k.reduce().chunk_square_sums(x.view({37 * 131}), next({(37 * 131 + 255) / 256}, DType::f64));
  k.softmax().softmax(x, next({37, 131}));
  k.softmax().log_softmax(x, next({37, 131}));
  Array y = next({37, 131});
  Array mean = next({37});
  Array rstd = next({37});
  k.normalize().layer_norm(x, w, w, 1e-5, y, mean, rstd);
  Array dx = next({37, 131});
  Array dw = next({131});
  Array db = next({131});
  k.normalize().layer_norm_grad(x, w, mean, rstd, dy, dx, dw, db);
  Array q = random_array({1, 2, 70, 9}, DType::f32, 4);
  Array o = next({1, 2, 70, 9});
  Array lse = next({2, 1, 2, 70});
  k.attention().run(q, q, q, {.scale = 0.3, .causal = true}, o, lse);
  Array param = next({37, 131});
  param.copy_(x);
  Array states[]{next({37, 131}), next({37, 131})};
  UpdateArgs adamw{"adamw", {1, 1, 10, 1e-8, 0.9, 0.1, 0.99, 0.01}};
  k.optimizer().update(adamw, param, dy, Array::scalar(1, DType::f64), states);
  return out;
}

TEST(InstructionSets, AllAgreeWithinRounding) {
  std::vector<Array> best = results_of_all_kernels();
  std::string best_name = cpu::instruction_set();
  int tried = 0;
  for (int64_t target : {HWY_AVX3, HWY_AVX2, HWY_SSE4}) {
    if (!(hwy::SupportedTargets() & target)) continue;
    hwy::SetSupportedTargetsForTest(target);
    std::vector<Array> results = results_of_all_kernels();
    hwy::SetSupportedTargetsForTest(0);
    ++tried;
    for (size_t i = 0; i < best.size(); ++i) {
      std::vector<double> a = doubles(best[i]);
      std::vector<double> b = doubles(results[i]);
      for (size_t j = 0; j < a.size(); ++j) {
        ASSERT_NEAR(a[j], b[j], 2e-5 * (1 + std::abs(a[j])))
            << hwy::TargetName(target) << " against " << best_name << ", result " << i;
      }
    }
  }
  EXPECT_GE(tried, 1);
}

}  // namespace
}  // namespace tessera
