#include "nn/layers/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "autograd/context.h"
#include "autograd/ops/random.h"
#include "autograd/ops/statistics.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

TEST(Dropout, IsTheIdentityInEval) {
  Module root;
  Dropout layer(&root, "drop", 0.5);
  root.eval();
  Tensor x(random_array({100}), true);
  EXPECT_EQ(layer(x).shared(), x.shared());
  root.train();
  EXPECT_NE(layer(x).shared(), x.shared());
}

TEST(Dropout, DropsAndScales) {
  manual_seed(3);
  Module root;
  Dropout layer(&root, "drop", 0.25);
  std::vector<double> y = doubles(layer(Array::full({100000}, 3)).data());
  int dropped = 0;
  for (double v : y) {
    if (v == 0) ++dropped;
    else ASSERT_FLOAT_EQ(static_cast<float>(v), 4);
  }
  EXPECT_NEAR(dropped, 25000, 700);
  Dropout all(&root, "all", 1);
  EXPECT_EQ(doubles(all(Array::full({100}, 3)).data()), std::vector<double>(100, 0));
  Dropout none(&root, "none", 0);
  EXPECT_EQ(doubles(none(Array::full({100}, 3)).data()), std::vector<double>(100, 3));
}

TEST(Dropout, DrawsByLeafAndModule) {
  Module root;
  Dropout a(&root, "a", 0.5);
  Dropout b(&root, "b", 0.5);
  Array x = Array::full({256}, 1);
  auto begin = [](uint64_t step, uint64_t leaf) { context().random.begin(1, step, leaf); };
  begin(0, 0);
  Array first = a(x).data();
  Array second = a(x).data();
  EXPECT_FALSE(same_bits(first, second));
  // What b draws in between changes nothing for a.
  begin(0, 0);
  Array other = b(x).data();
  EXPECT_TRUE(same_bits(a(x).data(), first));
  b(x);
  EXPECT_TRUE(same_bits(a(x).data(), second));
  EXPECT_FALSE(same_bits(other, first));
  begin(0, 1);
  EXPECT_FALSE(same_bits(a(x).data(), first));
  begin(1, 0);
  EXPECT_FALSE(same_bits(a(x).data(), first));
}

// What is drawn: one number for each of these parts, all of whose elements share their fate.
TEST(DropoutOfChannels, DropsWholeChannels) {
  manual_seed(3);
  Module root;
  const Dropout1d one(&root, "one", 0.25);
  const Dropout2d two(&root, "two", 0.25);
  const Dropout3d three(&root, "three", 0.25);
  const std::vector<std::pair<const Layer*, Dims>> cases{{&one, {100, 200, 3}},
                                                         {&two, {100, 200, 2, 2}},
                                                         {&three, {100, 200, 1, 2, 2}},
                                                         {&one, {20000, 2}},
                                                         {&three, {20000, 1, 2, 2}}};
  for (const auto& [layer, shape] : cases) {
    std::vector<double> y = doubles((*layer)(Array::full(shape, 3)).data());
    size_t inner = y.size() / 20000;
    int dropped = 0;
    for (size_t channel = 0; channel < 20000; ++channel) {
      double first = y[channel * inner];
      ASSERT_TRUE(first == 0 || std::abs(first - 4) < 1e-6) << first;
      for (size_t i = 1; i < inner; ++i) ASSERT_EQ(y[channel * inner + i], first);
      dropped += first == 0;
    }
    EXPECT_NEAR(dropped, 5000, 310);
  }
  EXPECT_EQ(error_of([&] {
              two(Array::zeros({3, 4, 5}));
            }),
            "[dropout2d] expected an input (N, C, H, W), got (3, 4, 5)");
}

TEST(AlphaDropout, KeepsMeanAndVariance) {
  manual_seed(3);
  Module root;
  Tensor x = normal(0, 1, {400, 500});
  const AlphaDropout each(&root, "each", 0.3);
  const FeatureAlphaDropout channels(&root, "channels", 0.3);
  for (const Layer* layer :
       {static_cast<const Layer*>(&each), static_cast<const Layer*>(&channels)}) {
    VarMean moments = var_mean((*layer)(x));
    EXPECT_NEAR(moments.mean.item<double>(), 0, 0.02);
    EXPECT_NEAR(moments.var.item<double>(), 1, 0.03);
  }
  // Dropped ones are at selu's limit, scaled and shifted: a alpha (p - 1).
  double alpha = 1.7580993408473766;
  double a = 1 / std::sqrt((alpha * alpha * 0.3 + 1) * 0.7);
  int64_t at_limit = 0;
  for (double y : doubles(each(x).data())) at_limit += std::abs(y + a * alpha * 0.7) < 1e-5;
  EXPECT_NEAR(static_cast<double>(at_limit), 60000, 900);
  EXPECT_EQ(doubles(AlphaDropout(&root, "all", 1)(Array::full({3}, 5)).data()),
            std::vector<double>(3, 0));
}

TEST(Dropout, RefusesWhatIsNoProbability) {
  Module root;
  for (double p : {-0.1, 1.1, std::nan("")}) {
    EXPECT_TRUE(contains(error_of([&] { Dropout(&root, "d", p); }),
                         "[Dropout] expected a probability in [0, 1]"));
  }
}

}  // namespace
}  // namespace tessera::nn
