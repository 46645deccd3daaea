// Numbers that PyTorch's side makes as well (scripts/golden/made_values.py): weights and samples of
// golden values, which then need no place in their files.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "nn/module.h"

namespace tessera::test {

// Number i of row `stream`, as if drawn evenly from the 2^32 of 32 bits.
inline uint32_t made_bits(uint64_t stream, uint64_t i) {
  uint64_t h = (i * 2654435761 + stream * 40503 + 12345) & 0xffffffff;
  h ^= h >> 15;
  h = (h * 2246822519) & 0xffffffff;
  return static_cast<uint32_t>(h ^ (h >> 13));
}

// (-1/2, 1/2) times scale, plus shift.
inline Array made_array(const Dims& shape, uint64_t stream, double scale = 1, double shift = 0) {
  std::vector<float> values;
  for (int64_t i = 0; i < num_elements(shape); ++i) {
    double u = made_bits(stream, static_cast<uint64_t>(i)) / 4294967296.0 - 0.5;
    values.push_back(static_cast<float>(u * scale + shift));
  }
  return Array::from(values, shape);
}

// Integers in [0, limit).
inline Array made_integers(const Dims& shape, uint64_t stream, int64_t limit) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < num_elements(shape); ++i) {
    values.push_back(made_bits(stream, static_cast<uint64_t>(i)) % limit);
  }
  return Array::from(values, shape);
}

// All parameters, the k-th by its name from stream k: those of two dims and more of about 1 /
// fan_in in variance, weights of norms near 1, the rest near 0.
inline void fill_with_made_values(const nn::Module& module) {
  nn::NamedTensors all = module.named_parameters();
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t k = 0; k < all.size(); ++k) {
    const Dims& shape = all[k].second.shape();
    double scale = 0.2;
    double shift = 0;
    if (shape.size() >= 2) {
      scale = std::sqrt(12.0 / static_cast<double>(num_elements(shape) / shape[0]));
    } else if (all[k].first.ends_with("weight")) {
      shift = 1;
    }
    all[k].second.data().copy_(made_array(shape, k, scale, shift));
  }
}

}  // namespace tessera::test
