// What tests of layers compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "nn/layers/linear.h"
#include "tests/support/arrays.h"

namespace tessera::nn {

// y = x w^T + b for x of `rows` rows.
inline std::vector<double> naive_linear(const std::vector<double>& x, const Linear& layer,
                                        int64_t rows) {
  std::vector<double> w = test::doubles(layer.weight.data());
  std::vector<double> b;
  if (layer.bias.defined()) b = test::doubles(layer.bias.data());
  auto out = static_cast<size_t>(layer.weight.size(0));
  auto in = static_cast<size_t>(layer.weight.size(1));
  std::vector<double> y;
  for (size_t r = 0; r < static_cast<size_t>(rows); ++r) {
    for (size_t o = 0; o < out; ++o) {
      double total = b.empty() ? 0 : b[o];
      for (size_t i = 0; i < in; ++i) total += x[r * in + i] * w[o * in + i];
      y.push_back(total);
    }
  }
  return y;
}

inline double max_abs(const Tensor& x) {
  double out = 0;
  for (double v : test::doubles(x.data())) out = std::max(out, std::abs(v));
  return out;
}

}  // namespace tessera::nn
