// Combinations of the values of several factors.
#pragma once

#include <algorithm>
#include <array>
#include <set>
#include <vector>

namespace tessera::test {

// One value of each factor, counted from 0.
using Levels = std::vector<int>;

// Every combination; factors[i] is how many values factor i has.
inline std::vector<Levels> product(const std::vector<int>& factors) {
  std::vector<Levels> all{{}};
  for (int count : factors) {
    std::vector<Levels> longer;
    for (const Levels& levels : all) {
      for (int level = 0; level < count; ++level) {
        longer.push_back(levels);
        longer.back().push_back(level);
      }
    }
    all = std::move(longer);
  }
  return all;
}

using Pair = std::array<int, 4>;  // two factors and their levels

inline std::vector<Pair> pairs_of(const Levels& levels) {
  std::vector<Pair> pairs;
  for (int i = 0; i < static_cast<int>(levels.size()); ++i) {
    for (int j = 0; j < i; ++j) {
      pairs.push_back({i, j, levels[static_cast<size_t>(i)], levels[static_cast<size_t>(j)]});
    }
  }
  return pairs;
}

// Combinations that have every pair of two factors' values at least once. Greedily: the one with
// the most pairs that none before has.
inline std::vector<Levels> pairwise(const std::vector<int>& factors) {
  std::vector<Levels> all = product(factors);
  std::set<Pair> missing;
  for (const Levels& levels : all) {
    for (const Pair& pair : pairs_of(levels)) missing.insert(pair);
  }
  std::vector<Levels> chosen;
  while (!missing.empty()) {
    auto gain = [&](const Levels& levels) {
      auto pairs = pairs_of(levels);
      return std::count_if(pairs.begin(), pairs.end(),
                           [&](const Pair& pair) { return missing.contains(pair); });
    };
    auto best = std::max_element(all.begin(), all.end(), [&](const Levels& a, const Levels& b) {
      return gain(a) < gain(b);
    });
    chosen.push_back(*best);
    for (const Pair& pair : pairs_of(*best)) missing.erase(pair);
  }
  return chosen;
}

}  // namespace tessera::test
