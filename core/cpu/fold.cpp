#include "core/cpu/fold.h"
#include "core/array.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/cpu/cpu.h"
#include "core/cpu/exact_moments.h"
#include "core/cpu/rounding.h"
#include "core/kernels/fold.h"

namespace tessera::cpu {
namespace {

constexpr auto kAdd = [](auto a, auto b) { return static_cast<decltype(a)>(a + b); };

// Stores an accumulator as the dtype of out.
template <class Out>
auto store_into(const Array& out) {
  return [to = out.data<Out>()](auto acc, int64_t o) { to[o] = convert<Out>(acc); };
}

template <class T>
void sum(const Array& x, bool skip_nan, const Array& out) {
  using Acc = Summed<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  auto finish = store_into<Out>(out);
  if (skip_nan && !std::is_integral_v<T>) {
    auto step = [](Acc acc, Widened<T> v, int64_t, int64_t) {
      return acc + (is_nan(v) ? Acc(0) : static_cast<Acc>(v));
    };
    fold_middle<T>(x, out, Acc(0), step, kAdd, finish);
  } else {
    auto step = [](Acc acc, Widened<T> v, int64_t, int64_t) { return acc + static_cast<Acc>(v); };
    fold_middle<T>(x, out, Acc(0), step, kAdd, finish);
  }
}

template <class T>
void prod(const Array& x, const Array& out) {
  using Acc = Summed<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  fold_middle<T>(
      x, out, Acc(1),
      [](Acc acc, Widened<T> v, int64_t, int64_t) { return acc * static_cast<Acc>(v); },
      [](Acc a, Acc b) { return a * b; }, store_into<Out>(out));
}

// The smallest value of the type, or the largest.
template <class V>
constexpr V limit(bool lowest) {
  using Limits = std::numeric_limits<V>;
  if constexpr (Limits::has_infinity) return lowest ? -Limits::infinity() : Limits::infinity();
  else return lowest ? Limits::lowest() : Limits::max();
}

// `v` replaces acc where it is larger (smaller) or NaN.
template <bool largest, class V>
V extreme_of(V acc, V v) {
  bool wins = largest ? v > acc : v < acc;
  return wins || is_nan(v) ? v : acc;
}

template <class T, bool largest>
void extreme(const Array& x, const Array& out) {
  using V = Widened<T>;
  fold_middle<T>(
      x, out, limit<V>(largest),
      [](V acc, V v, int64_t, int64_t) { return extreme_of<largest>(acc, v); },
      [](V a, V b) { return extreme_of<largest>(a, b); }, store_into<T>(out));
}

// Whether any element is not zero, or none is zero. A NaN is not.
template <class T, bool every>
void truth(const Array& x, const Array& out) {
  fold_middle<T>(
      x, out, uint8_t{every},
      [](uint8_t acc, Widened<T> v, int64_t, int64_t) {
        uint8_t holds = v != Widened<T>(0);
        return static_cast<uint8_t>(every ? acc & holds : acc | holds);
      },
      [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(every ? a & b : a | b); },
      store_into<bool>(out));
}

template <class T>
void count_nonzero(const Array& x, const Array& out) {
  fold_middle<T>(
      x, out, int64_t{0},
      [](int64_t acc, Widened<T> v, int64_t, int64_t) { return acc + (v != Widened<T>(0)); }, kAdd,
      store_into<int64_t>(out));
}

template <class T>
void run_op(FoldOp op, const Array& x, const Array& out) {
  switch (op) {
    case FoldOp::sum: return sum<T>(x, false, out);
    case FoldOp::nansum: return sum<T>(x, true, out);
    case FoldOp::prod: return prod<T>(x, out);
    case FoldOp::min: return extreme<T, false>(x, out);
    case FoldOp::max: return extreme<T, true>(x, out);
    case FoldOp::any: return truth<T, false>(x, out);
    case FoldOp::all: return truth<T, true>(x, out);
    case FoldOp::count_nonzero: return count_nonzero<T>(x, out);
  }
}

template <class V>
struct Found {
  V value;
  int64_t index;
};

template <bool largest, class V>
bool better(V a, V b) {
  return (largest ? a > b : a < b) || (is_nan(a) && !is_nan(b));
}

template <class V>
bool same(V a, V b) {
  return a == b || (is_nan(a) && is_nan(b));
}

// Of elements [begin, end), which begin at x: the extreme first, which the compiler has vectors
// for, then its place, group by group.
template <bool largest, class T>
Found<Widened<T>> arg_of_line(const T* x, int64_t begin, int64_t end) {
  using V = Widened<T>;
  constexpr int64_t kGroup = 64;
  auto step = [](V acc, V v, int64_t, int64_t) { return extreme_of<largest>(acc, v); };
  V best = fold_line(x, begin, end, 0, limit<V>(largest), step, extreme_of<largest, V>);
  int64_t i = 0;
  for (; i + kGroup <= end - begin; i += kGroup) {
    bool here = false;
    for (int64_t l = 0; l < kGroup; ++l) here |= same(widen(x[i + l]), best);
    if (here) break;
  }
  while (!same(widen(x[i]), best)) ++i;
  return {widen(x[i]), begin + i};
}

template <class T, bool largest>
void arg_extreme(const Array& x, const Array& values, const Array& indices) {
  using V = Widened<T>;
  using Acc = Found<V>;
  auto line = [](const T* from, int64_t begin, int64_t end, int64_t) {
    return arg_of_line<largest>(from, begin, end);
  };
  auto columns = [](const T* row, int64_t stride, int64_t begin, int64_t end, int64_t,
                    int64_t count, Acc* acc) {
    for (int64_t c = 0; c < count; ++c) acc[c] = {widen(row[c]), begin};
    for (int64_t i = begin + 1; i < end; ++i) {
      row += stride;
      for (int64_t c = 0; c < count; ++c) {
        V v = widen(row[c]);
        if (better<largest>(v, acc[c].value)) acc[c] = {v, i};
      }
    }
  };
  // The left one has the lower indices.
  auto join = [](Acc a, Acc b) { return better<largest>(b.value, a.value) ? b : a; };
  fold_blocks<T>(x, values, Acc{}, line, columns, join,
                 [value = values.data<T>(), index = indices.data<int64_t>()](Acc acc, int64_t o) {
                   value[o] = convert<T>(acc.value);
                   index[o] = acc.index;
                 });
}

// One line of (outer, n, inner), read element by element.
template <class T>
class Line {
 public:
  Line(const RowMajor<T>& elements, const FoldShape& shape, int64_t o)
      : elements_(elements),
        first_(o / shape.inner * shape.n * shape.inner + o % shape.inner),
        stride_(shape.inner) {}
  Widened<T> operator()(int64_t i) const { return widen(elements_.at(first_ + i * stride_)); }

