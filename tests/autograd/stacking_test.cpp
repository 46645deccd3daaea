// Stacking, splitting, diagonals: what the table and PyTorch's values do not show.
#include "autograd/ops/stacking.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::floats;
using test::of;
using test::Values;

Values values(const Tensor& x) { return doubles(x.data()); }

TEST(Clone, HasMemoryOfItsOwnAndPassesTheGradient) {
  Tensor x = floats({1, 2, 3});
  Tensor y = clone(x);
  EXPECT_NE(y.data().storage(), x.data().storage());
  EXPECT_TRUE(clone(expand(x, {2, 3})).data().is_contiguous());
  sum(y * y).backward();
  EXPECT_EQ(values(x.grad()), (Values{2, 4, 6}));
  for (DType dtype : test::kDTypes) EXPECT_EQ(clone(of(dtype, {1})).dtype(), dtype);
}

TEST(Stacking, NamesWhatDoesNotFit) {
  EXPECT_EQ(error_of([] { hstack({}); }), "[hstack] expected at least one tensor, got none");
  EXPECT_EQ(error_of([] { vstack({Tensor()}); }),
            "[vstack] expected tensors, got an undefined one at 0");
  EXPECT_EQ(error_of([] {
              hstack({zeros({2}), zeros({2, 2})});
            }),
            "[hstack] expected one shape but for dim 0, got (2,) and (2, 2)");
  EXPECT_EQ(error_of([] {
              vstack({zeros({2, 2}), zeros({2, 3})});
            }),
            "[vstack] expected one shape but for dim 0, got (2, 2) and (2, 3)");
  EXPECT_EQ(error_of([] {
              dstack({zeros({2}), zeros({3})});
            }),
            "[dstack] expected one shape but for dim 2, got (1, 2, 1) and (1, 3, 1)");
  EXPECT_EQ(error_of([] {
              column_stack({zeros({2}), zeros({3})});
            }),
            "[column_stack] expected one shape but for dim 1, got (2, 1) and (3, 1)");
}

TEST(Stacking, ViewsShareElements) {
  Tensor x = zeros({5});
  tensor_split(x, 2)[1][0] = 7;
  tensor_split(x, Dims{1, 3})[0] += 1;
  EXPECT_EQ(values(x), (Values{1, 0, 0, 7, 0}));
  EXPECT_EQ(tensor_split(x, {2}).size(), 2u);
  EXPECT_EQ(values(tensor_split(x, of(DType::i64, {1, 3}))[1]), (Values{0, 0}));
  EXPECT_EQ(tensor_split(x, Tensor(Array::scalar(3, DType::i64))).size(), 3u);
  EXPECT_EQ(error_of([&] { tensor_split(x, of(DType::f32, {1})); }),
            "[tensor_split] expected sections or indices of i64 and at most one dim, got f32 of "
            "shape (1,)");
  EXPECT_EQ(error_of([&] { tensor_split(x, 0); }),
            "[tensor_split] expected at least 1 section, got 0");
  EXPECT_TRUE(contains(error_of([] { tensor_split(zeros({}), 2); }), "[tensor_split]"));
  EXPECT_TRUE(broadcast_tensors({}).empty());
  EXPECT_TRUE(contains(error_of([] {
                         broadcast_tensors({zeros({2}), zeros({3})});
                       }),
                       "[broadcast_tensors]"));
  EXPECT_EQ(broadcast_tensors({x, zeros({2, 1})})[0].data().storage(), x.data().storage());
}

TEST(Meshgrid, ChecksItsVectors) {
  EXPECT_EQ(error_of([] { meshgrid({}); }), "[meshgrid] expected at least one tensor, got none");
  EXPECT_EQ(error_of([] {
              meshgrid({zeros({2, 2})});
            }),
            "[meshgrid] expected tensors of at most one dim, got shape (2, 2)");
  EXPECT_TRUE(contains(error_of([] {
                         meshgrid({of(DType::f32, {1}), of(DType::f64, {1})});
                       }),
                       "[meshgrid] expected one dtype"));
}

TEST(RepeatInterleave, ChecksItsCounts) {
  Tensor x = floats({1, 2, 3});
  EXPECT_EQ(values(repeat_interleave(x, Tensor(Array::scalar(2, DType::i64)))),
            (Values{1, 1, 2, 2, 3, 3}));
  EXPECT_NE(repeat_interleave(x, 1).data().storage(), x.data().storage());
  EXPECT_EQ(values(repeat_interleave(x, of(DType::i32, {1, 0, 2}), 0, 3)), (Values{1, 3, 3}));
  EXPECT_EQ(error_of([&] { repeat_interleave(x, -1); }),
            "[repeat_interleave] expected repeats of at least 0, got -1");
  EXPECT_TRUE(contains(error_of([&] {
                         repeat_interleave(x, of(DType::i64, {1, -2, 3}));
                       }),
                       "got -2 at 1"));
  EXPECT_EQ(error_of([&] {
              repeat_interleave(x, of(DType::i64, {1, 2}));
            }),
            "[repeat_interleave] expected 1 or 3 repeats for dim 0 of (3,), got 2");
  EXPECT_EQ(error_of([&] {
              repeat_interleave(x, of(DType::f32, {1, 2, 3}));
            }),
            "[repeat_interleave] expected repeats of i64 or i32, got f32");
  EXPECT_EQ(error_of([&] {
              repeat_interleave(x, of(DType::i64, {1, 0, 2}), 0, 4);
            }),
            "[repeat_interleave] expected the sum of repeats as output_size, 3, got 4");
  EXPECT_EQ(repeat_interleave(x, 2, 0, 6).numel(), 6);
  EXPECT_TRUE(contains(error_of([&] { repeat_interleave(x, 2, 0, 5); }), "output_size, 6, got 5"));
  EXPECT_TRUE(contains(error_of([&] { repeat_interleave(x, INT64_MAX); }), "fits into memory"));
  EXPECT_TRUE(contains(error_of([&] {
                         repeat_interleave(x, of(DType::i64, {9e18, 9e18, 1}));
                       }),
                       "fit into memory"));
  EXPECT_TRUE(contains(error_of([&] { repeat_interleave(x, 2, 1); }), "[repeat_interleave]"));
}

