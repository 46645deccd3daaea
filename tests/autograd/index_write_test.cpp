// Writes by index, reductions by index, and whether tensors are the same.
#include "autograd/ops/index_write.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/ops.h"
#include "tests/support/error_of.h"
#include "tests/support/tensors.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::floats;
using test::grad_of;
using test::of;
using test::Values;

Values values(const Tensor& x) { return doubles(x.data()); }
Tensor at(const Values& indices) { return of(DType::i64, indices); }

TEST(TakeAndPut, NameWhatDoesNotFit) {
  Tensor x = floats({1, 2, 3, 4}, {2, 2});
  EXPECT_TRUE(contains(error_of([&] { take(x, at({4})); }), "[take]"));
  EXPECT_TRUE(contains(error_of([&] { take(zeros({0}), at({0})); }), "[take]"));
  EXPECT_EQ(take(zeros({0}), Tensor(Array::zeros({0, 2}, DType::i64))).shape(), (Dims{0, 2}));
  EXPECT_EQ(error_of([&] { take(x, of(DType::f32, {1})); }),
            "[take] expected an index of i64 or i32, got f32");
  EXPECT_EQ(error_of([&] {
              put(x, at({0, 1}), of(DType::f64, {1}));
            }),
            "[put] expected as many elements of source as of index, got (1,) and (2,)");
  EXPECT_TRUE(contains(error_of([&] { put(x, at({0}), of(DType::f32, {1})); }), "[put]"));
  EXPECT_TRUE(contains(error_of([&] { put(x, at({-5}), of(DType::f64, {1})); }), "[put]"));
  EXPECT_EQ(values(put(x, of(DType::i32, {0, 0}), of(DType::f64, {7, 8}))), (Values{8, 2, 3, 4}));
}

TEST(IndexFill, NamesWhatDoesNotFit) {
  Tensor x = floats({1, 2, 3});
  EXPECT_TRUE(contains(error_of([&] { index_fill(x, 0, at({3}), 1); }), "[index_fill]"));
  EXPECT_EQ(error_of([&] {
              index_fill(x, 0, at({0}), floats({1, 2}));
            }),
            "[index_fill] expected a 0-d value, got one of shape (2,)");
  EXPECT_EQ(error_of([&] { index_fill(of(DType::u8, {1}), 0, at({0}), 300); }),
            "[index_fill] expected a number that u8 holds, got 300");
  EXPECT_EQ(error_of([&] { index_fill(of(DType::i64, {1}), 0, at({0}), 0x1p63); }),
            "[index_fill] expected a number that i64 holds, got 9.223372036854776e+18");
  EXPECT_EQ(error_of([&] {
              index_fill(x, 0, Tensor(Array::zeros({1, 1}, DType::i64)), 1);
            }),
            "[index_fill] expected an index of at most one dim, got shape (1, 1)");
  EXPECT_EQ(index_fill(of(DType::i64, {1}), 0, at({0}), INT64_MAX).item<int64_t>(), INT64_MAX);
  EXPECT_EQ(values(index_fill(of(DType::i64, {1, 2}), 0, at({0}), 1.9)), (Values{1, 2}));
}

TEST(IndexCopyAndMaskedScatter, NameWhatDoesNotFit) {
  Tensor x = floats({1, 2, 3});
  EXPECT_EQ(error_of([&] {
              index_copy(x, 0, at({0, 1}), of(DType::f64, {1}));
            }),
            "[index_copy] expected a source of shape (2,), got (1,)");
  EXPECT_TRUE(
      contains(error_of([&] { index_copy(x, 0, at({0}), of(DType::f32, {1})); }), "[index_copy]"));
  EXPECT_EQ(values(index_copy(x, 0, at({2}), Tensor(Array::scalar(7, DType::f64)))),
            (Values{1, 2, 7}));
  Tensor mask = of(DType::boolean, {1, 0, 1});
  EXPECT_EQ(error_of([&] { masked_scatter(x, mask, of(DType::f64, {1})); }),
            "[masked_scatter] expected at least 2 elements of source, got (1,)");
  EXPECT_EQ(error_of([&] {
              masked_scatter(x, at({1, 0, 1}), x);
            }),
            "[masked_scatter] expected a mask of bool, got i64");
  EXPECT_TRUE(contains(error_of([&] {
                         masked_scatter(x, mask, of(DType::f32, {1, 2}));
                       }),
                       "[masked_scatter]"));
  EXPECT_EQ(masked_scatter(zeros({2, 1}), mask, of(DType::f32, {5, 6, 7, 8})).shape(),
            (Dims{2, 3}));
  Tensor narrow = zeros({1});
  EXPECT_TRUE(contains(error_of([&] {
                         masked_scatter_(narrow, mask, of(DType::f32, {1, 2}));
                       }),
                       "[masked_scatter_] a result of shape (3,)"));
}

