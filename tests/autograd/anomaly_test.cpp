#include "autograd/anomaly.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;
using test::error_with_place;

Tensor leaf(std::vector<double> values) {
  auto size = static_cast<int64_t>(values.size());
  return Tensor(Array::from(values, {size}), true);
}

TEST(Anomaly, NamesTheOpItsShapesModuleAndPlace) {
  Tensor x = leaf({1, 0, 4});
  context().module_path = std::make_shared<const std::string>("blocks.1.mlp");
  Tensor y = x * 2.0;
  Tensor z = sqrt(y);
  int line = __LINE__ - 1;
  context().module_path = nullptr;
  Tensor loss = sum(z * 3.0);
  DetectAnomaly detect;
  EXPECT_EQ(error_with_place([&] { loss.backward(); }),
            fmt::format("[anomaly] the gradient of input 0 of 'sqrt' is the first that is not "
                        "finite: 1 of 3 elements, shape (3,); the gradient of the result has shape "
                        "(3,), in module 'blocks.1.mlp', called at {}:{}",
                        __FILE__, line));
}

TEST(Anomaly, AnOperatorKnowsItsPlaceToo) {
  Tensor x = leaf({1, 0});
  Tensor y = x / x;
  int line = __LINE__ - 1;
  DetectAnomaly detect;
  EXPECT_TRUE(contains(error_with_place([&] { sum(y).backward(); }),
                       fmt::format("'div' is the first that is not finite: 1 of 2 elements, shape "
                                   "(2,); the gradient of the result has shape (2,), called at "
                                   "{}:{}",
                                   __FILE__, line)));
}

TEST(Anomaly, AnOpInsideAnotherHasTheUsersPlace) {
  Tensor x = leaf({1, 2});
  Tensor y = matmul(x, x);
  int line = __LINE__ - 1;
  EXPECT_EQ(y.grad_fn()->site().line, line);
  EXPECT_STREQ(y.grad_fn()->site().file, __FILE__);
}

TEST(Anomaly, IsOffUnlessAskedForAndAcceptsFiniteGradients) {
  Tensor x = leaf({1, 0});
  sum(sqrt(x)).backward();
  EXPECT_TRUE(std::isinf(x.grad().data().to_vector<double>()[1]));
  DetectAnomaly detect;
  Tensor ok = leaf({1, 4});
  sum(sqrt(ok)).backward();
  EXPECT_TRUE(ok.grad().defined());
}

TEST(Anomaly, LooksAtTheFirstGradientToo) {
  Tensor x = leaf({1, 4});
  Tensor y = sqrt(x);
  DetectAnomaly detect;
  EXPECT_EQ(error_of([&] { y.backward(Tensor(Array::full({2}, NAN, DType::f64))); }),
            "[anomaly] the gradient that backward was given is not finite: 2 of 2 elements");
}

}  // namespace
}  // namespace tessera
