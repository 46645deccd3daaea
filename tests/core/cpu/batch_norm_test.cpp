#include <gtest/gtest.h>

#include <cmath>

#include "core/kernels.h"
#include "core/kernels/batch_norm.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;

const BatchNormFamily& batch_norm() { return kernels({}).batch_norm(); }

// The places of channel c in (outer, channels, inner).
std::vector<size_t> places(const Dims& shape, int64_t c) {
  std::vector<size_t> out;
  for (int64_t i = 0; i < shape[0]; ++i) {
    for (int64_t j = 0; j < shape[2]; ++j) {
      out.push_back(static_cast<size_t>((i * shape[1] + c) * shape[2] + j));
    }
  }
  return out;
}

struct Moments {
  double mean = 0;
  double var = 0;
};

Moments plain_moments(const std::vector<double>& x, const std::vector<size_t>& at) {
  Moments m;
  auto n = static_cast<double>(at.size());
  for (size_t i : at) m.mean += x[i] / n;
  for (size_t i : at) m.var += (x[i] - m.mean) * (x[i] - m.mean) / n;
  return m;
}

// Shapes on both sides of every cut: blocks of rows, pieces of planes.
const std::vector<Dims> kShapes{{1, 1, 1}, {3, 2, 1},  {300, 5, 1},   {257, 64, 1},  {70, 300, 1},
                                {2, 3, 2}, {4, 3, 49}, {1, 2, 16384}, {2, 2, 16385}, {3, 1, 40000}};

TEST(BatchNorm, MomentsAgreeWithPlainLoops) {
  for (const Dims& shape : kShapes) {
    for (DType dtype : {DType::f32, DType::f64}) {
      Array x = random_array(shape, dtype, 1, 99, 101);  // a mean far from zero
      Array mean = Array::empty({2, shape[1]}, dtype);
      Array var = Array::empty({shape[1]}, dtype);
      Array rstd = Array::empty({shape[1]}, dtype);
      batch_norm().moments(x, 0.5, mean, var, rstd);
      for (int64_t c = 0; c < shape[1]; ++c) {
        Moments m = plain_moments(doubles(x), places(shape, c));
        double tolerance = dtype == DType::f32 ? 1e-5 : 1e-12;
        double found = mean.select(1, c).select(0, 0).item<double>();
        EXPECT_NEAR(found, m.mean, 10 * tolerance) << to_string(shape);
        EXPECT_NEAR(var.select(0, c).item<double>(), m.var, tolerance) << to_string(shape);
        EXPECT_NEAR(rstd.select(0, c).item<double>(), 1 / std::sqrt(m.var + 0.5), tolerance);
      }
    }
  }
}

TEST(BatchNorm, NormalizesAndItsGradientAgreeWithPlainLoops) {
  for (const Dims& shape : kShapes) {
    Dims channels{shape[1]};
    Array x = random_array(shape, DType::f64, 1);
    Array dy = random_array(shape, DType::f64, 2);
    Array w = random_array(channels, DType::f64, 3);
    Array b = random_array(channels, DType::f64, 4);
    // A mean in two parts.
    Array mean = random_array({2, shape[1]}, DType::f64, 5);
    Array rstd = random_array(channels, DType::f64, 6, 0.5, 2);
    Array y = Array::empty(shape, DType::f64);
    Array dx = Array::empty(shape, DType::f64);
    Array dw = Array::empty(channels, DType::f64);
    Array db = Array::empty(channels, DType::f64);
    batch_norm().normalize(x, w, b, mean, rstd, y);
    std::vector<double> vx = doubles(x);
    std::vector<double> vdy = doubles(dy);
    std::vector<double> vy(vx.size());
    for (bool own : {false, true}) {
      batch_norm().grad(x, w, mean, rstd, own, dy, dx, dw, db);
      std::vector<double> vdx(vx.size());
      for (int64_t c = 0; c < shape[1]; ++c) {
        std::vector<double> parts = doubles(mean.select(1, c));
        double m = parts[0] + parts[1];
        double r = rstd.select(0, c).item<double>();
        double scale = w.select(0, c).item<double>() * r;
        std::vector<size_t> at = places(shape, c);
        double sum = 0;
        double product = 0;
        for (size_t i : at) {
          vy[i] = (vx[i] - m) * scale + b.select(0, c).item<double>();
          sum += vdy[i];
          product += vdy[i] * (vx[i] - m) * r;
        }
        auto n = static_cast<double>(at.size());
        for (size_t i : at) {
          vdx[i] = scale * (vdy[i] - (own ? sum / n + (vx[i] - m) * r * product / n : 0));
        }
        EXPECT_NEAR(db.select(0, c).item<double>(), sum, 1e-9);
        EXPECT_NEAR(dw.select(0, c).item<double>(), product, 1e-9);
      }
      EXPECT_TRUE(close_to(doubles(dx), vdx, 1e-11, 1e-11)) << to_string(shape);
    }
    EXPECT_TRUE(close_to(doubles(y), vy, 1e-11, 1e-11)) << to_string(shape);
  }
}

}  // namespace
}  // namespace tessera