TEST(IndexWrites, InPlaceAreRecorded) {
  Tensor x = floats({1, 2, 3});
  Tensor source = floats({7, 8});
  Tensor y = x * 1;
  put_(y, at({0, 1}), source);
  index_fill_(y, 0, at({1}), 5);
  index_copy_(y, 0, at({2}), narrow(source, 0, 0, 1));
  masked_scatter_(y, of(DType::boolean, {0, 1, 0}), source * 2);
  scatter_reduce_(y, 0, at({0}), source, ScatterReduce::sum);
  EXPECT_EQ(values(y), (Values{14, 14, 7}));
  sum(y).backward();
  EXPECT_EQ(values(x.grad()), (Values{0, 0, 0}));
  EXPECT_EQ(values(source.grad()), (Values{5, 0}));
  index_fill_(y, 0, at({0}), Tensor(Array::scalar(1, DType::f64)));
  EXPECT_EQ(values(y), (Values{1, 14, 7}));
}

TEST(ScatterReduceTest, JoinsWithAndWithoutItself) {
  Tensor x = floats({1, 1, -7});
  Tensor index = at({0, 0, 1});
  Tensor source = floats({2, 3, 4});
  auto joined = [&](ScatterReduce how, bool self) {
    return values(scatter_reduce(x, 0, index, source, how, self));
  };
  EXPECT_EQ(joined(ScatterReduce::sum, true), (Values{6, 5, -7}));
  EXPECT_EQ(joined(ScatterReduce::sum, false), (Values{5, 4, -7}));
  EXPECT_EQ(joined(ScatterReduce::mean, false), (Values{2.5, 4, -7}));
  EXPECT_EQ(joined(ScatterReduce::amin, false), (Values{2, 4, -7}));
  EXPECT_EQ(joined(ScatterReduce::amax, true), (Values{3, 4, -7}));
  EXPECT_EQ(joined(ScatterReduce::prod, false), (Values{6, 4, -7}));
  // Means of bf16 and f16 are rounded once: the sum alone would be infinite.
  Tensor large = scatter_reduce(of(DType::f16, {60000}), 0, at({0}), of(DType::f16, {60000}),
                                ScatterReduce::mean);
  EXPECT_EQ(large.item<double>(), 60000);
  EXPECT_EQ(values(scatter_reduce(of(DType::i64, {INT64_MIN, 1}), 0, at({1}), at({3}),
                                  ScatterReduce::amax, false)),
            (Values{-0x1p63, 3}));
}

TEST(ScatterReduceTest, AnElementThatDoesNotCountTakesNoGradient) {
  Tensor x = floats({3, 5});
  Tensor source = floats({3, 1});
  Tensor y = scatter_reduce(x, 0, at({0, 0}), source, ScatterReduce::amax, false);
  EXPECT_EQ(grad_of(x, y), (Values{0, 1}));
  EXPECT_EQ(values(source.grad()), (Values{1, 0}));
}

TEST(ScatterReduceTest, MeansOfManyIn16BitsHaveTheirGradient) {
  Tensor x(Array::zeros({1}, DType::bf16), true);
  Tensor source(Array::full({1023}, 1, DType::bf16), true);
  Tensor index(Array::zeros({1023}, DType::i64));
  Tensor y = scatter_reduce(x, 0, index, source, ScatterReduce::mean);
  y.backward(Tensor(Array::full({1}, 1, DType::bf16)));
  EXPECT_EQ(x.grad().item<double>(), 1.0 / 1024);
  EXPECT_EQ(source.grad()[1022].item<double>(), 1.0 / 1024);
}

TEST(ScatterReduceTest, AnEmptyIndexChangesNothing) {
  Tensor x = floats({1, 2});
  Tensor none(Array::zeros({0}, DType::i64));
  Tensor y = scatter_reduce(x, 0, none, floats({3}), ScatterReduce::mean, false);
  EXPECT_EQ(values(y), (Values{1, 2}));
  EXPECT_NE(y.data().storage(), x.data().storage());
}

