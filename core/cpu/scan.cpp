#include <cmath>
#include <limits>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/fold.h"
#include "core/cpu/rounding.h"
#include "core/kernels/scan.h"

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
// element, and result(acc, i) each time.
template <class Acc, class First, class Next, class Result>
void walk_states(const Array& x, bool reverse, const First& first, const Next& next,
                 const Result& result) {
  int64_t n = x.shape()[1];
  int64_t stride = reverse ? -x.shape()[2] : x.shape()[2];
  for_lines(x, reverse, [&](int64_t base, int64_t count) {
    if (count == 1) {
      Acc acc = first(base);
      result(acc, base);
      for (int64_t k = 1; k < n; ++k) {
        int64_t i = base + k * stride;
        acc = next(acc, i);
        result(acc, i);
      }
      return;
    }
    Acc acc[kColumns];
    for (int64_t c = 0; c < count; ++c) {
      acc[c] = first(base + c);
      result(acc[c], base + c);
    }
    for (int64_t k = 1; k < n; ++k) {
      int64_t i = base + k * stride;
      for (int64_t c = 0; c < count; ++c) {
        acc[c] = next(acc[c], i + c);
        result(acc[c], i + c);
      }
    }
  });
}

// The same with out[i] = acc.
template <class Out, class Acc, class First, class Next>
void walk(const Array& x, bool reverse, const Array& out, const First& first, const Next& next) {
  walk_states<Acc>(x, reverse, first, next,
                   [to = out.data<Out>()](Acc acc, int64_t i) { to[i] = convert<Out>(acc); });
}

// What runs along a line is kept in this: there is no tree of partial results here to keep the
// error of f32 small.
template <class T>
using Running = std::conditional_t<std::is_integral_v<T>, uint64_t, double>;

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

// The largest element so far, and the sum of exp(element - largest).
template <class V>
struct LogSum {
  V largest;
  double sum;

  LogSum plus(V v) const {
    if (v > largest) return {v, sum * static_cast<double>(std::exp(largest - v)) + 1};
    // Their difference is a NaN, and the sum is that of one of them already.
    if (v == largest && std::isinf(v)) return *this;
    return {largest, sum + static_cast<double>(std::exp(v - largest))};
  }
};

// Along each line out = largest + log(sum) of its elements up to there, and what rounding took.
template <class T>
void log_sums(const Array& x, const Array& out, const Array& rest) {
  using V = Widened<T>;
  const T* from = x.data<T>();
  T* to = out.data<T>();
  auto* left = rest.defined() ? rest.data<double>() : nullptr;
  // -inf counts for nothing: the sum of none is 0.
  auto first = [=](int64_t i) {
    V v = widen(from[i]);
    return LogSum<V>{v, v == -std::numeric_limits<V>::infinity() ? 0.0 : 1.0};
  };
  auto result = [=](const LogSum<V>& acc, int64_t i) {
    // f32 keeps as many digits of a logarithm of its own as it can show.
    V log_sum = std::log(static_cast<V>(acc.sum));
    to[i] = convert<T>(acc.largest + log_sum);
    if (!left) return;
    auto y = static_cast<double>(widen(to[i]));
    double largest = static_cast<double>(acc.largest);
    left[i] = rounding_rest(largest, std::log(acc.sum), y, 0);
  };
  walk_states<LogSum<V>>(
      x, false, first, [=](const LogSum<V>& acc, int64_t i) { return acc.plus(widen(from[i])); },
      result);
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
  auto factor = [from = a.data<T>()](int64_t i) { return static_cast<double>(widen(from[i])); };
  auto term = [from = b.data<T>()](int64_t i) { return static_cast<double>(widen(from[i])); };
  walk<T, double>(a, reverse, out, term,
                  [=](double y, int64_t i) { return factor(i) * y + term(i); });
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
  void logcumsumexp(const Array& x, const Array& out, const Array& rest) const override {
    visit_floating("logcumsumexp", x.dtype(),
                   [&](auto tag) { log_sums<typename decltype(tag)::type>(x, out, rest); });
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
