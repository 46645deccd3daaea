#include "autograd/ops/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "autograd/ops.h"
#include "core/kernels.h"
#include "core/kernels/random.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::kThreadCounts;
using test::same_bits;

using test::Values;

Values of(const Tensor& x) { return doubles(x.data()); }

double mean_of(const Values& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double std_of(const Values& values) {
  double mean = mean_of(values);
  double sum = 0;
  for (double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST(Random, IntegersCoverTheirRangeEvenly) {
  manual_seed(1);
  Tensor x = randint(-3, 4, {70000});
  EXPECT_EQ(x.dtype(), DType::i64);
  std::vector<int> counts(7);
  for (double value : of(x)) {
    ASSERT_GE(value, -3);
    ASSERT_LT(value, 4);
    ++counts[static_cast<size_t>(value + 3)];
  }
  // Five standard deviations of a count around its mean of 10,000.
  for (int count : counts) EXPECT_NEAR(count, 10000, 470);
  EXPECT_EQ(randint(0, 2, {3}, DType::u8).dtype(), DType::u8);
  EXPECT_EQ(of(randint(INT64_MIN, INT64_MIN + 1, {2})), (Values(2, -9223372036854775808.0)));
  EXPECT_EQ(error_of([] { randint(3, 3, {2}); }), "[randint] expected low < high, got 3 and 3");
}

TEST(Random, PermutationsHoldEveryNumberOnce) {
  manual_seed(1);
  for (int64_t count : {0, 1, 2, 1000}) {
    Values values = of(randperm(count));
    std::sort(values.begin(), values.end());
    EXPECT_EQ(values, doubles(Array::arange(count)));
  }
  EXPECT_NE(of(randperm(1000)), of(randperm(1000)));
  EXPECT_EQ(error_of([] { randperm(-1); }), "[randperm] expected a count of at least 0, got -1");
}

TEST(Random, BernoulliFollowsEachProbability) {
  manual_seed(2);
  Tensor p(Array::from<float>({0, 0.25F, 1}, {3}));
  Tensor draws = bernoulli(expand(p, {20000, 3}));
  EXPECT_EQ(draws.dtype(), DType::f32);
  EXPECT_EQ(mean_of(of(select(draws, 1, 0))), 0);
  EXPECT_NEAR(mean_of(of(select(draws, 1, 1))), 0.25, 0.016);
  EXPECT_EQ(mean_of(of(select(draws, 1, 2))), 1);
  EXPECT_EQ(error_of([] { bernoulli(Array::full({2}, 1.5)); }),
            "[bernoulli] expected probabilities in [0, 1], got 1.5 at 0 of (2,)");
  EXPECT_EQ(error_of([] { bernoulli(Array::full({}, NAN)); }),
            "[bernoulli] expected probabilities in [0, 1], got nan at 0 of ()");
}

TEST(Random, NormalAndExponentialHaveTheirMoments) {
  manual_seed(3);
  Values x = of(normal(2, 3, {100000}));
  EXPECT_NEAR(mean_of(x), 2, 0.05);
  EXPECT_NEAR(std_of(x), 3, 0.05);
  Values y = of(exponential(4, {100000}, DType::f64));
  EXPECT_NEAR(mean_of(y), 0.25, 0.005);
  EXPECT_NEAR(std_of(y), 0.25, 0.01);
  EXPECT_GE(*std::min_element(y.begin(), y.end()), 0);
  Tensor means(Array::from<float>({-5, 5}, {2}));
  Tensor z = normal(expand(means, {50000, 2}), Array::full({}, 2));
  EXPECT_NEAR(mean_of(of(select(z, 1, 0))), -5, 0.05);
  EXPECT_NEAR(std_of(of(select(z, 1, 1))), 2, 0.05);
  EXPECT_EQ(error_of([] { normal(0, -1, {2}); }), "[normal] expected a std of at least 0, got -1");
  EXPECT_EQ(error_of([] { exponential(0, {2}); }), "[exponential] expected a rate above 0, got 0");
}

TEST(Random, UniformHalvesStayBelowOne) {
  manual_seed(4);
  for (DType dtype : {DType::bf16, DType::f16}) {
    Values x = of(rand({100000}, dtype));
    EXPECT_LT(*std::max_element(x.begin(), x.end()), 1);
    EXPECT_NEAR(mean_of(x), 0.5, 0.01);
  }
  EXPECT_EQ(error_of([] { rand({2}, DType::i64); }), "[rand] expected a floating dtype, got i64");
}

TEST(Random, MultinomialFollowsTheWeights) {
  manual_seed(5);
  Tensor weights(Array::from<double>({0, 1, 3, 0}, {4}));
  Values draws = of(multinomial(weights, 40000, true));
  auto threes = static_cast<double>(std::count(draws.begin(), draws.end(), 2.0));
  EXPECT_NEAR(threes / 40000, 0.75, 0.012);
  for (double draw : draws) ASSERT_TRUE(draw == 1 || draw == 2);
  // Without replacement the first draw follows the weights, and no column comes twice.
  Tensor rows = multinomial(expand(weights, {20000, 4}), 2);
  EXPECT_EQ(rows.shape(), (Dims{20000, 2}));
  Values first = of(select(rows, 1, 0));
  Values second = of(select(rows, 1, 1));
  EXPECT_NEAR(static_cast<double>(std::count(first.begin(), first.end(), 2.0)) / 20000, 0.75,
              0.016);
  for (size_t i = 0; i < first.size(); ++i) ASSERT_EQ(first[i] + second[i], 3);
}

TEST(Random, MultinomialRefusesWhatCannotBeDrawn) {
  auto of_weights = [](std::vector<double> weights, int64_t count, bool replacement = false) {
    auto n = static_cast<int64_t>(weights.size());
    Tensor w(Array::from(weights, {n}));
    return error_of([&] { multinomial(w, count, replacement); });
  };
  EXPECT_EQ(of_weights({1, -1}, 1),
            "[multinomial] expected finite weights of at least 0, got -1 in row 0");
  EXPECT_EQ(of_weights({1, NAN}, 1),
            "[multinomial] expected finite weights of at least 0, got nan in row 0");
  EXPECT_EQ(of_weights({0, 0}, 1, true),
            "[multinomial] expected weights with a positive, finite sum, got 0 in row 0");
  EXPECT_EQ(of_weights({1, 0}, 2),
            "[multinomial] expected at least 2 positive weights without replacement, got 1 in row "
            "0");
  EXPECT_EQ(of_weights({1, 1}, 0), "[multinomial] expected at least 1 sample, got 0");
  EXPECT_NE(of_weights({}, 1, true), "");
}

TEST(Random, DrawsTheSameForAnyNumberOfThreads) {
  std::vector<Array> expected;
  for (int threads : kThreadCounts) {
    test::Threads guard(threads);
    manual_seed(7);
    Tensor weights = rand({37, 50});
    std::vector<Array> drawn{
        randint(0, 1000, {30000}).data(),          randperm(30000).data(),
        bernoulli(rand({30000})).data(),           exponential(1, {30000}).data(),
        normal(0, 1, {30000}, DType::bf16).data(), multinomial(weights, 9).data(),
        multinomial(weights, 90, true).data()};
    if (expected.empty()) expected = drawn;
    for (size_t i = 0; i < drawn.size(); ++i) EXPECT_TRUE(same_bits(drawn[i], expected[i])) << i;
  }
}

TEST(Random, LikesHaveTheShapeAndDtype) {
  Tensor x(Array::zeros({2, 3}, DType::f64));
  EXPECT_EQ(rand_like(x).shape(), x.shape());
  EXPECT_EQ(randn_like(x).dtype(), DType::f64);
  EXPECT_EQ(randn_like(x, DType::f32).dtype(), DType::f32);
  EXPECT_EQ(randint_like(x, 0, 5).dtype(), DType::f64);
  Tensor there(Array::empty({2, 3}, DType::bf16, Device{DeviceType::meta}));
  for (const Tensor& like : {rand_like(there), randn_like(there), randint_like(there, 0, 5)}) {
    EXPECT_EQ(like.device(), there.device());
  }
}

TEST(Random, IntegersMustFitTheDtype) {
  manual_seed(8);
  Values x = of(randint(0, 257, {20000}, DType::bf16));
  EXPECT_EQ(*std::max_element(x.begin(), x.end()), 256);
  EXPECT_EQ(error_of([] { randint(0, 258, {2}, DType::bf16); }),
            "[randint] expected integers in [-256, 256], all of which bf16 holds, got 0 to 257");
  EXPECT_EQ(error_of([] { randint(0, 1000, {2}, DType::u8); }),
            "[randint] expected integers in [0, 255], all of which u8 holds, got 0 to 999");
  EXPECT_EQ(error_of([] { randint(-1, 2, {2}, DType::u8); }),
            "[randint] expected integers in [0, 255], all of which u8 holds, got -1 to 1");
  EXPECT_EQ(error_of([] { randint(0, 3, {2}, DType::boolean); }),
            "[randint] expected integers in [0, 1], all of which bool holds, got 0 to 2");
  EXPECT_EQ(
      error_of([] { randint(-2049, 0, {2}, DType::f16); }),
      "[randint] expected integers in [-2048, 2048], all of which f16 holds, got -2049 to -1");
  EXPECT_EQ(error_of([] { randperm(5000, DType::f16); }),
            "[randperm] expected integers in [-2048, 2048], all of which f16 holds, got 0 to 4999");
  EXPECT_EQ(error_of([] { randperm(300, DType::u8); }),
            "[randperm] expected integers in [0, 255], all of which u8 holds, got 0 to 299");
  for (auto [count, dtype] : {std::pair{2049, DType::f16}, {257, DType::bf16}, {256, DType::u8}}) {
    Values all = of(randperm(count, dtype));
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, doubles(Array::arange(count)));
  }
}

TEST(Random, ExponentialNumbersArePositive) {
  const RandomFamily& random = kernels({}).random();
  // A draw of 0 in 2^24 is rare: the stream is searched for one, which is then drawn.
  Array units = Array::empty({1 << 20});
  Array times = Array::empty({1 << 20});
  int64_t zeros_found = 0;
  for (int64_t first = 0; zeros_found == 0 && first < (int64_t{1} << 28); first += 1 << 20) {
    random.uniform({9, 1}, first, 0, 1, units);
    std::span<const float> u(units.data<float>(), 1 << 20);
    if (std::find(u.begin(), u.end(), 0.0F) == u.end()) continue;
    random.exponential({9, 1}, first, 1, times);
    for (size_t i = 0; i < u.size(); ++i) {
      zeros_found += u[i] == 0;
      ASSERT_GT(times.data<float>()[i], 0);
    }
  }
  EXPECT_GT(zeros_found, 0);
  // Numbers below f16's smallest come up in a short draw at a high rate.
  manual_seed(10);
  Values halves = of(exponential(1e6, {10000}, DType::f16));
  EXPECT_GT(*std::min_element(halves.begin(), halves.end()), 0);
}

TEST(Random, MultinomialOfTheSmallestWeights) {
  manual_seed(11);
  Tensor tiny(Array::from<double>({0, 1e-310}, {2}));
  Values drawn = of(multinomial(expand(tiny, {1000, 2}), 1));
  EXPECT_EQ(drawn, Values(1000, 1));
  // One large weight goes first; the order of the others follows theirs.
  Tensor mixed(Array::from<double>({0, 1e-310, 1, 3e-310}, {4}));
  Tensor rows = multinomial(expand(mixed, {20000, 4}), 3);
  EXPECT_EQ(of(select(rows, 1, 0)), Values(20000, 2));
  Values second = of(select(rows, 1, 1));
  EXPECT_NEAR(static_cast<double>(std::count(second.begin(), second.end(), 3.0)) / 20000, 0.75,
              0.016);
  for (double column : of(rows)) ASSERT_NE(column, 0);
}

TEST(Random, NegativeSizesAreRefusedByName) {
  EXPECT_EQ(error_of([] { randn({2, -1}); }), "[randn] negative size in shape (2, -1)");
  EXPECT_EQ(error_of([] { rand({-1}); }), "[rand] negative size in shape (-1,)");
  EXPECT_EQ(error_of([] { randint(0, 2, {-1}); }), "[randint] negative size in shape (-1,)");
  EXPECT_EQ(error_of([] { normal(0, 1, {-1}); }), "[normal] negative size in shape (-1,)");
  EXPECT_EQ(error_of([] { exponential(1, {-1}); }), "[exponential] negative size in shape (-1,)");
}

}  // namespace
}  // namespace tessera
