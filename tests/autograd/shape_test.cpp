#include "autograd/ops/shape.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace tessera
