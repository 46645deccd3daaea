#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core/cpu/batch_norm.cpp"
#include <hwy/foreach_target.h>

#include "core/array.h"
#include "core/cpu/convert.h"
#include "core/cpu/cpu.h"
#include "core/cpu/exact_moments.h"
#include "core/cpu/rows-inl.h"
#include "core/kernels/batch_norm.h"
#include "core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::cpu::HWY_NAMESPACE {

// How (outer, channels, inner) is cut into pieces that stay in the cache for a second look. Where
// inner is 1, channels last, a piece is a block of rows with all channels; else it is a part of one
// channel's plane. Sums over a channel run inside the pieces, then over the pieces.
struct Pieces {
  static constexpr int64_t kElements = 16384;

  int64_t outer, channels, inner;
  bool columns;   // inner is 1
  int64_t piece;  // rows, or elements of a plane
  int64_t planes_pieces;
  int64_t count;  // of each channel

  explicit Pieces(const Array& x)
      : outer(x.shape()[0]), channels(x.shape()[1]), inner(x.shape()[2]), columns(inner == 1) {
    int64_t rows = kElements / std::max<int64_t>(channels, 1);
    piece = columns ? std::clamp<int64_t>(rows, 64, 256) : kElements;
    planes_pieces = columns ? 1 : (inner + piece - 1) / piece;
    count = columns ? (outer + piece - 1) / piece : outer * planes_pieces;
  }
  // Elements of one channel in piece k.
  int64_t size(int64_t k) const {
    return columns ? std::min(piece, outer - k * piece)
                   : std::min(piece, inner - k % planes_pieces * piece);
  }
  double total() const { return static_cast<double>(outer) * static_cast<double>(inner); }

  // columns: calls fn(k, offset, rows) for all pieces.
  template <class F>
  void each_block(F&& fn) const {
    parallel_for(count, [&](int64_t k) { fn(k, k * piece * channels, size(k)); });
  }
  // Otherwise: calls fn(k, channel, offset, elements) for all pieces.
  template <class F>
  void each_plane(F&& fn) const {
    int64_t tile = std::max<int64_t>(1, kElements / std::max<int64_t>(1, std::min(inner, piece)));
    parallel_tiles(count * channels, tile, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        int64_t k = t / channels;
        int64_t c = t % channels;
        int64_t plane = k / planes_pieces * channels + c;
        fn(k, c, plane * inner + k % planes_pieces * piece, static_cast<size_t>(size(k)));
      }
    });
  }
  // Calls fn(begin, end) for ranges of channels.
  template <class F>
  void each_channels(F&& fn) const {
    parallel_tiles(channels, std::max<int64_t>(16, kElements / std::max<int64_t>(count, 1)), fn);
  }
};

// Two numbers for each piece and channel.
template <class T>
struct Partials {
  Array first_array, second_array;
  T* first;
  T* second;
  explicit Partials(const Pieces& p)
      : first_array(Array::empty({p.count, p.channels}, dtype_of<T>())),
        second_array(Array::empty({p.count, p.channels}, dtype_of<T>())),
        first(first_array.data<T>()),
        second(second_array.data<T>()) {}
};

// The mean of each piece, and the sum of squared distances from it.
template <class T>
void piece_moments(const Pieces& p, const T* x, const Partials<T>& out) {
  if (!p.columns) {
    p.each_plane([&](int64_t k, int64_t c, int64_t offset, size_t n) HWY_ATTR {
      T mean = row_sum(x + offset, n) / static_cast<T>(n);
      const Vec<T> center = hn::Set(hn::ScalableTag<T>(), mean);
      out.first[k * p.channels + c] = mean;
      out.second[k * p.channels + c] = sum_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
        const hn::ScalableTag<T> d;
        Vec<T> v = load_lanes(x + offset + j, lanes) - center;
        if (lanes < hn::Lanes(d)) v = hn::IfThenElseZero(hn::FirstN(d, lanes), v);
        return v * v;
      });
    });
    return;
  }
  auto n = static_cast<size_t>(p.channels);
  p.each_block([&](int64_t k, int64_t offset, int64_t rows) HWY_ATTR {
    T* mean = out.first + k * p.channels;
    T* squares = out.second + k * p.channels;
    std::fill_n(mean, n, T{0});
    std::fill_n(squares, n, T{0});
    const T* block = x + offset;
    for (int64_t i = 0; i < rows; ++i) add_row(block + i * p.channels, mean, n);
    scale_row(T{1} / static_cast<T>(rows), mean, n);
    for (int64_t i = 0; i < rows; ++i) {
      const T* row = block + i * p.channels;
      for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
        Vec<T> v = load_lanes(row + j, lanes) - load_lanes(mean + j, lanes);
        store_lanes(hn::MulAdd(v, v, load_lanes(squares + j, lanes)), lanes, squares + j);
      });
    }
  });
}