 private:
  const RowMajor<T>& elements_;
  int64_t first_;
  int64_t stride_;
};

// The p-norm for which the powers of numbers themselves overflow or vanish: those of their ratios
// to the largest (or, for a negative p, the smallest) do not.
template <class T>
double scaled_norm(double p, int64_t n, const Line<T>& x) {
  auto size = [&](int64_t i) { return std::abs(static_cast<double>(x(i))); };
  double extreme = p > 0 ? 0 : HUGE_VAL;
  for (int64_t i = 0; i < n; ++i) {
    if (is_nan(size(i))) return size(i);
    extreme = p > 0 ? std::max(extreme, size(i)) : std::min(extreme, size(i));
  }
  if (extreme == 0 || std::isinf(extreme)) return extreme;
  double sum = lane_sum(n, [&](int64_t i) { return std::pow(size(i) / extreme, p); });
  return extreme * std::pow(sum, 1 / p);
}

// The largest or smallest magnitude.
template <class T, bool largest>
void extreme_norm(const Array& x, const Array& out) {
  using V = Widened<T>;
  fold_middle<T>(
      x, out, largest ? V(0) : limit<V>(false),
      [](V acc, V v, int64_t, int64_t) { return extreme_of<largest>(acc, std::abs(v)); },
      extreme_of<largest, V>, store_into<T>(out));
}

// The sum of term(x), then root(sum, o) of it.
template <class T, class Term, class Root>
void summed_norm(const Array& x, const Array& out, const Term& term, const Root& root) {
  using V = Widened<T>;
  fold_middle<T>(
      x, out, V(0), [term](V acc, V v, int64_t, int64_t) { return acc + term(v); }, kAdd,
      [&, finish = store_into<T>(out)](V acc, int64_t o) { finish(root(acc, o), o); });
}

template <class T>
void norm_of(double p, const Array& x, const Array& out) {
  using V = Widened<T>;
  auto itself = [](V acc, int64_t) { return acc; };
  const FoldShape shape(x, out);
  const RowMajor<T> elements(x);
  // The root of a sum of powers, or what is right where they overflowed or vanished.
  auto root_of = [&](auto root) {
    return [&, root](V acc, int64_t o) -> double {
      constexpr V kVanishing = std::is_same_v<V, double> ? V(1e-280) : V(1e-30F);
      if (acc >= kVanishing && !std::isinf(acc)) return static_cast<double>(root(acc));
      return shape.n == 0 ? 0 : scaled_norm(p, shape.n, Line<T>(elements, shape, o));
    };
  };
  auto nonzero = [](V v) { return V(v != 0); };
  auto magnitude = [](V v) { return std::abs(v); };
  if (p == 0) return summed_norm<T>(x, out, nonzero, itself);
  if (p == 1) return summed_norm<T>(x, out, magnitude, itself);
  if (p == 2) {
    return summed_norm<T>(
        x, out, [](V v) { return v * v; }, root_of([](V acc) { return std::sqrt(acc); }));
  }
  if (std::isinf(p)) return p > 0 ? extreme_norm<T, true>(x, out) : extreme_norm<T, false>(x, out);
  auto power = static_cast<V>(p);
  summed_norm<T>(
      x, out, [power](V v) { return std::pow(std::abs(v), power); },
      root_of([power](V acc) { return std::pow(acc, V(1) / power); }));
}

// What a first mean leaves, and the squares of the distances from it.
struct Deviations {
  double sum = 0;
  double squares = 0;
};

// The mean of each line, in f64.
template <class T>
std::vector<double> means_of(const Array& x, const Array& out) {
  auto n = static_cast<double>(FoldShape(x, out).n);
  std::vector<double> mean(static_cast<size_t>(out.numel()));
  fold_middle<T>(
      x, out, 0.0,
      [](double acc, Widened<T> v, int64_t, int64_t) { return acc + static_cast<double>(v); }, kAdd,
      [&](double acc, int64_t o) { mean[static_cast<size_t>(o)] = acc / n; });
  return mean;
}

// In f64: the squares of floats, and sums of them, are within its range, and their mean is as good
// as exact. `wanted` tells the outputs to write.
template <class T>
void wide_variance(const Array& x, double divisor, bool root, const uint8_t* wanted,
                   const Array& out) {
  std::vector<double> mean = means_of<T>(x, out);
  auto step = [center = mean.data()](double acc, Widened<T> v, int64_t, int64_t o) {
    double apart = static_cast<double>(v) - center[o];
    return acc + apart * apart;
  };
  fold_middle<T>(x, out, 0.0, step, kAdd,
                 [&, store = store_into<T>(out)](double squares, int64_t o) {
                   double var = squares / divisor;
                   if (wanted[o]) store(root ? std::sqrt(var) : var, o);
                 });
}

// In f32 first, which has twice as many numbers in a vector. That is good but for squares that
// overflow or vanish, and where the mean's last digit is not small beside the deviations.
template <class T>
void variance_of(const Array& x, double divisor, bool root, const Array& out) {
  auto n = static_cast<float>(FoldShape(x, out).n);
  std::vector<float> mean(static_cast<size_t>(out.numel()));
  fold_middle<T>(
      x, out, 0.0F, [](float acc, float v, int64_t, int64_t) { return acc + v; }, kAdd,
      [&](float acc, int64_t o) { mean[static_cast<size_t>(o)] = acc / n; });
  std::vector<uint8_t> again(mean.size());
  auto step = [center = mean.data()](float acc, float v, int64_t, int64_t o) {
    float apart = v - center[o];
    return acc + apart * apart;
  };
  auto finish = [&, store = store_into<T>(out)](float squares, int64_t o) {
    constexpr float kVanishing = 1e-30F;
    auto at = static_cast<size_t>(o);
    float near = mean[at] / static_cast<float>(kLargeBesideOthers);
    float spread = squares / n;
    again[at] = std::isinf(mean[at]) || !(spread >= kVanishing) || std::isinf(spread) ||
                near * near >= spread;
    float var = squares / static_cast<float>(divisor);
    store(root ? std::sqrt(var) : var, o);
  };
  fold_middle<T>(x, out, 0.0F, step, kAdd, finish);
  if (n > 0 && std::any_of(again.begin(), again.end(), [](uint8_t a) { return a != 0; })) {
    wide_variance<T>(x, divisor, root, again.data(), out);
  }
}

// Of doubles, what the mean's rounding left is taken away, and lines whose squares overflow or
// vanish are computed again.
template <>
void variance_of<double>(const Array& x, double divisor, bool root, const Array& out) {
  std::vector<double> mean = means_of<double>(x, out);
  const FoldShape shape(x, out);
  const RowMajor<double> elements(x);
  auto n = static_cast<double>(shape.n);
  auto step = [center = mean.data()](Deviations acc, double v, int64_t, int64_t o) {
    double apart = v - center[o];
    return Deviations{acc.sum + apart, acc.squares + apart * apart};
  };
  auto join = [](Deviations a, Deviations b) {
    return Deviations{a.sum + b.sum, a.squares + b.squares};
  };
  fold_middle<double>(x, out, Deviations{}, step, join, [&](Deviations acc, int64_t o) {
    double squares = acc.squares - acc.sum * acc.sum / n;
    double scale = 1;
    if (shape.n > 0 && (!(squares >= 1e-280) || std::isinf(squares))) {
      ExactMoments m = exact_moments<double>(shape.n, true, Line<double>(elements, shape, o));
      squares = m.var * n;
      scale = m.scale;
    }
    double var = squares / divisor;
    out.data<double>()[o] = root ? std::sqrt(var) / scale : var / scale / scale;
  });
}

template <class T>
void log_sum_exp_of(const Array& x, const Array& out, const Array& rest) {
  using V = Widened<T>;
  std::vector<V> top(static_cast<size_t>(out.numel()));
  // An infinite maximum cannot be taken away from the elements; exp of them is 0 or infinite
  // anyhow.
  fold_middle<T>(
      x, out, limit<V>(true), [](V acc, V v, int64_t, int64_t) { return extreme_of<true>(acc, v); },
      extreme_of<true, V>,
      [&](V acc, int64_t o) { top[static_cast<size_t>(o)] = std::isinf(acc) ? V(0) : acc; });
  fold_middle<T>(
      x, out, V(0),
      [largest = top.data()](V acc, V v, int64_t, int64_t o) {
        return acc + std::exp(v - largest[o]);
      },
      kAdd,
      [&, y = out.data<T>(), r = rest.defined() ? rest.data<T>() : nullptr](V acc, int64_t o) {
        V largest = top[static_cast<size_t>(o)];
        V log_sum = std::log(acc);
        y[o] = convert<T>(log_sum + largest);
        // 16 bits round so much that it always matters.
        double from = std::is_same_v<T, V> ? kLargeBesideOthers : 0;
        if (r) r[o] = convert<T>(rounding_rest<V>(largest, log_sum, widen(y[o]), from));
      });
}

class Fold final : public FoldFamily {
 public:
  void run(FoldOp op, const Array& x, const Array& out) const override {
    visit_dtype(x.dtype(), [&](auto tag) { run_op<typename decltype(tag)::type>(op, x, out); });
  }
  void arg(bool largest, const Array& x, const Array& values, const Array& indices) const override {
    visit_dtype(x.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (largest) arg_extreme<T, true>(x, values, indices);
      else arg_extreme<T, false>(x, values, indices);
    });
  }
  void norm(double p, const Array& x, const Array& out) const override {
    visit_floating("norm", x.dtype(),
                   [&](auto tag) { norm_of<typename decltype(tag)::type>(p, x, out); });
  }
  void variance(const Array& x, double divisor, bool root, const Array& out) const override {
    visit_floating("var", x.dtype(), [&](auto tag) {
      variance_of<typename decltype(tag)::type>(x, divisor, root, out);
    });
  }
  void log_sum_exp(const Array& x, const Array& out, const Array& rest) const override {
    visit_floating("logsumexp", x.dtype(),
                   [&](auto tag) { log_sum_exp_of<typename decltype(tag)::type>(x, out, rest); });
  }
};

}  // namespace

const FoldFamily& fold_family() {
  static const Fold family;
  return family;
}

}  // namespace tessera::cpu
