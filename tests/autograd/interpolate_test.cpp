// What the table of op cases does not reach of interpolate.
#include "autograd/ops/interpolate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::Values;

TEST(Interpolate, AWeightOfZeroLeavesTheElementOut) {
  constexpr double kInf = HUGE_VAL;
  Tensor x(Array::from<float>({1, HUGE_VALF}, {1, 1, 2}), true);
  Tensor y = interpolate(x, {2}, Interpolation::linear, true);
  EXPECT_EQ(doubles(y.data()), (Values{1, kInf}));
  y.backward(Tensor(Array::full({1, 1, 2}, 1)));
  EXPECT_EQ(doubles(x.grad().data()), (Values{1, 1}));
  // The taps of a gradient, which may be infinite as well.
  Tensor dy(Array::from<float>({HUGE_VALF, 2}, {1, 1, 2}));
  x.set_grad({});
  interpolate(x, {2}, Interpolation::linear, true).backward(dy);
  EXPECT_EQ(doubles(x.grad().data()), (Values{kInf, 2}));
  Tensor image(Array::from<double>({1, kInf, 2, 3}, {1, 1, 2, 2}));
  for (Interpolation mode : {Interpolation::bilinear, Interpolation::bicubic}) {
    EXPECT_EQ(doubles(interpolate(image, {2, 2}, mode, true).data()), (Values{1, kInf, 2, 3}));
    EXPECT_EQ(doubles(interpolate(image, {2, 2}, mode).data()), (Values{1, kInf, 2, 3}));
  }
  // Beyond the last element there is that element.
  Tensor wide = interpolate(x, {4}, Interpolation::linear);
  EXPECT_EQ(doubles(wide.data()), (Values{1, kInf, kInf, kInf}));
}

}  // namespace
}  // namespace tessera
