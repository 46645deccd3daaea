#include <array>
#include <cmath>
#include <limits>

#include "core/cpu/cpu.h"
#include "core/cpu/fold.h"

namespace tessera::cpu {
namespace {

// Lines side by side that are walked together, and elements that are worth a tile of their own.
constexpr int64_t kColumns = 256;
constexpr int64_t kTile = 16384;

// Walks the lines of (outer, n, inner), up to kColumns side by side: make_step() gives the step of
// one walk, and step(k, at, count) is called for the k-th elements of its `count` lines, which lie
// from position `at` on.
template <class MakeStep>
void walk(const Array& x, bool reverse, MakeStep make_step) {
  int64_t n = x.shape()[1];
  int64_t inner = x.shape()[2];
  if (x.numel() == 0) return;
  int64_t columns = std::min(inner, kColumns);
  int64_t column_tiles = (inner + columns - 1) / columns;
  parallel_tiles(x.shape()[0] * column_tiles, std::max<int64_t>(1, kTile / (n * columns)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t t = begin; t < end; ++t) {
                     int64_t c = t % column_tiles * columns;
                     int64_t count = std::min(columns, inner - c);
                     int64_t base = t / column_tiles * n * inner + c;
                     auto step = make_step();
                     for (int64_t k = 0; k < n; ++k) {
                       int64_t i = reverse ? n - 1 - k : k;
                       step(k, base + i * inner, count);
                     }
                   }
                 });
}

// out = acc = combine(acc, x) along each line.
template <class T, class Out, class Acc, class Combine>
void accumulate(const Array& x, bool reverse, Acc first, Combine combine, const Array& out) {
  const T* from = x.data<T>();
  Out* to = out.data<Out>();
  walk(x, reverse, [=] {
    return [=, acc = std::array<Acc, kColumns>{}](int64_t k, int64_t at, int64_t count) mutable {
      if (k == 0) std::fill_n(acc.data(), count, first);
      for (int64_t c = 0; c < count; ++c) {
        acc[static_cast<size_t>(c)] = combine(acc[static_cast<size_t>(c)], widen(from[at + c]));
        to[at + c] = convert<Out>(acc[static_cast<size_t>(c)]);
      }
    };
  });
}

// What running sums and products are kept in: there is no tree of partial results here to keep the
// error of f32 small.
template <class T>
using Running = std::conditional_t<std::is_same_v<T, float>, double, Summed<T>>;

template <class T>
void sums(const Array& x, bool reverse, const Array& out) {
  using Acc = Running<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  accumulate<T, Out>(
      x, reverse, Acc(0), [](Acc acc, Widened<T> v) { return acc + static_cast<Acc>(v); }, out);
}

template <class T>
void products(const Array& x, bool reverse, const Array& out) {
  using Acc = Running<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  accumulate<T, Out>(
      x, reverse, Acc(1), [](Acc acc, Widened<T> v) { return acc * static_cast<Acc>(v); }, out);
}

// log(exp(a) + exp(b))
template <class V>
V log_add_exp(V a, V b) {
  if (is_nan(a) || is_nan(b)) return a + b;
  V high = std::max(a, b);
  V low = std::min(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(low - high));
}

template <class T, bool largest>
void extremes(const Array& x, const Array& values, const Array& indices) {
  const T* from = x.data<T>();
  T* value = values.data<T>();
  auto* index = indices.data<int64_t>();
  int64_t inner = x.shape()[2];
  walk(x, false, [=] {
    return [=](int64_t k, int64_t at, int64_t count) {
      for (int64_t c = at; c < at + count; ++c) {
        auto v = widen(from[c]);
        bool wins = k == 0 || is_nan(v);
        if (!wins) {
          auto best = widen(value[c - inner]);
          wins = largest ? v >= best : v <= best;
        }
        value[c] = wins ? from[c] : value[c - inner];
        index[c] = wins ? k : index[c - inner];
      }
    };
  });
}

template <class T>
void recur(const Array& a, const Array& b, bool reverse, const Array& out) {
  using V = Widened<T>;
  const T* factor = a.data<T>();
  const T* term = b.data<T>();
  T* to = out.data<T>();
  walk(a, reverse, [=] {
    return [=, acc = std::array<V, kColumns>{}](int64_t k, int64_t at, int64_t count) mutable {
      for (int64_t c = 0; c < count; ++c) {
        V& y = acc[static_cast<size_t>(c)];
        y = k == 0 ? widen(term[at + c]) : widen(factor[at + c]) * y + widen(term[at + c]);
        to[at + c] = convert<T>(y);
      }
    };
  });
}

class Scan final : public ScanFamily {
 public:
  void cumsum(const Array& x, bool reverse, const Array& out) const override {
    visit_dtype(x.dtype(), [&](auto tag) { sums<typename decltype(tag)::type>(x, reverse, out); });
  }
  void cumprod(const Array& x, bool reverse, const Array& out) const override {
    visit_dtype(x.dtype(),
                [&](auto tag) { products<typename decltype(tag)::type>(x, reverse, out); });
  }
  void cumextreme(bool largest, const Array& x, const Array& values,
                  const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (largest) extremes<T, true>(x, values, indices);
      else extremes<T, false>(x, values, indices);
    });
  }
  void logcumsumexp(const Array& x, const Array& out) const override {
    visit_floating("logcumsumexp", x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      using V = Widened<T>;
      accumulate<T, T>(x, false, -std::numeric_limits<V>::infinity(), log_add_exp<V>, out);
    });
  }
  void recurrence(const Array& a, const Array& b, bool reverse, const Array& out) const override {
    visit_floating("recurrence", a.dtype(),
                   [&](auto tag) { recur<typename decltype(tag)::type>(a, b, reverse, out); });
  }
};

}  // namespace

const ScanFamily& scan_family() {
  static const Scan family;
  return family;
}

}  // namespace tessera::cpu
