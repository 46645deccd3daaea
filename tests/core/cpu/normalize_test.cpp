#include "core/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/kernels/normalize.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;

const Kernels& cpu() { return kernels({}); }

TEST(LayerNorm, AgreesWithPlainLoops) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t rows : {0, 1, 31, 32, 33, 100}) {
      for (int64_t cols : {1, 2, 7, 16, 33, 384}) {
        Array x = random_array({rows, cols}, dtype, 1, 9, 11);  // a mean far from zero
        Array w = random_array({cols}, dtype, 2);
        Array b = random_array({cols}, dtype, 3);
        Array y = Array::empty({rows, cols}, dtype);
        Array mean = Array::empty({rows}, dtype);
        Array rstd = Array::empty({rows}, dtype);
        cpu().normalize().layer_norm(x, w, b, 1e-5, y, mean, rstd);
        std::vector<double> v = doubles(x);
        std::vector<double> expected;
        for (int64_t i = 0; i < rows; ++i) {
          const double* row = v.data() + i * cols;
          double mu = 0;
          double variance = 0;
          auto n = static_cast<double>(cols);
          for (int64_t j = 0; j < cols; ++j) mu += row[j] / n;
          for (int64_t j = 0; j < cols; ++j) variance += (row[j] - mu) * (row[j] - mu) / n;
          for (int64_t j = 0; j < cols; ++j) {
            expected.push_back((row[j] - mu) / std::sqrt(variance + 1e-5) *
                                   w.select(0, j).item<double>() +
                               b.select(0, j).item<double>());
          }
          ASSERT_NEAR(mean.select(0, i).item<double>(), mu, 1e-5);
        }
        // Near 10 a float is exact to 1e-6; dividing by a small deviation enlarges that.
        double atol = dtype == DType::f64 ? 1e-11 : cols == 1 ? 1e-6 : 2e-3;
        if (dtype == DType::f32 && cols >= 7) atol = 1e-5;
        ASSERT_TRUE(close_to(doubles(y), expected, atol, 0)) << rows << ' ' << cols;
      }
    }
  }
}

}  // namespace
}  // namespace tessera