// Chan, Golub and LeVeque 1979: moments of a union from those of its parts.
template <class T>
NormMoments<T> joined_moments(const Pieces& p, const Partials<T>& pieces, int64_t c, T eps) {
  double count = 0;
  double center = 0;
  double squares = 0;
  for (int64_t k = 0; k < p.count; ++k) {
    auto size = static_cast<double>(p.size(k));
    double distance = static_cast<double>(pieces.first[k * p.channels + c]) - center;
    double share = size / (count + size);
    center += distance * share;
    squares += static_cast<double>(pieces.second[k * p.channels + c]) +
               distance * distance * count * share;
    count += size;
  }
  NormMoments<T> m{static_cast<T>(center), T{0}, static_cast<T>(squares / count), T{0}};
  m.rstd = T{1} / std::sqrt(m.var + eps);
  return m;
}

template <class T>
void moments_typed(const Array& x, double eps, const Array& mean, const Array& var,
                   const Array& rstd) {
  const Pieces p(x);
  const Partials<T> pieces(p);
  piece_moments(p, x.data<T>(), pieces);
  ElementRuns runs{p.outer, p.channels * p.inner, p.inner, 1};
  if (p.columns) runs = {1, 0, p.outer, p.channels};
  p.each_channels([&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      NormMoments<T> m = joined_moments(p, pieces, c, static_cast<T>(eps));
      if (needs_exact_moments(m.mean, m.var, m.rstd, static_cast<T>(eps)) && p.total() > 0) {
        m = rounded_moments<T>(exact_moments_of(x.data<T>() + c * p.inner, runs, true), eps);
      }
      mean.data<T>()[c] = m.mean;
      mean.data<T>()[p.channels + c] = m.rest;
      var.data<T>()[c] = m.var;
      rstd.data<T>()[c] = m.rstd;
    }
  });
}

// A number for each channel, or one for all.
template <class T>
T channel_value(const Array& x, int64_t c, T otherwise) {
  return x.defined() ? x.data<T>()[c] : otherwise;
}

template <class T>
Array channel_scales(const Array& weight, const Array& rstd) {
  Array out = Array::empty(rstd.shape(), rstd.dtype());
  for (int64_t c = 0; c < out.numel(); ++c) {
    out.data<T>()[c] = rstd.data<T>()[c] * channel_value(weight, c, T{1});
  }
  return out;
}

// bias - what rounding took from mean, scaled.
template <class T>
Array channel_shifts(const Array& bias, const Array& mean, const Array& scales) {
  int64_t channels = scales.numel();
  Array out = Array::zeros(scales.shape(), scales.dtype());
  const T* rest = mean.data<T>() + channels;
  for (int64_t c = 0; c < channels; ++c) {
    T shift = channel_value(bias, c, T{0});
    out.data<T>()[c] = rest[c] == 0 ? shift : shift - rest[c] * scales.data<T>()[c];
  }
  return out;
}

template <class T>
void normalize_typed(const Array& x, const Array& weight, const Array& bias, const Array& mean,
                     const Array& rstd, const Array& y) {
  const Pieces p(x);
  Array scales = channel_scales<T>(weight, rstd);
  Array shifts = channel_shifts<T>(bias, mean, scales);
  const T* from = x.data<T>();
  const T* center = mean.data<T>();
  const T* scale = scales.data<T>();
  const T* shift = shifts.data<T>();
  T* to = y.data<T>();
  bool streams = y.nbytes() >= kStreamBytes;
  if (!p.columns) {
    p.each_plane([&](int64_t, int64_t c, int64_t offset, size_t n) HWY_ATTR {
      const hn::ScalableTag<T> d;
      const Vec<T> m = hn::Set(d, center[c]);
      const Vec<T> s = hn::Set(d, scale[c]);
      const Vec<T> b = hn::Set(d, shift[c]);
      write_row<T>(streams, n, to + offset, [&](size_t j, size_t lanes) HWY_ATTR {
        return hn::MulAdd(load_lanes(from + offset + j, lanes) - m, s, b);
      });
      if (streams) stream_fence();
    });
    return;
  }
  auto n = static_cast<size_t>(p.channels);
  p.each_block([&](int64_t, int64_t offset, int64_t rows) HWY_ATTR {
    for (int64_t i = 0; i < rows; ++i) {
      const T* row = from + offset + i * p.channels;
      write_row<T>(streams, n, to + offset + i * p.channels, [&](size_t j, size_t lanes) HWY_ATTR {
        return hn::MulAdd(load_lanes(row + j, lanes) - load_lanes(center + j, lanes),
                          load_lanes(scale + j, lanes), load_lanes(shift + j, lanes));
      });
    }
    if (streams) stream_fence();
  });
}

