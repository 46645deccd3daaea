#include "autograd/ops/creation.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;
using test::Values;

Values values(const Tensor& x) { return test::doubles(x.data()); }

TEST(TensorCreation, FillsShapes) {
  EXPECT_EQ(values(zeros({2})), (Values{0, 0}));
  EXPECT_EQ(values(ones({2}, DType::i32)), (Values{1, 1}));
  EXPECT_EQ(empty({2, 3}).shape(), (Dims{2, 3}));
  EXPECT_EQ(values(full({2}, 3.5)), (Values{3.5, 3.5}));
  EXPECT_EQ(full({}, 3.5).dtype(), DType::f32);
  EXPECT_EQ(full({}, 3).dtype(), DType::i64);
  EXPECT_EQ(full({}, true).dtype(), DType::boolean);
  EXPECT_EQ(full({}, 3, DType::bf16).dtype(), DType::bf16);
  EXPECT_EQ(error_of([] { zeros({-1}); }), "[zeros] negative size in shape (-1,)");
  EXPECT_EQ(error_of([] { ones({-1}); }), "[ones] negative size in shape (-1,)");
  EXPECT_EQ(error_of([] { empty({2, -1}); }), "[empty] negative size in shape (2, -1)");
  EXPECT_EQ(error_of([] { full({-1}, 2); }), "[full] negative size in shape (-1,)");
  EXPECT_EQ(error_of([] { full({2}, -1, DType::u8); }),
            "[full] expected a number that u8 holds, got -1");
  EXPECT_EQ(error_of([] {
              tensor({1, 300}, DType::u8);
            }),
            "[of] expected a number that u8 holds, got 300");
}

TEST(TensorCreation, FillsLikeOthers) {
  Tensor x = zeros({2, 1}, DType::f64);
  x.set_requires_grad(true);
  EXPECT_EQ(ones_like(x).dtype(), DType::f64);
  EXPECT_FALSE(ones_like(x).requires_grad());
  EXPECT_EQ(values(full_like(x, 7, DType::u8)), (Values{7, 7}));
  EXPECT_EQ(zeros_like(x, DType::f32).dtype(), DType::f32);
  EXPECT_EQ(empty_like(x).shape(), x.shape());
}

TEST(TensorCreation, Counts) {
  EXPECT_EQ(values(arange(3)), (Values{0, 1, 2}));
  EXPECT_EQ(arange(3).dtype(), DType::i64);
  EXPECT_EQ(arange(2.5).dtype(), DType::f32);
  EXPECT_EQ(arange(3, DType::f64).dtype(), DType::f64);
  EXPECT_EQ(values(arange(1, 7, 2)), (Values{1, 3, 5}));
  EXPECT_EQ(values(linspace(0, 1, 3)), (Values{0, 0.5, 1}));
  EXPECT_EQ(values(logspace(0, 2, 3)), (Values{1, 10, 100}));
  EXPECT_EQ(values(eye(2)), (Values{1, 0, 0, 1}));
  EXPECT_EQ(values(tri(2, 3, 1)), (Values{1, 1, 0, 1, 1, 1}));
}

TEST(TensorCreation, TakesListsVectorsAndSpans) {
  EXPECT_EQ(tensor({{1, 2}, {3, 4}}).shape(), (Dims{2, 2}));
  EXPECT_EQ(tensor({1, 2.5}).dtype(), DType::f32);
  EXPECT_EQ(tensor({1, 2}, DType::i32).dtype(), DType::i32);
  EXPECT_EQ(tensor(4).shape(), (Dims{}));
  std::vector<double> numbers{1, 2, 3, 4};
  EXPECT_EQ(tensor(numbers).shape(), (Dims{4}));
  EXPECT_EQ(values(tensor(numbers, {2, 2})), numbers);
  EXPECT_EQ(tensor(numbers).dtype(), DType::f64);
  std::span<const double> tail = std::span(numbers).subspan(2);
  EXPECT_EQ(values(tensor(tail, {2})), (Values{3, 4}));
  EXPECT_EQ(error_of([&] { tensor(numbers, {3}); }),
            "[from] expected 3 values for shape (3,), got 4");
}

TEST(TensorCreation, MakesLeavesThatLearn) {
  Tensor w = tensor({{1.0, 2.0}, {3.0, 4.0}});
  w.set_requires_grad(true);
  sum(tril(w) * w).backward();
  EXPECT_EQ(values(w.grad()), (Values{2, 0, 6, 8}));
}

}  // namespace
}  // namespace tessera
