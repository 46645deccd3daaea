#include <cmath>

#include "core/cpu/cpu.h"
#include "core/cpu/fold.h"

namespace tessera::cpu {
namespace {

// Lines side by side that are walked together, and elements that are worth a tile of their own.
constexpr int64_t kColumns = 256;
constexpr int64_t kTile = 16384;

// Calls fn(base, count) for the lines of (outer, n, inner), up to kColumns side by side: `count` of
// them, whose first elements (the last ones if reverse) lie from position `base` on.
template <class F>
void for_lines(const Array& x, bool reverse, F&& fn) {
  int64_t n = x.shape()[1];
  int64_t inner = x.shape()[2];
  if (x.numel() == 0) return;
  int64_t columns = std::min(inner, kColumns);
  int64_t column_tiles = (inner + columns - 1) / columns;
  int64_t start = reverse ? (n - 1) * inner : 0;
  parallel_tiles(x.shape()[0] * column_tiles, std::max<int64_t>(1, kTile / (n * columns)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t t = begin; t < end; ++t) {
                     int64_t c = t % column_tiles * columns;
                     fn(t / column_tiles * n * inner + c + start, std::min(columns, inner - c));
                   }
                 });
}

// Along each line: acc = first(i), then acc = next(acc, i) for the position i of each further
// element, and out[i] = acc.
template <class Out, class Acc, class First, class Next>
void walk(const Array& x, bool reverse, const Array& out, const First& first, const Next& next) {
  int64_t n = x.shape()[1];
  int64_t stride = reverse ? -x.shape()[2] : x.shape()[2];
  Out* to = out.data<Out>();
  for_lines(x, reverse, [&](int64_t base, int64_t count) {
    if (count == 1) {
      Acc acc = first(base);
      to[base] = convert<Out>(acc);
      for (int64_t k = 1; k < n; ++k) {
        int64_t i = base + k * stride;
        acc = next(acc, i);
        to[i] = convert<Out>(acc);
      }
      return;
    }
    Acc acc[kColumns];
    for (int64_t c = 0; c < count; ++c) {
      acc[c] = first(base + c);
      to[base + c] = convert<Out>(acc[c]);
    }
    for (int64_t k = 1; k < n; ++k) {
      int64_t i = base + k * stride;
      for (int64_t c = 0; c < count; ++c) {
        acc[c] = next(acc[c], i + c);
        to[i + c] = convert<Out>(acc[c]);
      }
    }
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
  auto at = [from = x.data<T>()](int64_t i) { return static_cast<Acc>(widen(from[i])); };
  walk<Out, Acc>(x, reverse, out, at, [at](Acc acc, int64_t i) { return acc + at(i); });
}

template <class T>
void products(const Array& x, bool reverse, const Array& out) {
  using Acc = Running<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  auto at = [from = x.data<T>()](int64_t i) { return static_cast<Acc>(widen(from[i])); };
  walk<Out, Acc>(x, reverse, out, at, [at](Acc acc, int64_t i) { return acc * at(i); });
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

template <class T>
void log_sums(const Array& x, const Array& out) {
  using V = Widened<T>;
  auto at = [from = x.data<T>()](int64_t i) { return widen(from[i]); };
  walk<T, V>(x, false, out, at, [at](V acc, int64_t i) { return log_add_exp(acc, at(i)); });
}

template <class T, bool largest>
void extremes(const Array& x, const Array& values, const Array& indices) {
  const T* from = x.data<T>();
  T* value = values.data<T>();
  auto* index = indices.data<int64_t>();
  int64_t n = x.shape()[1];
  int64_t inner = x.shape()[2];
  for_lines(x, false, [&](int64_t base, int64_t count) {
    for (int64_t k = 0; k < n; ++k) {
      for (int64_t c = base + k * inner; c < base + k * inner + count; ++c) {
        auto v = widen(from[c]);
        bool wins = k == 0 || is_nan(v);
        if (!wins) {
          auto best = widen(value[c - inner]);
          wins = largest ? v >= best : v <= best;
        }
        value[c] = wins ? from[c] : value[c - inner];
        index[c] = wins ? k : index[c - inner];
      }
    }
  });
}

template <class T>
void recur(const Array& a, const Array& b, bool reverse, const Array& out) {
  using V = Widened<T>;
  auto factor = [from = a.data<T>()](int64_t i) { return widen(from[i]); };
  auto term = [from = b.data<T>()](int64_t i) { return widen(from[i]); };
  walk<T, V>(a, reverse, out, term, [=](V y, int64_t i) { return factor(i) * y + term(i); });
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
    visit_floating("logcumsumexp", x.dtype(),
                   [&](auto tag) { log_sums<typename decltype(tag)::type>(x, out); });
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
