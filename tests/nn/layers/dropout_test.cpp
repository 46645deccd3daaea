#include "nn/layers/dropout.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
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

TEST(Dropout, RefusesWhatIsNoProbability) {
  Module root;
  for (double p : {-0.1, 1.1, std::nan("")}) {
    EXPECT_TRUE(contains(error_of([&] { Dropout(&root, "d", p); }),
                         "[Dropout] expected a probability in [0, 1]"));
  }
}

}  // namespace
}  // namespace tessera::nn
