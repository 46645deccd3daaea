// Combinations of the values of several factors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <set>
#include <tuple>
#include <utility>
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

// Combinations that have every pair of two factors' values at least once. Each begins with a pair
// that none before has, and takes of one factor after the other the value with the most such pairs,
// one of them by lot (the same at each call) where there are several.
class Pairwise {
 public:
  explicit Pairwise(const std::vector<int>& factors) : factors_(factors) {
    for (size_t i = 0; i < factors.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        for (int a = 0; a < factors[i]; ++a) {
          for (int b = 0; b < factors[j]; ++b) missing_.insert({i, j, a, b});
        }
      }
    }
  }

  std::vector<Levels> combinations() {
    std::vector<Levels> chosen;
    while (!missing_.empty()) {
      auto [i, j, a, b] = *missing_.begin();
      Levels levels(factors_.size(), kNone);
      levels[i] = a;
      levels[j] = b;
      for (size_t k = 0; k < levels.size(); ++k) {
        if (levels[k] == kNone) levels[k] = best(levels, k);
      }
      take(levels);
      chosen.push_back(std::move(levels));
    }
    return chosen;
  }

 private:
  // Two factors, of which the first has the higher number, and their values.
  using Pair = std::tuple<size_t, size_t, int, int>;
  static constexpr int kNone = -1;

  static Pair pair_of(const Levels& levels, size_t i, size_t j) {
    return i > j ? Pair{i, j, levels[i], levels[j]} : Pair{j, i, levels[j], levels[i]};
  }
  int best(Levels levels, size_t factor) {
    int best = 0;
    std::pair<int, uint_fast32_t> most{-1, 0};
    for (int level = 0; level < factors_[factor]; ++level) {
      levels[factor] = level;
      int gain = 0;
      for (size_t k = 0; k < levels.size(); ++k) {
        if (k == factor || levels[k] == kNone) continue;
        gain += missing_.contains(pair_of(levels, factor, k));
      }
      std::pair<int, uint_fast32_t> found{gain, lots_()};
      if (found <= most) continue;
      most = found;
      best = level;
    }
    return best;
  }
  void take(const Levels& levels) {
    for (size_t i = 0; i < levels.size(); ++i) {
      for (size_t j = 0; j < i; ++j) missing_.erase(pair_of(levels, i, j));
    }
  }

  std::vector<int> factors_;
  std::minstd_rand lots_;
  std::set<Pair> missing_;
};

inline std::vector<Levels> pairwise(const std::vector<int>& factors) {
  return Pairwise(factors).combinations();
}

}  // namespace tessera::test
