#include "core/cpu/fold.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/cpu/cpu.h"

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
    fold_middle<T>(x, Acc(0), step, kAdd, finish);
  } else {
    auto step = [](Acc acc, Widened<T> v, int64_t, int64_t) { return acc + static_cast<Acc>(v); };
    fold_middle<T>(x, Acc(0), step, kAdd, finish);
  }
}

template <class T>
void prod(const Array& x, const Array& out) {
  using Acc = Summed<T>;
  using Out = std::conditional_t<std::is_integral_v<T>, int64_t, T>;
  fold_middle<T>(
      x, Acc(1), [](Acc acc, Widened<T> v, int64_t, int64_t) { return acc * static_cast<Acc>(v); },
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
      x, limit<V>(largest),
      [](V acc, V v, int64_t, int64_t) { return extreme_of<largest>(acc, v); },
      [](V a, V b) { return extreme_of<largest>(a, b); }, store_into<T>(out));
}

// Whether any element is not zero, or none is zero. A NaN is not.
template <class T, bool every>
void truth(const Array& x, const Array& out) {
  fold_middle<T>(
      x, uint8_t{every},
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
      x, int64_t{0},
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

// Of elements [begin, end): the extreme first, which the compiler has vectors for, then its place,
// group by group.
template <bool largest, class T>
Found<Widened<T>> arg_of_line(const T* x, int64_t begin, int64_t end) {
  using V = Widened<T>;
  constexpr int64_t kGroup = 64;
  auto step = [](V acc, V v, int64_t, int64_t) { return extreme_of<largest>(acc, v); };
  V best = fold_line(x, begin, end, 0, limit<V>(largest), step, extreme_of<largest, V>);
  int64_t i = begin;
  for (; i + kGroup <= end; i += kGroup) {
    bool here = false;
    for (int64_t l = 0; l < kGroup; ++l) here |= same(widen(x[i + l]), best);
    if (here) break;
  }
  while (!same(widen(x[i]), best)) ++i;
  return {widen(x[i]), i};
}

template <class T, bool largest>
void arg_extreme(const Array& x, const Array& values, const Array& indices) {
  using V = Widened<T>;
  using Acc = Found<V>;
  int64_t stride = x.shape()[2];
  auto line = [](const T* from, int64_t begin, int64_t end, int64_t) {
    return arg_of_line<largest>(from, begin, end);
  };
  auto columns = [=](const T* from, int64_t begin, int64_t end, int64_t, int64_t count, Acc* acc) {
    for (int64_t c = 0; c < count; ++c) acc[c] = {widen(from[begin * stride + c]), begin};
    for (int64_t i = begin + 1; i < end; ++i) {
      for (int64_t c = 0; c < count; ++c) {
        V v = widen(from[i * stride + c]);
        if (better<largest>(v, acc[c].value)) acc[c] = {v, i};
      }
    }
  };
  // The left one has the lower indices.
  auto join = [](Acc a, Acc b) { return better<largest>(b.value, a.value) ? b : a; };
  fold_blocks<T>(x, Acc{}, line, columns, join,
                 [value = values.data<T>(), index = indices.data<int64_t>()](Acc acc, int64_t o) {
                   value[o] = convert<T>(acc.value);
                   index[o] = acc.index;
                 });
}

template <class T>
void norm_of(double p, const Array& x, const Array& out) {
  using V = Widened<T>;
  auto finish = store_into<T>(out);
  // The sum of term(x), then `root` of it.
  auto summed = [&](auto term, auto root) {
    fold_middle<T>(
        x, V(0), [term](V acc, V v, int64_t, int64_t) { return acc + term(v); }, kAdd,
        [&](V acc, int64_t o) { finish(root(acc), o); });
  };
  auto itself = [](V acc) { return acc; };
  if (p == 0) return summed([](V v) { return V(v != 0); }, itself);
  if (p == 1) return summed([](V v) { return std::abs(v); }, itself);
  if (p == 2) return summed([](V v) { return v * v; }, [](V acc) { return std::sqrt(acc); });
  if (std::isinf(p) && p > 0) {
    auto step = [](V acc, V v, int64_t, int64_t) { return extreme_of<true>(acc, std::abs(v)); };
    fold_middle<T>(x, V(0), step, extreme_of<true, V>, finish);
  } else if (std::isinf(p)) {
    auto step = [](V acc, V v, int64_t, int64_t) { return extreme_of<false>(acc, std::abs(v)); };
    fold_middle<T>(x, limit<V>(false), step, extreme_of<false, V>, finish);
  } else {
    auto power = static_cast<V>(p);
    summed([power](V v) { return std::pow(std::abs(v), power); },
           [power](V acc) { return std::pow(acc, V(1) / power); });
  }
}

template <class T>
void deviations(const Array& x, const Array& mean, const Array& out) {
  using V = Widened<T>;
  fold_middle<T>(
      x, V(0),
      [center = mean.data<V>()](V acc, V v, int64_t, int64_t o) {
        V apart = v - center[o];
        return acc + apart * apart;
      },
      kAdd, store_into<V>(out));
}

template <class T>
void log_sum_exp_of(const Array& x, const Array& out) {
  using V = Widened<T>;
  std::vector<V> top(static_cast<size_t>(out.numel()));
  // An infinite maximum cannot be taken away from the elements; exp of them is 0 or infinite
  // anyhow.
  fold_middle<T>(
      x, limit<V>(true), [](V acc, V v, int64_t, int64_t) { return extreme_of<true>(acc, v); },
      extreme_of<true, V>,
      [&](V acc, int64_t o) { top[static_cast<size_t>(o)] = std::isinf(acc) ? V(0) : acc; });
  fold_middle<T>(
      x, V(0),
      [largest = top.data()](V acc, V v, int64_t, int64_t o) {
        return acc + std::exp(v - largest[o]);
      },
      kAdd,
      [&, finish = store_into<T>(out)](V acc, int64_t o) {
        finish(std::log(acc) + top[static_cast<size_t>(o)], o);
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
  void square_deviations(const Array& x, const Array& mean, const Array& out) const override {
    visit_floating("var", x.dtype(),
                   [&](auto tag) { deviations<typename decltype(tag)::type>(x, mean, out); });
  }
  void log_sum_exp(const Array& x, const Array& out) const override {
    visit_floating("logsumexp", x.dtype(),
                   [&](auto tag) { log_sum_exp_of<typename decltype(tag)::type>(x, out); });
  }
};

}  // namespace

const FoldFamily& fold_family() {
  static const Fold family;
  return family;
}

}  // namespace tessera::cpu
