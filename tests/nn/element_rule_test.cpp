#include "nn/optim/element_rule.h"

#include <gtest/gtest.h>

#include "core/parallel.h"
#include "nn/optim/sgd.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::optim {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

// Descent along a mean, as SgdRule's without dampening.
struct Own final : ElementRule<Own> {
  struct Options {
    double momentum = 0.5;
  } o;
  explicit Own(Options options) : ElementRule("own", {"mean"}), o(options) {}
  void apply(double& p, double g, double* s, const UpdateStep& step) const {
    s[0] = o.momentum * s[0] + g;
    p -= step.lr * (s[0] + step.weight_decay * p);
  }
};

// Without state.
struct Plain final : ElementRule<Plain> {
  struct Options {};
  explicit Plain(Options) : ElementRule("plain") {}
  void apply(double& p, double g, double*, const UpdateStep& step) const { p -= step.lr * g; }
};

Tensor parameter_with_gradient(int64_t size, DType dtype = DType::f32) {
  Tensor parameter(random_array({size}, dtype, 1));
  parameter.set_requires_grad(true);
  parameter.set_grad(Tensor(random_array({size}, dtype, 2)));
  return parameter;
}

TEST(ElementRule, UpdatesAsItsFormulaSays) {
  constexpr int64_t kSize = 40000;  // several tiles
  for (DType dtype : {DType::f32, DType::f64}) {
    Tensor own = parameter_with_gradient(kSize, dtype);
    Tensor theirs = parameter_with_gradient(kSize, dtype);
    OptimizerOf<Own> optimizer({{{own}}}, {.momentum = 0.5});
    Sgd sgd({{{theirs}}}, {.momentum = 0.5});
    for (int i = 0; i < 3; ++i) {
      optimizer.step(0.1);
      sgd.step(0.1);
    }
    EXPECT_TRUE(test::close_to(doubles(own.data()), doubles(theirs.data()), 1e-5, 1e-6));
    EXPECT_EQ(optimizer.state_dict().back().first, "mean/0");
  }
}

TEST(ElementRule, HasTheSameBitsWithAnyThreads) {
  std::vector<Array> results;
  for (int threads : {1, 3}) {
    set_num_threads(threads);
    Tensor parameter = parameter_with_gradient(50001);
    OptimizerOf<Own> optimizer({{{parameter}, 0.1}}, {});
    optimizer.step(0.1, Array::scalar(0.3, DType::f64));
    results.push_back(parameter.data());
  }
  set_num_threads(1);
  EXPECT_TRUE(same_bits(results[0], results[1]));
}

TEST(ElementRule, MayHaveNoState) {
  Tensor parameter = parameter_with_gradient(5);
  std::vector<double> before = doubles(parameter.data());
  OptimizerOf<Plain> optimizer({{{parameter}}}, {});
  optimizer.step(0.5);
  std::vector<double> after = doubles(parameter.data());
  std::vector<double> gradient = doubles(parameter.grad().data());
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(after[i], before[i] - 0.5 * gradient[i], 1e-6);
}

TEST(ElementRule, LeavesWhatHasNoElements) {
  Array meta = Array::empty({3}, DType::f32, {DeviceType::meta});
  Plain({}).update({meta, meta, {}}, Array::scalar(1, DType::f64), {.lr = 1});
  EXPECT_EQ(Plain({}).describe(), "plain");
}

}  // namespace
}  // namespace tessera::optim