TEST(ScatterReduceTest, ProductsWithZerosHaveTheirGradients) {
  auto fn = [](const std::vector<Tensor>& in) {
    return scatter_reduce(in[0], 0, at({0, 0, 1}), in[1], ScatterReduce::prod);
  };
  gradcheck(fn, {floats({2, 0}), floats({0, 3, 4})});
  gradgradcheck(fn, {floats({2, 5}), floats({0, 3, 4})},
                {.step = 1e-5, .atol = 1e-4, .rtol = 1e-3});
  gradcheck(fn, {floats({2, 1}), floats({0, 0, 4})});
  EXPECT_TRUE(contains(error_of([&] {
                         gradgradcheck(fn, {floats({2, 1}), floats({0, 0, 4})});
                       }),
                       "[scatter_reduce] its gradient cannot be differentiated where two zeros"));
}

TEST(ScatterReduceTest, NamesWhatDoesNotFit) {
  Tensor x = floats({1, 2, 3});
  auto sum_of = [&](const Tensor& index, const Tensor& source) {
    return error_of([&] { scatter_reduce(x, 0, index, source, ScatterReduce::sum); });
  };
  EXPECT_TRUE(contains(sum_of(at({5}), floats({1})), "[scatter_reduce]"));
  EXPECT_EQ(sum_of(at({0, 1}), floats({1})),
            "[scatter_reduce] expected an index of at most the sizes of the source, got (2,) for "
            "(1,)");
  EXPECT_EQ(sum_of(at({0}), of(DType::f32, {1})),
            "[scatter_reduce] expected a source of f64, as x is, got f32");
  EXPECT_TRUE(contains(sum_of(at({0}), floats({1}, {1, 1})), "expected a source of 1 dims"));
  Tensor flags = of(DType::boolean, {1, 0});
  EXPECT_EQ(error_of([&] { scatter_reduce(flags, 0, at({0}), flags, ScatterReduce::mean); }),
            "[scatter_reduce] expected numbers for a mean, got bool");
}

TEST(Same, EqualNeedsShapeAndEveryElement) {
  EXPECT_TRUE(equal(of(DType::i64, {1, 2}), of(DType::f32, {1, 2})));
  EXPECT_FALSE(equal(of(DType::i64, {1, 2}), of(DType::f32, {1, 2.5})));
  EXPECT_FALSE(equal(zeros({2}), zeros({2, 1})));
  EXPECT_FALSE(equal(floats({NAN}), floats({NAN})));
  EXPECT_TRUE(equal(floats({0.0}), floats({-0.0})));
  EXPECT_TRUE(equal(zeros({0, 2}), zeros({0, 2})));
}

TEST(Same, AllcloseIsIscloseEverywhere) {
  EXPECT_TRUE(allclose(floats({1, 1e10}), floats({1 + 1e-9, 1e10 + 1})));
  EXPECT_FALSE(allclose(floats({1, 2}), floats({1, 2.1})));
  EXPECT_FALSE(allclose(floats({NAN}), floats({NAN})));
  EXPECT_TRUE(allclose(floats({NAN, HUGE_VAL}), floats({NAN, HUGE_VAL}), 0, 0, true));
  EXPECT_TRUE(allclose(zeros({2, 3}), Tensor(Array::full({}, 1e-9))));
  EXPECT_EQ(error_of([] { allclose(zeros({1}), zeros({1}), -1); }),
            "[allclose] expected rtol and atol >= 0, got -1 and 1e-08");
  EXPECT_TRUE(contains(error_of([] { allclose(zeros({2}), zeros({3})); }), "[allclose]"));
}

TEST(Same, IsinFindsAmongFewAndMany) {
  Tensor many = Tensor(Array::arange(20)) * 2;
  Tensor x = of(DType::i64, {3, 4, 38, 40, -2});
  EXPECT_EQ(values(isin(x, many)), (Values{0, 1, 1, 0, 0}));
  EXPECT_EQ(values(isin(x, many, false, true)), (Values{1, 0, 0, 1, 1}));
  EXPECT_EQ(values(isin(x, at({40, 3}))), (Values{1, 0, 0, 1, 0}));
  EXPECT_EQ(values(isin(x, 4)), (Values{0, 1, 0, 0, 0}));
  EXPECT_EQ(isin(4, many).shape(), Dims{});
  EXPECT_TRUE(isin(4, many).item<bool>());
  EXPECT_EQ(values(isin(of(DType::u8, {1, 44}), 300)), (Values{0, 0}));
  EXPECT_EQ(values(isin(of(DType::boolean, {1, 0}), of(DType::boolean, {1}))), (Values{1, 0}));
  EXPECT_EQ(values(isin(x, zeros({0}))), (Values{0, 0, 0, 0, 0}));
  Tensor nans(Array::full({20}, NAN));
  EXPECT_EQ(values(isin(floats({NAN, 1}), nans)), (Values{0, 0}));
}

}  // namespace
}  // namespace tessera