// sum(dy) and sum(dy xhat) of each piece.
template <class T>
void piece_sums(const Pieces& p, const T* x, const T* dy, const T* mean, const T* rstd,
                const Partials<T>& out) {
  if (!p.columns) {
    p.each_plane([&](int64_t k, int64_t c, int64_t offset, size_t n) HWY_ATTR {
      const Vec<T> center = hn::Set(hn::ScalableTag<T>(), mean[c]);
      out.first[k * p.channels + c] = row_sum(dy + offset, n);
      out.second[k * p.channels + c] = rstd[c] * sum_of<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
                                         // Beyond the end dy's zeros take x - mean away.
                                         return load_lanes(dy + offset + j, lanes) *
                                                (load_lanes(x + offset + j, lanes) - center);
                                       });
    });
    return;
  }
  auto n = static_cast<size_t>(p.channels);
  p.each_block([&](int64_t k, int64_t offset, int64_t rows) HWY_ATTR {
    T* sums = out.first + k * p.channels;
    T* products = out.second + k * p.channels;
    std::fill_n(sums, n, T{0});
    std::fill_n(products, n, T{0});
    for (int64_t i = 0; i < rows; ++i) {
      int64_t at = offset + i * p.channels;
      for_each_vector<T>(n, [&](size_t j, size_t lanes) HWY_ATTR {
        Vec<T> dyj = load_lanes(dy + at + j, lanes);
        Vec<T> xhat = (load_lanes(x + at + j, lanes) - load_lanes(mean + j, lanes)) *
                      load_lanes(rstd + j, lanes);
        store_lanes(load_lanes(sums + j, lanes) + dyj, lanes, sums + j);
        store_lanes(hn::MulAdd(dyj, xhat, load_lanes(products + j, lanes)), lanes, products + j);
      });
    }
  });
}

// dx = scale (dy - mean(dy) - xhat mean(dy xhat)) with the means per channel: three numbers each.
template <class T>
struct DxFactors {
  Array scale, mean_dy, slope;
};

// dx = scale (dy - mean_dy - (x - mean) slope)
template <class T>
void write_dx(const Pieces& p, const T* x, const T* dy, const T* mean, const DxFactors<T>& f,
              bool streams, T* dx) {
  const T* scale = f.scale.template data<T>();
  const T* mean_dy = f.mean_dy.template data<T>();
  const T* slope = f.slope.template data<T>();
  const hn::ScalableTag<T> d;
  if (!p.columns) {
    p.each_plane([&](int64_t, int64_t c, int64_t offset, size_t n) HWY_ATTR {
      const Vec<T> center = hn::Set(d, mean[c]);
      const Vec<T> s = hn::Set(d, scale[c]);
      const Vec<T> m = hn::Set(d, mean_dy[c]);
      const Vec<T> k = hn::Set(d, slope[c]);
      write_row<T>(streams, n, dx + offset, [&](size_t j, size_t lanes) HWY_ATTR {
        Vec<T> v = load_lanes(x + offset + j, lanes) - center;
        return s * (load_lanes(dy + offset + j, lanes) - m - v * k);
      });
      if (streams) stream_fence();
    });
    return;
  }
  auto n = static_cast<size_t>(p.channels);
  p.each_block([&](int64_t, int64_t offset, int64_t rows) HWY_ATTR {
    for (int64_t i = 0; i < rows; ++i) {
      int64_t at = offset + i * p.channels;
      write_row<T>(streams, n, dx + at, [&](size_t j, size_t lanes) HWY_ATTR {
        Vec<T> v = load_lanes(x + at + j, lanes) - load_lanes(mean + j, lanes);
        return load_lanes(scale + j, lanes) *
               (load_lanes(dy + at + j, lanes) - load_lanes(mean_dy + j, lanes) -
                v * load_lanes(slope + j, lanes));
      });
    }
    if (streams) stream_fence();
  });
}

