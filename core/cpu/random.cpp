#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/draws.h"
#include "core/cpu/random.h"
#include "core/kernels/random.h"
#include "core/parallel.h"

namespace tessera::cpu {
namespace {

// Elements of one tile; a multiple of every block.
constexpr int64_t kDrawTile = 8192;

// In [0, 1): the upper bits that the type's significand holds.
template <class T>
T unit(uint64_t word);
template <>
float unit<float>(uint64_t word) {
  return static_cast<float>(word >> 8) * 0x1p-24F;
}
template <>
double unit<double>(uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}

// Random words per Philox block for a type: four of 32 bits, or two of 64.
template <class T>
constexpr int64_t kPerBlock = sizeof(T) == 4 ? 4 : 2;

template <class T>
std::array<uint64_t, 4> words(const RandomStream& stream, uint64_t block) {
  auto w = philox_block(stream, block);
  if constexpr (sizeof(T) == 4) return {w[0], w[1], w[2], w[3]};
  else return {uint64_t{w[1]} << 32 | w[0], uint64_t{w[3]} << 32 | w[2], 0, 0};
}

// Calls make(words, values) for each block that [first, first + count) touches, and keeps the
// values that fall inside.
template <class T, class F>
void fill_blocks(const RandomStream& stream, int64_t first, const Array& out, F&& make) {
  T* to = out.data<T>();
  int64_t last = first + out.numel();
  int64_t aligned = first / kDrawTile * kDrawTile;
  parallel_tiles(last - aligned, kDrawTile, [&](int64_t begin, int64_t end) {
    for (int64_t i = aligned + begin; i < aligned + end; i += kPerBlock<T>) {
      T values[4]{};
      make(words<T>(stream, static_cast<uint64_t>(i / kPerBlock<T>)), values);
      for (int64_t j = std::max(i, first); j < std::min(i + kPerBlock<T>, last); ++j) {
        to[j - first] = values[j - i];
      }
    }
  });
}

// Two normal numbers from two words (Box and Muller 1958).
template <class T>
void normal_pair(uint64_t word0, uint64_t word1, T mean, T std, T* out) {
  // 1 - u lies in (0, 1], so the logarithm is finite.
  T radius = std * std::sqrt(T{-2} * std::log(T{1} - unit<T>(word0)));
  T angle = T{2} * std::numbers::pi_v<T> * unit<T>(word1);
  out[0] = mean + radius * std::cos(angle);
  out[1] = mean + radius * std::sin(angle);
}

// The upper 64 bits of a b.
uint64_t upper_product(uint64_t a, uint64_t b) {
  uint64_t low = (a & 0xffffffff) * (b & 0xffffffff);
  uint64_t middle = (a >> 32) * (b & 0xffffffff) + (low >> 32);
  uint64_t other = (a & 0xffffffff) * (b >> 32) + (middle & 0xffffffff);
  return (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32);
}

// Element i of the stream in [0, 1).
double unit_at(const RandomStream& stream, int64_t i) {
  return unit<double>(words<double>(stream, static_cast<uint64_t>(i / 2))[i % 2]);
}

// -log(1 - u), exponentially distributed, for u in [0, 1). A 0 stands for what lies below the next
// number: half of that is drawn instead, so that no result is 0.
template <class T>
T exponential_of(T u) {
  constexpr T kHalfStep = sizeof(T) == 4 ? T{0x1p-25} : T{0x1p-54};
  return u > 0 ? -std::log(T{1} - u) : kHalfStep;
}

double waiting_time(const RandomStream& stream, int64_t i) {
  return exponential_of(unit_at(stream, i));
}

// Draws by the sums of the weights before each column.
void draw_with_replacement(const RandomStream& stream, int64_t row, const double* weights,
                           int64_t n, int64_t* out, int64_t k) {
  std::vector<double> sums(static_cast<size_t>(n));
  std::partial_sum(weights, weights + n, sums.begin());
  // The last column with a weight: rounding must not lead past it.
  int64_t last = n - 1;
  while (last > 0 && weights[last] == 0) --last;
  for (int64_t j = 0; j < k; ++j) {
    double target = unit_at(stream, row * k + j) * sums.back();
    auto at = std::upper_bound(sums.begin(), sums.end(), target) - sums.begin();
    out[j] = std::min<int64_t>(at, last);
  }
}

// The k that arrive first of exponential clocks whose rates are the weights (Efraimidis and
// Spirakis 2006).
void draw_without_replacement(const RandomStream& stream, int64_t row, const double* weights,
                              int64_t n, int64_t* out, int64_t k) {
  std::vector<double> arrivals(static_cast<size_t>(n));
  std::vector<int64_t> order(static_cast<size_t>(n));
  bool overflows = false;
  for (int64_t i = 0; i < n; ++i) {
    auto at = static_cast<size_t>(i);
    arrivals[at] = weights[i] > 0 ? waiting_time(stream, row * n + i) / weights[i] : HUGE_VAL;
    overflows = overflows || (weights[i] > 0 && arrivals[at] == HUGE_VAL);
    order[at] = i;
  }
  // Among tiny weights the order is that of the logarithms; what has no weight never arrives.
  for (int64_t i = 0; overflows && i < n; ++i) {
    if (weights[i] == 0) continue;
    arrivals[static_cast<size_t>(i)] =
        std::log(waiting_time(stream, row * n + i)) - std::log(weights[i]);
  }
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int64_t a, int64_t b) {
    double x = arrivals[static_cast<size_t>(a)];
    double y = arrivals[static_cast<size_t>(b)];
    return x < y || (x == y && a < b);
  });
  std::copy_n(order.begin(), k, out);
}

