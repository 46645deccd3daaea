#include "autograd/in_place.h"

#include <gtest/gtest.h>

#include "autograd/engine.h"
#include "autograd/ops.h"
#include "core/allocator.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;

using test::Values;

Tensor leaf(std::vector<double> values, Dims shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  return Tensor(Array::from(values, shape), true);
}
Tensor constant(std::vector<double> values, Dims shape = {}) {
  return leaf(std::move(values), std::move(shape)).detach();
}
Values grad_of(const Tensor& x) { return doubles(x.grad().data()); }

// self += other, through both ways of writing.
const Tensor& add_to(const Tensor& self, const Tensor& other) {
  return in_place("add_", self, {other}, [&](const Tensor& old) { return old + other; });
}

TEST(InPlace, WritesTheSameMemory) {
  Tensor x = constant({1, 2, 3});
  Array before = x.data();
  add_to(x, constant({10, 20, 30}));
  EXPECT_EQ(doubles(before), (Values{11, 22, 33}));
  EXPECT_EQ(x.version(), 1u);
  EXPECT_FALSE(x.requires_grad());
}

TEST(InPlace, GivesTheTensorTheHistoryOfWhatWasWritten) {
  Tensor a = leaf({1, 2});
  Tensor b = leaf({3, 4});
  Tensor x = a * 2.0;
  add_to(x, b * b);
  EXPECT_EQ(doubles(x.data()), (Values{11, 20}));
  sum(x).backward();
  EXPECT_EQ(grad_of(a), (Values{2, 2}));
  EXPECT_EQ(grad_of(b), (Values{6, 8}));
}

TEST(InPlace, AConstantTakesPartFromThenOn) {
  Tensor x = constant({0, 0});
  Tensor b = leaf({3, 4});
  add_to(x, b);
  EXPECT_TRUE(x.requires_grad());
  sum(x * x).backward();
  EXPECT_EQ(grad_of(b), (Values{6, 8}));
}

TEST(InPlace, MaySaveTheElementsThatItReplaces) {
  Tensor a = leaf({1, 2});
  Tensor x = a * 3.0;
  in_place("square_", x, {}, [](const Tensor& old) { return old * old; });
  sum(x).backward();
  EXPECT_EQ(grad_of(a), (Values{18, 36}));
}

TEST(InPlace, BackwardNamesTheOpThatSavedAndTheOneThatChanged) {
  Tensor a = leaf({1, 2});
  Tensor x = a + 1.0;
  Tensor y = x * x;
  add_to(x, constant({1, 1}));
  EXPECT_EQ(error_of([&] { sum(y).backward(); }),
            "[mul] backward needs a tensor of shape (2,) as it was saved, but [add_] changed it in "
            "place since (version 1, saved at 0)");
}

TEST(InPlace, ASavedResultIsWatchedToo) {
  Tensor a = leaf({1, 2});
  Tensor y = exp(a);
  NoGrad no_grad;
  add_to(y, constant({1, 1}));
  EXPECT_TRUE(contains(error_of([&] {
                         y.backward(constant({1, 1}));
                       }),
                       "[exp] backward needs a tensor of shape (2,)"));
}

TEST(InPlace, WhatNobodySavedMayChange) {
  Tensor a = leaf({1, 2});
  Tensor x = a * 2.0;
  Tensor y = x + 1.0;
  add_to(x, constant({1, 1}));
  sum(y).backward();
  EXPECT_EQ(grad_of(a), (Values{2, 2}));
}

TEST(InPlace, ALeafNeedsNoGrad) {
  Tensor a = leaf({1, 2});
  EXPECT_EQ(error_of([&] {
              add_to(a, constant({1, 1}));
            }),
            "[add_] a leaf that requires a gradient cannot be changed in place while a history is "
            "recorded; use NoGrad");
  EXPECT_TRUE(contains(error_of([&] { add_to(slice(a, 0, 0, 1), constant({1})); }),
                       "[add_] a view of a leaf"));
  EXPECT_EQ(doubles(a.data()), (Values{1, 2}));
  NoGrad no_grad;
  add_to(a, constant({1, 1}));
  EXPECT_EQ(doubles(a.data()), (Values{2, 3}));
  EXPECT_TRUE(a.is_leaf());
}

TEST(InPlace, RefusesElementsThatShareMemory) {
  Tensor x = expand(constant({1}), {3});
  EXPECT_TRUE(contains(error_of([&] {
                         add_to(x, constant({1, 2, 3}));
                       }),
                       "[add_] some elements of the tensor of shape (3,) share memory"));
}

TEST(InPlace, RefusesAResultThatDoesNotFit) {
  Tensor x = constant({1, 2});
  EXPECT_TRUE(contains(error_of([&] {
                         add_to(x, constant({1, 2, 3, 4}, {2, 2}));
                       }),
                       "[add_] a result of shape (2, 2) does not fit"));
  Tensor whole(x.data().to(DType::i64));
  EXPECT_TRUE(
      contains(error_of([&] { in_place("add_", whole, {}, [&](const Tensor&) { return x; }); }),
               "[add_] a result of f64 cannot be stored in a tensor of i64"));
}