template <class T>
void grad_typed(const Array& x, const Array& weight, const Array& mean, const Array& rstd,
                bool own_moments, const Array& dy, const Array& dx, const Array& dweight,
                const Array& dbias) {
  const Pieces p(x);
  const Partials<T> pieces(p);
  piece_sums(p, x.data<T>(), dy.data<T>(), mean.data<T>(), rstd.data<T>(), pieces);
  const DxFactors<T> f{channel_scales<T>(weight, rstd), Array::zeros(rstd.shape(), x.dtype()),
                       Array::zeros(rstd.shape(), x.dtype())};
  const T* rest = mean.data<T>() + p.channels;
  p.each_channels([&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double sum = 0;
      double product = 0;
      for (int64_t k = 0; k < p.count; ++k) {
        sum += static_cast<double>(pieces.first[k * p.channels + c]);
        product += static_cast<double>(pieces.second[k * p.channels + c]);
      }
      // x - mean was summed without the rest.
      if (rest[c] != 0) {
        product -= sum * static_cast<double>(rest[c]) * static_cast<double>(rstd.data<T>()[c]);
      }
      dbias.data<T>()[c] = static_cast<T>(sum);
      dweight.data<T>()[c] = static_cast<T>(product);
      if (!own_moments) continue;
      T slope = rstd.data<T>()[c] * static_cast<T>(product / p.total());
      T mean_dy = static_cast<T>(sum / p.total());
      f.slope.template data<T>()[c] = slope;
      f.mean_dy.template data<T>()[c] = rest[c] == 0 ? mean_dy : mean_dy - rest[c] * slope;
    }
  });
  if (!dx.defined()) return;
  write_dx(p, x.data<T>(), dy.data<T>(), mean.data<T>(), f, dx.nbytes() >= kStreamBytes,
           dx.data<T>());
}

void run_moments(const Array& x, double eps, const Array& mean, const Array& var,
                 const Array& rstd) {
  visit_f32_f64(x.dtype(), "batch_norm", [&](auto tag) {
    moments_typed<typename decltype(tag)::type>(x, eps, mean, var, rstd);
  });
}

void run_normalize(const Array& x, const Array& weight, const Array& bias, const Array& mean,
                   const Array& rstd, const Array& y) {
  visit_f32_f64(x.dtype(), "batch_norm", [&](auto tag) {
    normalize_typed<typename decltype(tag)::type>(x, weight, bias, mean, rstd, y);
  });
}

void run_grad(const Array& x, const Array& weight, const Array& mean, const Array& rstd,
              bool own_moments, const Array& dy, const Array& dx, const Array& dweight,
              const Array& dbias) {
  visit_f32_f64(x.dtype(), "batch_norm_grad", [&](auto tag) {
    grad_typed<typename decltype(tag)::type>(x, weight, mean, rstd, own_moments, dy, dx, dweight,
                                             dbias);
  });
}

}  // namespace tessera::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::cpu {

HWY_EXPORT(run_moments);
HWY_EXPORT(run_normalize);
HWY_EXPORT(run_grad);

namespace {

class BatchNorm final : public BatchNormFamily {
 public:
  void moments(const Array& x, double eps, const Array& mean, const Array& var,
               const Array& rstd) const override {
    HWY_DYNAMIC_DISPATCH(run_moments)(x, eps, mean, var, rstd);
  }
  void normalize(const Array& x, const Array& weight, const Array& bias, const Array& mean,
                 const Array& rstd, const Array& y) const override {
    HWY_DYNAMIC_DISPATCH(run_normalize)(x, weight, bias, mean, rstd, y);
  }
  void grad(const Array& x, const Array& weight, const Array& mean, const Array& rstd,
            bool own_moments, const Array& dy, const Array& dx, const Array& dweight,
            const Array& dbias) const override {
    HWY_DYNAMIC_DISPATCH(run_grad)(x, weight, mean, rstd, own_moments, dy, dx, dweight, dbias);
  }
};

}  // namespace

const BatchNormFamily& batch_norm_family() {
  static const BatchNorm family;
  return family;
}

}  // namespace tessera::cpu
#endif  // HWY_ONCE
