#include "core/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;

const Kernels& cpu() { return kernels({}); }

TEST(Softmax, SurvivesLargeAndInfiniteNumbers) {
  Array x = Array::from<float>({1000, 1001, -INFINITY, -1e30F, 3, 3}, {2, 3});
  x.select(0, 1).copy_(Array::from<float>({-1e30F, 3, 3}, {3}));
  Array y = Array::empty({2, 3});
  cpu().softmax().softmax(x, y);
  double p = 1 / (1 + std::exp(-1.0));
  EXPECT_TRUE(close_to(doubles(y), {1 - p, p, 0, 0, 0.5, 0.5}, 1e-6, 0));
  cpu().softmax().log_softmax(x, y);
  EXPECT_TRUE(close_to(doubles(y),
                       {std::log(1 - p), std::log(p), -INFINITY, -1e30, -std::log(2), -std::log(2)},
                       1e-4, 1e-6));  // at 1000 a float is exact to 6e-5
}

TEST(CrossEntropy, NamesATargetOutside) {
  Array logits = random_array({3, 5});
  Array losses = Array::empty({3});
  Array lse = Array::empty({3});
  auto error_for = [&](int64_t target) {
    Array targets = Array::from<int64_t>({4, 0, target}, {3});
    return error_of([&] { cpu().softmax().cross_entropy(logits, targets, losses, lse); });
  };
  EXPECT_EQ(error_for(4), "");
  EXPECT_EQ(error_for(5), "[cross_entropy] expected a target in [0, 5), got 5 in row 2");
  EXPECT_EQ(error_for(-1), "[cross_entropy] expected a target in [0, 5), got -1 in row 2");
  EXPECT_EQ(error_for(INT64_MIN),
            fmt::format("[cross_entropy] expected a target in [0, 5), got {} in row 2", INT64_MIN));
}

TEST(CrossEntropy, NamesATargetOutsideFromAnyThread) {
  test::Threads guard(8);
  Array logits = random_array({2000, 100});
  Array targets = Array::zeros({2000}, DType::i64);
  targets.select(0, 1777).fill_(100);
  Array losses = Array::empty({2000});
  EXPECT_EQ(error_of([&] {
              cpu().softmax().cross_entropy(logits, targets, losses, Array::empty({2000}));
            }),
            "[cross_entropy] expected a target in [0, 100), got 100 in row 1777");
}

}  // namespace
}  // namespace tessera
