#include "autograd/ops/shape.h"

#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::random_array;

TEST(To, ConvertsTheGradientBack) {
  for (DType dtype : {DType::bf16, DType::f16, DType::f64}) {
    Tensor x(random_array({10}), true);
    Tensor y = to(x, dtype);
    EXPECT_EQ(y.dtype(), dtype);
    sum(to(y, DType::f32) * 3.0).backward();
    EXPECT_EQ(x.grad().dtype(), DType::f32);
    EXPECT_EQ(doubles(x.grad().data()), std::vector<double>(10, 3));
  }
}

TEST(To, GivesItselfForTheSameDtype) {
  Tensor x(random_array({10}), true);
  EXPECT_EQ(to(x, DType::f32).shared(), x.shared());
}

TEST(To, AnIntegerIsAConstant) {
  Tensor x(Array::from(std::vector<double>{1.5, -2.5}, {2}), true);
  Tensor whole = to(x, DType::i64);
  EXPECT_FALSE(whole.requires_grad());
  EXPECT_EQ(whole.data().to_vector<int64_t>(), (std::vector<int64_t>{1, -2}));
}

TEST(Shape, ViewsShareTheElements) {
  Tensor x(random_array({2, 3, 4}));
  for (const Tensor& y :
       {reshape(x, {6, 4}), transpose(x, 0, 2), permute(x, {1, 2, 0}), slice(x, 1, 0, 2),
        select(x, 0, 1), unsqueeze(x, 0), squeeze(x, 1), expand(x, {5, -1, -1, -1})}) {
    EXPECT_EQ(y.data().storage(), x.data().storage());
  }
}

TEST(Slice, PutsTheGradientBackAmongZeros) {
  Tensor x(random_array({5}, DType::f64), true);
  sum(slice(x, 0, 1, 5, 2) * 2.0).backward();
  EXPECT_EQ(doubles(x.grad().data()), (std::vector<double>{0, 2, 0, 2, 0}));
}

TEST(Shape, ZeroDimsCountAsOne) {
  Tensor x(Array::scalar(3, DType::f64), true);
  auto keeps = [&](const char* what, const Tensor& y, const Dims& shape = {}) {
    SCOPED_TRACE(what);
    EXPECT_EQ(y.shape(), shape);
    EXPECT_EQ(doubles(y.data()), std::vector<double>{3});
    Tensor dx = grad({y}, {x})[0];
    EXPECT_EQ(dx.shape(), Dims{});
    EXPECT_EQ(doubles(dx.data()), std::vector<double>{1});
  };
  keeps("squeeze", squeeze(x, 0));
  keeps("squeeze", squeeze(x, -1));
  keeps("squeeze of dims", squeeze(x, Dims{0}));
  keeps("squeeze of all", squeeze(x));
  keeps("transpose", transpose(x, 0, -1));
  keeps("flip", flip(x, {0}));
  keeps("flip", flip(x, {-1}));
  keeps("flip of none", flip(x, {}));
  keeps("moveaxis", moveaxis(x, {0}, {-1}));
  keeps("permute", permute(x, {}));
  keeps("roll", roll(x, {1}));
  keeps("reshape", reshape(x, {}));
  keeps("flatten", flatten(x, 0, -1), {1});
  keeps("unfold", unfold(x, 0, 1, 1), {1});
  keeps("unsqueeze", unsqueeze(x, -1), {1});
  Array zero = Array::zeros({}, DType::i64);
  keeps("gather", gather(x, 0, zero));
  keeps("index_select", index_select(x, -1, zero.unsqueeze(0)));
  EXPECT_EQ(error_of([&] { squeeze(x, 1); }), "[squeeze] expected a dim in [-1, 1), got 1");
  EXPECT_EQ(error_of([&] { transpose(x, 0, 1); }), "[transpose] expected a dim in [-1, 1), got 1");
  EXPECT_EQ(error_of([&] { flip(x, {0, -1}); }), "[flip] dim 0 is named twice in (0, -1)");
  // As in PyTorch these need a dim.
  EXPECT_NE(error_of([&] { select(x, 0, 0); }), "");
  EXPECT_NE(error_of([&] { unbind(x, 0); }), "");
}

TEST(SumTo, RefusesAShapeThatDidNotGrow) {
  Tensor x(random_array({2, 3}));
  EXPECT_EQ(error_of([&] { sum_to(x, {2}); }), "[sum_to] shapes (2,) and (2, 3) do not broadcast");
  EXPECT_EQ(error_of([&] {
              sum_to(x, {5, 2, 3});
            }),
            "[sum_to] expected a shape that broadcasts to (2, 3), got (5, 2, 3)");
  EXPECT_EQ(error_of([&] {
              sum_to(Tensor(random_array({1, 3})), {2, 3});
            }),
            "[sum_to] expected a shape that broadcasts to (1, 3), got (2, 3)");
}

}  // namespace
}  // namespace tessera
