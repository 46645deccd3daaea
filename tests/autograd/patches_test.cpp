#include "autograd/ops/patches.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::Values;

Values values(const Tensor& x) { return doubles(x.data()); }

TEST(Patches, FoldOfUnfoldCountsTheWindows) {
  Tensor x = ones({1, 1, 3, 3});
  Tensor counts = fold(unfold(x, {2, 2}), {3, 3}, {2, 2});
  EXPECT_EQ(values(counts), (Values{1, 2, 1, 2, 4, 2, 1, 2, 1}));
  EXPECT_EQ(unfold(zeros({0, 2, 3, 3}), {2, 2}).shape(), (Dims{0, 8, 4}));
  // Each list may be one number; an integer dim is the other unfold.
  EXPECT_EQ(unfold(x, {3}, {1}, {1}).shape(), (Dims{1, 9, 9}));
  EXPECT_EQ(unfold(x, 3, 2, 1).shape(), (Dims{1, 1, 3, 2, 2}));
}

TEST(Patches, SumsOf16BitsAreRoundedOnce) {
  // 256 + 1 is 256 in bf16, 256 + 1 + 1 is not.
  Tensor columns = ones({1, 3, 3});
  columns[0][0][2] = 256;
  Tensor sums = fold(to(columns, DType::bf16), {1, 3}, {1, 3}, {1}, {0, 1});
  EXPECT_EQ(values(sums), (Values{2, 258, 2}));
}

TEST(Patches, AgreeWithAConvolution) {
  Tensor x(test::random_array({2, 3, 6, 5}));
  Tensor weight(test::random_array({4, 3, 3, 2}, DType::f32, 2));
  Tensor columns = unfold(x, {3, 2}, {1, 2}, {1, 0}, {2, 1});
  Tensor y = matmul(reshape(weight, {4, 18}), columns);
  Tensor expected = conv2d(x, weight, {}, {2, 1}, {1, 0}, {1, 2});
  EXPECT_TRUE(test::close_to(values(y), values(expected), 1e-5, 1e-5));
}

TEST(Patches, NameWhatDoesNotFit) {
  Tensor x = zeros({1, 1, 2, 2});
  EXPECT_TRUE(contains(error_of([&] {
                         unfold(x, {3, 3});
                       }),
                       "[unfold] expected a kernel that fits into the image of 2 x 2"));
  EXPECT_EQ(error_of([] {
              unfold(zeros({2, 2}), {1, 1});
            }),
            "[unfold] expected x (N, C, H, W) or (C, H, W), got shape (2, 2)");
  EXPECT_EQ(error_of([&] {
              unfold(x, {1, 2}, {1}, {0}, {1, 0});
            }),
            "[unfold] expected a stride of at least 1, got (1, 0)");
  EXPECT_EQ(error_of([&] {
              unfold(x, {1, 2, 3});
            }),
            "[unfold] expected one or two numbers for the kernel, got (1, 2, 3)");
  EXPECT_EQ(error_of([&] { unfold(x, {1}, {1}, {-1}); }),
            "[unfold] expected a padding of at least 0, got (-1,)");
  EXPECT_EQ(error_of([] {
              fold(zeros({1, 4, 2}), {2, 2}, {2, 2});
            }),
            "[fold] expected a multiple of 4 rows and 1 columns, got shape (1, 4, 2)");
  EXPECT_EQ(error_of([] {
              fold(zeros({1, 3, 1}), {2, 2}, {2, 2});
            }),
            "[fold] expected a multiple of 4 rows and 1 columns, got shape (1, 3, 1)");
  EXPECT_TRUE(contains(error_of([] { fold(zeros({4}), {2, 2}, {2, 2}); }), "got shape (4,)"));
}

}  // namespace
}  // namespace tessera