// Of numbers that take long, each.
constexpr int64_t kSlowTile = 256;

// out[i] = fn(i, in[i]...) for arrays of f64.
template <class F, class... Arrays>
void each_slowly(const Array& out, F&& fn, const Arrays&... in) {
  auto* to = out.data<double>();
  auto run = [&](const auto*... from) {
    parallel_tiles(out.numel(), kSlowTile, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = fn(i, from[i]...);
    });
  };
  run(static_cast<const double*>(in.template data<double>())...);
}

class Random final : public RandomFamily {
 public:
  void uniform(const RandomStream& stream, int64_t first, double low, double high,
               const Array& out) const override {
    visit_f32_f64(out.dtype(), "uniform", [&](auto tag) {
      using T = typename decltype(tag)::type;
      T base = static_cast<T>(low);
      T span = static_cast<T>(high - low);
      fill_blocks<T>(stream, first, out, [=](const auto& w, T* values) {
        for (int64_t j = 0; j < kPerBlock<T>; ++j) {
          values[j] = base + span * unit<T>(w[static_cast<size_t>(j)]);
        }
      });
    });
  }

  void normal(const RandomStream& stream, int64_t first, double mean, double std,
              const Array& out) const override {
    visit_f32_f64(out.dtype(), "normal", [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_blocks<T>(stream, first, out, [=](const auto& w, T* values) {
        for (int64_t j = 0; j < kPerBlock<T>; j += 2) {
          auto at = static_cast<size_t>(j);
          normal_pair<T>(w[at], w[at + 1], static_cast<T>(mean), static_cast<T>(std), values + j);
        }
      });
    });
  }

