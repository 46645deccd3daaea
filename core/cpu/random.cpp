#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/cpu/cpu.h"
#include "core/cpu/random.h"
#include "core/parallel.h"

namespace tessera::cpu {
namespace {

// Elements of one tile; a multiple of every block.
constexpr int64_t kTile = 8192;

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
  int64_t aligned = first / kTile * kTile;
  parallel_tiles(last - aligned, kTile, [&](int64_t begin, int64_t end) {
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