TEST(Rot90AndDiff, NameWhatDoesNotFit) {
  EXPECT_TRUE(contains(error_of([] { rot90(zeros({2})); }), "[rot90] expected two dims"));
  EXPECT_EQ(error_of([] {
              rot90(zeros({2, 2}), 1, {0, -2});
            }),
            "[rot90] expected two different dims, got (0, -2)");
  Tensor x = zeros({2, 2});
  EXPECT_NE(rot90(x, 0).data().storage(), x.data().storage());
  EXPECT_EQ(values(rot90(Tensor(Array::arange(4).view({2, 2})), -5)), (Values{2, 0, 3, 1}));
  EXPECT_EQ(error_of([] { diff(zeros({})); }),
            "[diff] expected at least one dim, got a 0-d tensor");
  EXPECT_EQ(error_of([] { diff(zeros({2}), -1); }),
            "[diff] expected an order of at least 0, got -1");
  EXPECT_EQ(error_of([] { diff(zeros({2}), 1, 0, zeros({})); }),
            "[diff] expected one shape but for dim 0, got () and (2,)");
  EXPECT_EQ(values(diff(of(DType::boolean, {1, 0, 0}))), (Values{1, 0}));
  EXPECT_EQ(values(diff(of(DType::u8, {3, 1}))), (Values{254}));
  EXPECT_EQ(diff(of(DType::i64, {1, 2}), 1, 0, of(DType::f32, {1.5})).dtype(), DType::f32);
}

TEST(Diagonals, NameWhatDoesNotFit) {
  EXPECT_EQ(error_of([] { diag(zeros({})); }),
            "[diag] expected a vector or a matrix, got shape ()");
  EXPECT_EQ(error_of([] { diag_embed(zeros({})); }),
            "[diag_embed] expected at least one dim, got a 0-d tensor");
  EXPECT_EQ(error_of([] { diag_embed(zeros({2}), 0, 1, -1); }),
            "[diag_embed] expected two different dims, got 1 and -1");
  EXPECT_TRUE(contains(error_of([] { diag_embed(zeros({2}), INT64_MIN); }), "fits into memory"));
  Tensor x = zeros({2, 2});
  EXPECT_NE(diag(x).data().storage(), x.data().storage());
  EXPECT_EQ(error_of([] { tril_indices(-1, 2); }),
            "[tril_indices] expected numbers of rows and columns of at least 0, got -1 and 2");
  EXPECT_EQ(error_of([] { triu_indices(1, 2, 0, DType::f32); }),
            "[triu_indices] expected i64 or i32, got f32");
  EXPECT_EQ(tril_indices(2, 2, INT64_MAX).shape(), (Dims{2, 4}));
  EXPECT_EQ(triu_indices(2, 2, INT64_MAX).shape(), (Dims{2, 0}));
}

TEST(WrittenParts, NameWhatDoesNotFit) {
  Tensor x = zeros({2, 3});
  EXPECT_EQ(error_of([&] { select_scatter(x, zeros({1}), 1, 0); }),
            "[select_scatter] expected a source of shape (2,), got (1,)");
  EXPECT_EQ(error_of([&] { select_scatter(x, zeros({2}), 1, 3); }),
            "[select_scatter] expected an index in [-3, 3) for dim 1 of (2, 3), got 3");
  EXPECT_EQ(error_of([&] {
              slice_scatter(x, zeros({2, 1}), 1);
            }),
            "[slice_scatter] expected a source of shape (2, 3), got (2, 1)");
  EXPECT_EQ(error_of([&] {
              slice_scatter(x, zeros({2, 1}), 1, 0, 1, 0);
            }),
            "[slice_scatter] expected a step of at least 1, got 0");
  EXPECT_EQ(error_of([&] { diagonal_scatter(x, zeros({1}), 1); }),
            "[diagonal_scatter] expected a source of shape (2,), got (1,)");
  EXPECT_TRUE(contains(error_of([&] { diagonal_scatter(x, zeros({1}), 1, 0, 0); }),
                       "[diagonal_scatter] expected two different dims"));
  EXPECT_EQ(values(select_scatter(of(DType::i64, {1, 2}), Tensor(Array::scalar(7.5)), 0, 0)),
            (Values{7, 2}));
}

}  // namespace
}  // namespace tessera