  void integers(const RandomStream& stream, int64_t first, int64_t low, int64_t high,
                const Array& out) const override {
    auto* to = out.data<int64_t>();
    auto span = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
    parallel_tiles(out.numel(), kDrawTile, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        auto at = static_cast<uint64_t>(first + i);
        uint64_t word = words<double>(stream, at / 2)[at % 2];
        // The upper half of the product: off from evenness by at most span / 2^64.
        uint64_t scaled = upper_product(word, span);
        to[i] = static_cast<int64_t>(static_cast<uint64_t>(low) + scaled);
      }
    });
  }

  void bernoulli(const RandomStream& stream, const Array& p, const Array& out) const override {
    const auto* chance = p.data<double>();
    auto* to = out.data<double>();
    parallel_tiles(out.numel(), kDrawTile, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = unit_at(stream, i) < chance[i] ? 1 : 0;
    });
  }

  void permutation(const RandomStream& stream, const Array& out) const override {
    auto* to = out.data<int64_t>();
    auto count = static_cast<uint64_t>(out.numel());
    auto seed = words<double>(stream, 0)[0];
    parallel_tiles(out.numel(), kDrawTile, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        to[i] = static_cast<int64_t>(permute_index(seed, static_cast<uint64_t>(i), count));
      }
    });
  }

  void exponential(const RandomStream& stream, int64_t first, double rate,
                   const Array& out) const override {
    visit_f32_f64(out.dtype(), "exponential", [&](auto tag) {
      using T = typename decltype(tag)::type;
      fill_blocks<T>(stream, first, out, [=](const auto& w, T* values) {
        for (int64_t j = 0; j < kPerBlock<T>; ++j) {
          T time = exponential_of(unit<T>(w[static_cast<size_t>(j)])) / static_cast<T>(rate);
          values[j] = std::max(time, std::numeric_limits<T>::denorm_min());
        }
      });
    });
  }

  void multinomial(const RandomStream& stream, const Array& weights, bool replacement,
                   const Array& out) const override {
    int64_t n = weights.shape()[1];
    int64_t k = out.shape()[1];
    const auto* from = weights.data<double>();
    auto* to = out.data<int64_t>();
    parallel_for(out.shape()[0], [&](int64_t row) {
      auto* draw = replacement ? draw_with_replacement : draw_without_replacement;
      draw(stream, row, from + row * n, n, to + row * k, k);
    });
  }

  void log_gamma(const RandomStream& stream, const Array& concentration,
                 const Array& out) const override {
    each_slowly(
        out,
        [&](int64_t i, double c) {
          ElementDraws draws(stream, i);
          return draw_log_gamma(draws, c);
        },
        concentration);
  }

  void poisson(const RandomStream& stream, const Array& rate, const Array& out) const override {
    each_slowly(
        out,
        [&](int64_t i, double r) {
          ElementDraws draws(stream, i);
          return draw_poisson(draws, r);
        },
        rate);
  }

  void binomial(const RandomStream& stream, const Array& count, const Array& p,
                const Array& out) const override {
    each_slowly(
        out,
        [&](int64_t i, double n, double chance) {
          ElementDraws draws(stream, i);
          return draw_binomial(draws, n, chance);
        },
        count, p);
  }

  void gamma_slope(const Array& a, const Array& x, const Array& out) const override {
    each_slowly(
        out, [](int64_t, double a, double x) { return cpu::gamma_slope(a, x); }, a, x);
  }

  void beta_slope(const Array& x, const Array& a, const Array& b, const Array& out) const override {
    each_slowly(
        out, [](int64_t, double x, double a, double b) { return cpu::beta_slope(x, a, b); }, x, a,
        b);
  }

  void dropout_mask(const RandomStream& stream, int64_t first, double p,
                    const Array& mask) const override {
    visit_f32_f64(mask.dtype(), "dropout_mask", [&](auto tag) {
      using T = typename decltype(tag)::type;
      T keep = static_cast<T>(p < 1 ? 1 / (1 - p) : 0);
      fill_blocks<T>(stream, first, mask, [=](const auto& w, T* values) {
        for (int64_t j = 0; j < kPerBlock<T>; ++j) {
          values[j] = unit<T>(w[static_cast<size_t>(j)]) < static_cast<T>(p) ? T{0} : keep;
        }
      });
    });
  }
};

}  // namespace

template <class T>
void dropout_run(const RandomStream& stream, int64_t first, double p, int64_t count, T* out) {
  T keep = static_cast<T>(p < 1 ? 1 / (1 - p) : 0);
  int64_t last = first + count;
  for (int64_t i = first / kPerBlock<T> * kPerBlock<T>; i < last; i += kPerBlock<T>) {
    auto w = words<T>(stream, static_cast<uint64_t>(i / kPerBlock<T>));
    for (int64_t j = std::max(i, first); j < std::min(i + kPerBlock<T>, last); ++j) {
      out[j - first] = unit<T>(w[static_cast<size_t>(j - i)]) < static_cast<T>(p) ? T{0} : keep;
    }
  }
}
template void dropout_run(const RandomStream&, int64_t, double, int64_t, float*);
template void dropout_run(const RandomStream&, int64_t, double, int64_t, double*);

const RandomFamily& random_family() {
  static const Random family;
  return family;
}

}  // namespace tessera::cpu
