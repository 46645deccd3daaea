#include "autograd/ops/random_fill.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "autograd/record.h"
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

double mean_of(const Values& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double median_of(Values values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

TEST(RandomFill, FillsHaveTheirDistributions) {
  manual_seed(1);
  for (DType dtype : test::kFloating) {
    SCOPED_TRACE(fmt::format("{}", dtype));
    Tensor x(Array::zeros({200, 100}, dtype));
    double half = std::sqrt(1 / 20000.0);  // of a variance of 1
    Values uniform = values(uniform_(x, -1, 3));
    EXPECT_NEAR(mean_of(uniform), 1, 10 * half);
    EXPECT_LT(*std::max_element(uniform.begin(), uniform.end()), 3);
    EXPECT_GE(*std::min_element(uniform.begin(), uniform.end()), -1);
    EXPECT_NEAR(mean_of(values(normal_(x, 2, 3))), 2, 20 * half);
    EXPECT_NEAR(mean_of(values(exponential_(x, 0.5))), 2, 12 * half);
    EXPECT_NEAR(median_of(values(log_normal_(x, 1, 0.5))), std::exp(1), 0.1);
    EXPECT_NEAR(median_of(values(cauchy_(x, -4, 2))), -4, 0.2);
    EXPECT_NEAR(mean_of(values(geometric_(x, 0.25))), 4, 30 * half);
    EXPECT_NEAR(mean_of(values(bernoulli_(x, 0.3))), 0.3, 5 * half);
    EXPECT_NEAR(mean_of(values(random_(x, 10))), 4.5, 20 * half);
    EXPECT_EQ(x.dtype(), dtype);
  }
}

TEST(RandomFill, IsAFunctionOfTheStreamAlone) {
  auto drawn = [](const Tensor& x, int threads) {
    test::Threads guard(threads);
    context().random.begin(7, 1, 2);
    normal_(x);
    uniform_(narrow(x, 0, 0, 10));
    return values(x);
  };
  Tensor row_major = zeros({70, 300});
  Tensor transposed = transpose(zeros({300, 70}), 0, 1);
  Values expected = drawn(row_major, 1);
  for (int threads : test::kThreadCounts) EXPECT_EQ(drawn(row_major, threads), expected);
  EXPECT_EQ(drawn(transposed, 2), expected);
  context().random.begin(7, 1, 3);
  EXPECT_NE(values(normal_(row_major)), expected);
}

TEST(RandomFill, IntegersStayInsideTheirRange) {
  manual_seed(3);
  Tensor bytes(Array::zeros({5000}, DType::u8));
  Values drawn = values(random_(bytes));
  EXPECT_EQ(*std::min_element(drawn.begin(), drawn.end()), 0);
  EXPECT_EQ(*std::max_element(drawn.begin(), drawn.end()), 255);
  Tensor flags(Array::zeros({100}, DType::boolean));
  EXPECT_NEAR(mean_of(values(random_(flags))), 0.5, 0.25);
  Tensor wide(Array::zeros({1000}, DType::i64));
  random_(wide);
  EXPECT_TRUE(all(wide >= 0).item<bool>());
  EXPECT_GT(mean_of(values(wide)), 0x1p61);
  // 16 bits lack most integers of the range: those they have, no one outside.
  Tensor half(Array::zeros({5000}, DType::f16));
  Values some = values(random_(half, 4097, 5000));
  EXPECT_GE(*std::min_element(some.begin(), some.end()), 4100);
  EXPECT_LE(*std::max_element(some.begin(), some.end()), 4996);
  drawn = values(random_(half));
  EXPECT_LE(*std::max_element(drawn.begin(), drawn.end()), 2048);
  EXPECT_EQ(values(geometric_(Tensor(Array::zeros({1}, DType::u8)), 1e-9)), (Values{255}));
}

TEST(RandomFill, GivesWhatWasThereAGradientOfZeros) {
  Tensor x = floats({1, 2});
  Tensor y = x * 1;
  normal_(y);
  (y * 3).backward(Tensor(Array::full({2}, 1, DType::f64)));
  EXPECT_EQ(values(x.grad()), (Values{0, 0}));
  EXPECT_TRUE(contains(error_of([&] { uniform_(x); }), "[uniform_] a leaf"));
  NoGrad no_grad;
  uniform_(x);
  EXPECT_EQ(x.version(), 1u);
}

TEST(RandomFill, ProbabilitiesBroadcast) {
  manual_seed(2);
  Tensor x(Array::zeros({20000, 3}, DType::i32));
  bernoulli_(x, of(DType::f32, {0, 0.25, 1}));
  EXPECT_EQ(mean_of(values(select(x, 1, 0))), 0);
  EXPECT_NEAR(mean_of(values(select(x, 1, 1))), 0.25, 0.016);
  EXPECT_EQ(mean_of(values(select(x, 1, 2))), 1);
}

TEST(RandomFill, NamesWhatItCannotTake) {
  Tensor x = zeros({3});
  Tensor i(Array::zeros({3}, DType::i64));
  for (auto* fill :
       {+[](const Tensor& t) { uniform_(t); }, +[](const Tensor& t) { normal_(t); },
        +[](const Tensor& t) { exponential_(t); }, +[](const Tensor& t) { cauchy_(t); },
        +[](const Tensor& t) { log_normal_(t); }}) {
    EXPECT_TRUE(
        contains(error_of([&] { fill(i); }), "expected a tensor of a floating dtype, got i64"));
  }
  EXPECT_EQ(error_of([&] { uniform_(x, 2, 1); }),
            "[uniform_] expected finite from <= to, got 2 and 1");
  EXPECT_TRUE(contains(error_of([&] { uniform_(x, -3e38, 3e38); }), "[uniform_]"));
  EXPECT_TRUE(contains(error_of([&] { uniform_(to(x, DType::f16), 0, 1e5); }), "f16 holds"));
  EXPECT_EQ(error_of([&] { normal_(x, 0, -1); }), "[normal_] expected a std of at least 0, got -1");
  EXPECT_EQ(error_of([&] { exponential_(x, 0); }), "[exponential_] expected a rate above 0, got 0");
  EXPECT_EQ(error_of([&] { cauchy_(x, 0, NAN); }), "[cauchy_] expected a sigma above 0, got nan");
  EXPECT_EQ(error_of([&] { log_normal_(x, 0, 0); }), "[log_normal_] expected a std above 0, got 0");
  EXPECT_EQ(error_of([&] { geometric_(x, 1); }),
            "[geometric_] expected a probability in (0, 1), got 1");
  EXPECT_EQ(error_of([&] { bernoulli_(x, 1.5); }),
            "[bernoulli_] expected a probability in [0, 1], got 1.5");
  EXPECT_TRUE(contains(error_of([&] {
                         bernoulli_(x, of(DType::f32, {0, 2, 1}));
                       }),
                       "got 2 at 1 of (3,)"));
  EXPECT_TRUE(contains(error_of([&] { bernoulli_(x, zeros({2, 3})); }), "broadcast to (3,)"));
  EXPECT_TRUE(contains(error_of([&] { bernoulli_(x, i); }), "floating probabilities, got i64"));
  EXPECT_EQ(error_of([&] { random_(i, 3, 3); }), "[random_] expected from < to, got 3 and 3");
  Tensor bytes(Array::zeros({3}, DType::u8));
  EXPECT_TRUE(contains(error_of([&] { random_(bytes, 0, 300); }), "u8 holds, got 299"));
  EXPECT_TRUE(contains(error_of([&] { random_(bytes, -1, 3); }), "u8 holds, got -1"));
  EXPECT_TRUE(contains(error_of([&] { random_(Tensor(Array::zeros({1}, DType::boolean)), 3); }),
                       "within [0, 2) for bool"));
  EXPECT_TRUE(contains(error_of([&] { random_(to(x, DType::f16), 100000); }), "f16 holds"));
  EXPECT_TRUE(contains(error_of([&] { normal_(expand(zeros({1}), {3})); }), "share memory"));
}

}  // namespace
}  // namespace tessera
