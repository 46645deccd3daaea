#include "autograd/gradcheck.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "autograd/record.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;
using test::random_array;

using Inputs = std::vector<Tensor>;

Tensor leaf(const Dims& shape, uint64_t seed = 1) {
  return Tensor(random_array(shape, DType::f64, seed, 0.5, 2), true);
}

// x^2 with a backward of one's own.
template <class Backward>
auto square_with(Backward backward) {
  return [backward](const Inputs& in) {
    Tensor x = in[0];
    Array y = square(x.detach()).data();
    return record("square", y, {x},
                  [x, backward](const Tensor& dy, const Node&) { return Grads{backward(x, dy)}; });
  };
}

std::string verdict(const std::function<Tensor(const Inputs&)>& fn, const Inputs& inputs) {
  return error_of([&] { gradcheck(fn, inputs); });
}

TEST(Gradcheck, AcceptsARightGradient) {
  EXPECT_EQ(verdict(square_with([](const Tensor& x, const Tensor& dy) { return dy * x * 2.0; }),
                    {leaf({2, 3})}),
            "");
}

TEST(Gradcheck, RefusesAGradientThatIsOnePercentOff) {
  auto fn = square_with([](const Tensor& x, const Tensor& dy) { return dy * x * 2.02; });
  EXPECT_TRUE(
      contains(verdict(fn, {leaf({2, 3})}), "[gradcheck] d out[0] / d input0[0]: backward says "));
}

TEST(Gradcheck, FindsOneWrongElement) {
  auto fn = square_with([](const Tensor& x, const Tensor& dy) {
    Array dx = (dy * x * 2.0).data().clone();
    dx.data<double>()[4] *= 1.01;
    return Tensor(dx);
  });
  EXPECT_TRUE(contains(verdict(fn, {leaf({2, 3})}), "d out[4] / d input0[4]"));
}

TEST(Gradcheck, RefusesNan) {
  auto fn = square_with([](const Tensor& x, const Tensor& dy) { return dy * x * NAN; });
  EXPECT_TRUE(contains(verdict(fn, {leaf({1})}), "backward says nan"));
}

TEST(Gradcheck, RefusesAWrongShape) {
  auto fn = square_with([](const Tensor& x, const Tensor& dy) { return sum(dy * x * 2.0); });
  EXPECT_NE(verdict(fn, {leaf({2})}), "");
}

TEST(Gradcheck, RefusesAMissingGradient) {
  auto fn = square_with([](const Tensor&, const Tensor&) { return Tensor(); });
  EXPECT_EQ(verdict(fn, {leaf({2})}), "[gradcheck] input 0 got no gradient");
}

TEST(Gradcheck, RefusesAGradientThatChangesFromCallToCall) {
  auto count = std::make_shared<int>(0);
  auto fn = square_with(
      [count](const Tensor& x, const Tensor& dy) { return dy * x * (2 + 1e-9 * ++*count); });
  EXPECT_EQ(verdict(fn, {leaf({2})}), "[gradcheck] a second backward gives input 0 other bits");
}

TEST(Gradcheck, RefusesAGradientThatIsNotProportional) {
  auto fn = square_with([](const Tensor& x, const Tensor& dy) { return dy * x * 2.0 + 1e-6; });
  EXPECT_TRUE(contains(verdict(fn, {leaf({2})}), "[gradcheck] a zero gradient gives input 0 "));
}

TEST(Gradcheck, RefusesAFunctionThatChangesFromCallToCall) {
  auto count = std::make_shared<int>(0);
  EXPECT_EQ(
      verdict([count](const Inputs& in) { return in[0] * (1.0 + 1e-9 * ++*count); }, {leaf({2})}),
      "[gradcheck] the function gives other values when called again");
}

TEST(Gradcheck, TakesF64LeavesOnly) {
  Tensor single(random_array({2}), true);
  auto fn = [](const Inputs& in) { return square(in[0]); };
  EXPECT_EQ(verdict(fn, {single}), "[gradcheck] expected leaves of f64, got f32");
  EXPECT_EQ(verdict(fn, {Tensor(random_array({2}, DType::f64))}),
            "[gradcheck] the result does not require a gradient");
}

TEST(Gradcheck, LeavesConstantsAlone) {
  Tensor constant(random_array({2}, DType::f64));
  EXPECT_EQ(verdict([](const Inputs& in) { return in[0] * in[1]; }, {leaf({2}), constant}), "");
  EXPECT_FALSE(constant.grad().defined());
}

}  // namespace
}  // namespace tessera
