#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

struct Place {
  uint64_t seed, step, leaf;
  std::string path;
};

// The masks of the first two calls at a place.
std::vector<Array> masks(const Place& place) {
  context().random.begin(place.seed, place.step, place.leaf);
  context().module_path = std::make_shared<const std::string>(place.path);
  Tensor ones(Array::full({40, 50}, 1));
  std::vector<Array> out{dropout(ones, 0.5, true).data(), dropout(ones, 0.5, true).data()};
  context().module_path = nullptr;
  return out;
}

TEST(Dropout, DrawsTheSameMaskInTheSamePlace) {
  Place place{1, 2, 3, "blocks.0"};
  std::vector<Array> first = masks(place);
  std::vector<Array> second = masks(place);
  EXPECT_TRUE(same_bits(first[0], second[0]));
  EXPECT_TRUE(same_bits(first[1], second[1]));
  EXPECT_FALSE(same_bits(first[0], first[1]));  // the next call draws others
}

TEST(Dropout, DrawsAnotherMaskElsewhere) {
  Place place{1, 2, 3, "blocks.0"};
  Array mask = masks(place)[0];
  for (const Place& other : {Place{2, 2, 3, "blocks.0"}, Place{1, 3, 3, "blocks.0"},
                             Place{1, 2, 4, "blocks.0"}, Place{1, 2, 3, "blocks.1"}}) {
    std::vector<double> a = doubles(mask);
    std::vector<double> b = doubles(masks(other)[0]);
    double same = 0;
    for (size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
    EXPECT_NEAR(same / 2000, 0.5, 0.06);
  }
}

TEST(Dropout, DoesNotDependOnWhatOtherModulesDraw) {
  Array alone = masks({1, 2, 3, "b"})[0];
  context().random.begin(1, 2, 3);
  Tensor ones(Array::full({40, 50}, 1));
  context().module_path = std::make_shared<const std::string>("a");
  for (int i = 0; i < 3; ++i) dropout(ones, 0.5, true);
  context().module_path = std::make_shared<const std::string>("b");
  EXPECT_TRUE(same_bits(dropout(ones, 0.5, true).data(), alone));
  context().module_path = nullptr;
}

TEST(Dropout, IsTheSameInEveryThread) {
  Place place{1, 2, 3, "a"};
  Array expected = masks(place)[0];
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    EXPECT_TRUE(same_bits(masks(place)[0], expected));
  }
}

TEST(Dropout, KeepsTheMean) {
  manual_seed(5);
  for (DType dtype : {DType::f32, DType::f64}) {
    for (double p : {0.1, 0.5, 0.9}) {
      std::vector<double> y = doubles(dropout(Array::full({100000}, 1, dtype), p, true).data());
      double sum = 0;
      double kept = 0;
      for (double value : y) {
        sum += value;
        kept += value != 0;
        ASSERT_TRUE(value == 0 || std::abs(value - 1 / (1 - p)) < 1e-6);
      }
      double deviation = std::sqrt(p * (1 - p) / 100000);
      EXPECT_NEAR(kept / 100000, 1 - p, 4 * deviation);
      EXPECT_NEAR(sum / 100000, 1, 4 * deviation / (1 - p));
    }
  }
}

TEST(Dropout, SendsTheGradientWhereTheInputWent) {
  manual_seed(5);
  Tensor x(Array::full({1000}, 2), true);
  Tensor y = dropout(x, 0.25, true);
  sum(y).backward();
  EXPECT_TRUE(same_bits((x.grad() * 2.0).data(), y.data()));
}

TEST(Dropout, GivesItsInputBackWhereThereIsNothingToDrop) {
  Tensor x(random_array({10}), true);
  EXPECT_EQ(dropout(x, 0, true).shared(), x.shared());
  EXPECT_EQ(dropout(x, 0.7, false).shared(), x.shared());
}

TEST(Dropout, WithCertaintyDropsEverything) {
  Tensor x(random_array({1000}), true);
  Tensor y = dropout(x, 1, true);
  sum(y).backward();
  for (double value : doubles(y.data())) EXPECT_EQ(value, 0);
  for (double value : doubles(x.grad().data())) EXPECT_EQ(value, 0);
}

TEST(Dropout, RefusesWhatIsNoProbability) {
  Tensor x(random_array({10}));
  EXPECT_EQ(error_of([&] { dropout(x, 1.5, true); }),
            "[dropout] expected a probability in [0, 1], got 1.5");
  EXPECT_NE(error_of([&] { dropout(x, -0.1, true); }), "");
  EXPECT_NE(error_of([&] { dropout(x, NAN, true); }), "");
}

TEST(Randn, FollowsTheSeed) {
  manual_seed(3);
  Tensor a = randn({100});
  Tensor b = rand({100}, DType::f64);
  manual_seed(3);
  EXPECT_TRUE(same_bits(randn({100}).data(), a.data()));
  EXPECT_TRUE(same_bits(rand({100}, DType::f64).data(), b.data()));
  manual_seed(4);
  EXPECT_FALSE(same_bits(randn({100}).data(), a.data()));
  EXPECT_FALSE(a.requires_grad());
  for (double value : doubles(b.data())) EXPECT_TRUE(value >= 0 && value < 1);
}

}  // namespace
}  // namespace tessera