TEST(Views, WritingThroughOneReachesTheBase) {
  Tensor a = leaf({1, 2, 3, 4});
  Tensor b = leaf({10, 20});
  Tensor base = a * 2.0;
  Tensor view = slice(base, 0, 1, 4, 2);
  copy_(view, b * 3.0);
  EXPECT_EQ(doubles(base.data()), (Values{2, 30, 6, 60}));
  Tensor weights = constant({1, 2, 3, 4});
  sum(base * weights).backward();
  EXPECT_EQ(grad_of(a), (Values{2, 0, 6, 0}));
  EXPECT_EQ(grad_of(b), (Values{6, 12}));
}

TEST(Views, WritingTheBaseReachesItsViews) {
  Tensor a = leaf({1, 2, 3, 4});
  Tensor base = a * 2.0;
  Tensor view = select(reshape(base, {2, 2}), 0, 1);
  add_to(base, a * a);
  EXPECT_EQ(doubles(view.data()), (Values{15, 24}));
  sum(view).backward();
  EXPECT_EQ(grad_of(a), (Values{0, 0, 8, 10}));
}

TEST(Views, WritingThroughOneReachesItsSiblings) {
  Tensor a = leaf({1, 2, 3, 4});
  Tensor base = a * 1.0;
  Tensor matrix = reshape(base, {2, 2});
  Tensor column = select(matrix, 1, 0);
  Tensor row = select(matrix, 0, 0);
  Tensor wide = expand(select(matrix, 0, 0), {3, 2});
  in_place("mul_", column, {}, [](const Tensor& old) { return old * 10.0; });
  EXPECT_EQ(doubles(row.data()), (Values{10, 2}));
  sum(row * constant({1, 2})).backward({}, /*retain_graph=*/true);
  EXPECT_EQ(grad_of(a), (Values{10, 2, 0, 0}));
  a.set_grad({});
  sum(wide).backward();
  EXPECT_EQ(grad_of(a), (Values{30, 3, 0, 0}));
}

TEST(Views, AConstantBaseTakesPartFromThenOn) {
  Tensor base = constant({0, 0, 0});
  Tensor b = leaf({5});
  copy_(slice(base, 0, 1, 2), b * 2.0);
  EXPECT_TRUE(base.requires_grad());
  sum(base * base).backward();
  EXPECT_EQ(grad_of(b), (Values{40}));
}

TEST(Views, OfStridedBasesKeepTheirPlace) {
  Tensor a = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  Tensor base = transpose(a * 1.0, 0, 1);
  copy_(select(base, 0, 1), constant({7, 8}));
  EXPECT_EQ(doubles(base.data()), (Values{1, 4, 7, 8, 3, 6}));
  sum(base * base).backward();
  EXPECT_EQ(grad_of(a), (Values{2, 0, 6, 8, 0, 12}));
}

TEST(Views, WritesCanBeDifferentiatedTwice) {
  Tensor a = leaf({1, 2, 3});
  Tensor base = a * a;
  Tensor view = slice(base, 0, 0, 2);
  in_place("mul_", view, {}, [&](const Tensor& old) { return old * slice(a, 0, 0, 2); });
  // sum = a0^3 + a1^3 + a2^2
  Tensor first = grad({sum(base)}, {a}, {}, {.create_graph = true})[0];
  EXPECT_EQ(doubles(first.data()), (Values{3, 12, 6}));
  EXPECT_EQ(doubles(grad({sum(first)}, {a})[0].data()), (Values{6, 12, 2}));
}

TEST(Views, DoNotKeepTheirGraphAliveInACircle) {
  int64_t before = allocator::stats().current_bytes;
  {
    Tensor a = leaf(Values(1000, 1.0));
    Tensor base = a * a;
    Tensor view = slice(base, 0, 0, 500);
    Tensor saved = view * view;
    copy_(view, saved);
    add_to(base, base * base);
  }
  EXPECT_EQ(allocator::stats().current_bytes, before);
}

TEST(Copy, ConvertsAndBroadcastsAndTakesItsOwnElements) {
  Tensor x = constant({1, 2, 3, 4});
  copy_(slice(x, 0, 1, 4), slice(x, 0, 0, 3));
  EXPECT_EQ(doubles(x.data()), (Values{1, 1, 2, 3}));
  copy_(x, Tensor(Array::scalar(7, DType::i64)));
  EXPECT_EQ(doubles(x.data()), (Values{7, 7, 7, 7}));
  EXPECT_TRUE(contains(error_of([&] { copy_(x, constant({1, 2, 3})); }), "(3,)"));
}

TEST(InferenceMode, ResultsCannotBeRecordedLater) {
  Tensor made;
  {
    InferenceMode inference;
    made = constant({1, 2}) * 2.0;
  }
  Tensor a = leaf({1, 2});
  EXPECT_TRUE(contains(error_of([&] { made* a; }),
                       "[mul] a tensor made in inference mode cannot take part in a recorded"));
  EXPECT_TRUE(contains(error_of([&] { add_to(made, constant({1, 1})); }), "[add_] a tensor made"));
  EXPECT_EQ(doubles((made * constant({2, 2})).data()), (Values{4, 8}));
}

TEST(Detach, InPlaceForgetsTheHistory) {
  Tensor a = leaf({1, 2});
  Tensor x = a * 2.0;
  x.detach_();
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(x.requires_grad());
  EXPECT_TRUE(contains(error_of([&] { slice(a * 2.0, 0, 0, 1).detach_(); }), "[detach_] a view"));
}

}  // namespace
}  // namespace tessera
