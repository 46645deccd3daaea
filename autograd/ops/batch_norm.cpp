#include "autograd/ops/batch_norm.h"

#include <cmath>
#include <functional>

#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "autograd/running_statistics.h"
#include "core/kernels.h"
#include "core/kernels/batch_norm.h"

namespace tessera {
namespace {

// How the kernel sees (N, C, ...): (N, C, inner), or (rows, C, 1) where channels lie side by side.
struct Layout {
  bool channels_last;
  Dims shape;

  explicit Layout(const Array& x) : shape(x.shape()) {
    channels_last = x.dim() > 2 && !x.is_contiguous() && moved(x).is_contiguous();
  }
  int64_t channels() const { return shape[1]; }
  Array to_kernel(const Array& x) const {
    int64_t c = channels();
    if (channels_last) return moved(x).contiguous().view({rows(), c, 1});
    return x.contiguous().view({shape[0], c, shape[0] * c == 0 ? 0 : x.numel() / shape[0] / c});
  }
  Array empty_like(const Array& x) const {
    if (!channels_last) return Array::empty(shape, x.dtype(), x.device());
    Dims last = moved(x).shape();
    Dims back{0, static_cast<int64_t>(shape.size()) - 1};
    for (size_t d = 1; d + 1 < shape.size(); ++d) back.push_back(static_cast<int64_t>(d));
    return Array::empty(last, x.dtype(), x.device()).permute(back);
  }

 private:
  int64_t rows() const { return channels() == 0 ? 0 : num_elements(shape) / channels(); }
  static Array moved(const Array& x) {
    Dims order{0};
    for (size_t d = 2; d < x.dim(); ++d) order.push_back(static_cast<int64_t>(d));
    order.push_back(1);
    return x.permute(order);
  }
};

// All dims but the channels'.
Dims other_dims(size_t rank) {
  Dims out{0};
  for (size_t d = 2; d < rank; ++d) out.push_back(static_cast<int64_t>(d));
  return out;
}

// (C,) in front of x's dims.
Tensor by_channel(const Tensor& v, size_t rank) {
  Dims shape(rank, 1);
  shape[1] = v.numel();
  return reshape(v, shape);
}

struct ChannelNorm {
  const char* op;
  bool own_moments;  // mean and variance are x's own
  double eps;
};

// With xhat = (x - mean) rstd and the means over all dims but the channels':
// dx = w rstd (dy - mean(dy) - xhat mean(dy xhat)); dw = sum(dy xhat); db = sum(dy)
// where the means are left out unless they are x's own.
Grads composed_grads(const ChannelNorm& norm, const Tensor& x, const Tensor& w,
                     const Array& saved_mean, const Array& saved_rstd, const Tensor& dy,
                     const Node& node) {
  Dims dims = other_dims(x.dim());
  Array known_mean = by_channel(Tensor(saved_mean.select(0, 0)), x.dim()).data();
  Array known_rstd = by_channel(Tensor(saved_rstd), x.dim()).data();
  Tensor rstd(known_rstd);
  Tensor xhat;
  if (norm.own_moments) {
    UnitRows unit(x, known_mean, known_rstd, norm.eps, dims);
    rstd = unit.rstd;
    xhat = unit.xhat;
  } else {
    xhat = (x - Tensor(known_mean)) * rstd;
  }
  Grads grads(3);
  if (node.wants(0)) {
    Tensor g = dy;
    if (norm.own_moments) g = dy - mean(dy, dims, true) - xhat * mean(dy * xhat, dims, true);
    if (w.defined()) g = g * by_channel(w, x.dim());
    grads[0] = g * rstd;
  }
  if (node.wants(1)) grads[1] = sum(dy * xhat, dims);
  if (node.wants(2)) grads[2] = sum(dy, dims);
  return grads;
}

Grads fused_grads(const ChannelNorm& norm, const Array& x, const Array& w, const Array& mean,
                  const Array& rstd, const Array& dy, const Node& node) {
  const Layout layout(x);
  Array dx = node.wants(0) ? layout.empty_like(x) : Array();
  Array dw = Array::empty(rstd.shape(), x.dtype(), x.device());
  Array db = Array::empty(rstd.shape(), x.dtype(), x.device());
  kernels(x.device())
      .batch_norm()
      .grad(layout.to_kernel(x), w, mean, rstd, norm.own_moments, layout.to_kernel(dy),
            dx.defined() ? layout.to_kernel(dx) : dx, dw, db);
  Grads grads{Tensor(), Tensor(dw), Tensor(db)};
  if (dx.defined()) grads[0] = Tensor(dx);
  return grads;
}

Array contiguous_or_none(const Tensor& x) { return x.defined() ? x.data().contiguous() : Array(); }

// x, w and b of one dtype, f32 or f64; w and b may be undefined.
Tensor normalize_channels(const ChannelNorm& norm, const Tensor& x, const Tensor& w,
                          const Tensor& b, const Array& mean, const Array& rstd) {
  const Layout layout(x.data());
  Array y = layout.empty_like(x.data());
  kernels(x.device())
      .batch_norm()
      .normalize(layout.to_kernel(x.data()), contiguous_or_none(w), contiguous_or_none(b), mean,
                 rstd, layout.to_kernel(y));
  return record(norm.op, y, {x, w, b},
                [sx = Saved(x), sw = Saved(w), smean = SavedArray(mean), srstd = SavedArray(rstd),
                 norm](const Tensor& dy, const Node& node) {
                  Array mean = smean.get(node.op());
                  Array rstd = srstd.get(node.op());
                  if (context().grad_enabled) {
                    return composed_grads(norm, sx.get(node), sw.get(node), mean, rstd, dy, node);
                  }
                  Array w = sw.array(node);
                  return fused_grads(norm, sx.array(node), w.defined() ? w.contiguous() : w, mean,
                                     rstd, dy.data(), node);
                });
}

// Array arithmetic without a history.
Array reciprocal_root(const Array& var, double eps) {
  const NoGrad no_grad;
  return reciprocal(sqrt(Tensor(var) + eps)).data();
}

void check_running(const char* op, const Tensor& running_mean, const Tensor& running_var,
                   int64_t channels) {
  TESSERA_CHECK(running_mean.defined() == running_var.defined(),
                "[{}] expected both running statistics or none", op);
  for (const Tensor& running : {running_mean, running_var}) {
    TESSERA_CHECK(!running.defined() || running.shape() == Dims{channels},
                  "[{}] expected running statistics of shape ({},), got {}", op, channels,
                  running.shape());
    TESSERA_CHECK(!running.defined() || is_floating(running.dtype()),
                  "[{}] expected running statistics of a floating dtype, got {}", op,
                  running.dtype());
  }
}

Tensor converted_if_given(const Tensor& x, DType dtype) { return x.defined() ? to(x, dtype) : x; }

struct Settings {
  bool training;
  double momentum, eps;
};

// What a forward in training saw of x's channels: mean and unbiased variance.
struct Moments {
  Array mean, var;
  double count = 0;  // of values of a channel
};

// x of f32 or f64 and what belongs to its channels checked. In training `seen` is told what it saw.
Tensor normalize_checked(const char* op, const Tensor& x, const Tensor& running_mean,
                         const Tensor& running_var, const Tensor& weight, const Tensor& bias,
                         const Settings& s, const std::function<void(const Moments&)>& seen) {
  const Layout layout(x.data());
  const Dims channels{layout.channels()};
  // The running statistics may change before backward: what is saved is a copy, and the reciprocal
  // root of one.
  Array mean = Array::zeros({2, layout.channels()}, x.dtype(), x.device());
  Array var = Array::empty(channels, x.dtype(), x.device());
  Array rstd = Array::empty(channels, x.dtype(), x.device());
  if (s.training) {
    kernels(x.device()).batch_norm().moments(layout.to_kernel(x.data()), s.eps, mean, var, rstd);
  } else {
    mean.select(0, 0).copy_(running_mean.data());
    rstd = reciprocal_root(running_var.data().to(x.dtype()), s.eps);
  }
  if (s.training && running_mean.defined() && x.numel() > 0) {
    auto count = static_cast<double>(x.numel()) / static_cast<double>(layout.channels());
    const NoGrad no_grad;
    seen({mean.select(0, 0), affine(Tensor(var), count / (count - 1), 0).data(), count});
  }
  return normalize_channels({op, s.training, s.eps}, x, converted_if_given(weight, x.dtype()),
                            converted_if_given(bias, x.dtype()), mean, rstd);
}

}  // namespace

UnitRows::UnitRows(const Tensor& x, const Array& known_mean, const Array& known_rstd, double eps,
                   const DimsArg& dims) {
  Tensor known(known_rstd);
  // About x's distance from its mean, in units of about its deviation.
  Tensor unit = (known_mean.defined() ? x - Tensor(known_mean) : x) * known;
  if (known_mean.defined()) unit = unit - mean(unit, dims, true);
  // eps in the same units, which is at most 1.
  Tensor eps_unit = square(known * std::sqrt(eps));
  Tensor correction = reciprocal(sqrt(mean(square(unit), dims, true) + eps_unit));
  xhat = unit * correction;
  rstd = known * correction;
}

void check_affine(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  TESSERA_CHECK(is_floating(x.dtype()), "[{}] expected x of a floating dtype, got {}", op,
                x.dtype());
  for (const Tensor& parameter : {weight, bias}) {
    if (!parameter.defined()) continue;
    bool wider = item_size(x.dtype()) == 2 && parameter.dtype() == DType::f32;
    TESSERA_CHECK(parameter.dtype() == x.dtype() || wider,
                  "[{}] expected weight and bias of x's dtype {}, got {}", op, x.dtype(),
                  parameter.dtype());
  }
}

void check_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_affine(op, x, weight, bias);
  TESSERA_CHECK(x.dim() >= 2, "[{}] expected x (N, C, ...), got {}", op, x.shape());
  for (const Tensor& parameter : {weight, bias}) {
    TESSERA_CHECK(!parameter.defined() || parameter.shape() == Dims{x.size(1)},
                  "[{}] expected weight and bias of shape ({},) for x {}, got {}", op, x.size(1),
                  x.shape(), parameter.shape());
  }
}

Tensor scale_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  Dims channels{x.size(1)};
  return normalize_channels({op, false, 0}, x, converted_if_given(weight, x.dtype()),
                            converted_if_given(bias, x.dtype()),
                            Array::zeros({2, x.size(1)}, x.dtype(), x.device()),
                            Array::full(channels, 1, x.dtype(), x.device()));
}

Tensor batch_norm(TensorArg x, TensorArg running_mean, TensorArg running_var, TensorArg weight,
                  TensorArg bias, bool training, double momentum, double eps) {
  const Composed scope;
  check_channels("batch_norm", x, weight, bias);
  check_running("batch_norm", running_mean, running_var, x.size(1));
  TESSERA_CHECK(training || running_mean.defined(),
                "[batch_norm] expected running statistics outside of training");
  TESSERA_CHECK(!training || x.numel() == 0 || x.numel() != x.size(1),
                "[batch_norm] expected more than one value per channel in training, got x {}",
                x.shape());
  auto seen = [&](const Moments& moments) {
    observe({running_mean.data(), moments.mean, momentum, moments.count});
    observe({running_var.data(), moments.var, momentum, moments.count});
  };
  Tensor y = normalize_checked("batch_norm", to(x, compute_dtype_of(x.dtype())), running_mean,
                               running_var, weight, bias, {training, momentum, eps}, seen);
  return to(y, x.dtype());
}

Tensor instance_norm(TensorArg x, TensorArg running_mean, TensorArg running_var, TensorArg weight,
                     TensorArg bias, bool use_input_stats, double momentum, double eps) {
  const Composed scope;
  check_channels("instance_norm", x, weight, bias);
  int64_t samples = x.size(0);
  int64_t channels = x.size(1);
  check_running("instance_norm", running_mean, running_var, channels);
  TESSERA_CHECK(use_input_stats || running_mean.defined(),
                "[instance_norm] expected running statistics where the input's are not used");
  TESSERA_CHECK(
      x.dim() >= 3 && (!use_input_stats || x.numel() == 0 || x.numel() != samples * channels),
      "[instance_norm] expected x (N, C, ...) with more than one position, got {}", x.shape());
  // The channels of all samples side by side, as those of one.
  DType compute = compute_dtype_of(x.dtype());
  auto spread = [&](const Tensor& v) {
    return v.defined() ? repeat(to(v, compute), {samples}) : v;
  };
  Dims shape{1, samples * channels};
  for (size_t d = 2; d < x.dim(); ++d) shape.push_back(x.shape()[d]);
  // The running statistics move towards the means over the samples.
  auto seen = [&](const Moments& moments) {
    auto over_samples = [&](const Array& values) {
      return mean(reshape(Tensor(values), {samples, channels}), {0}).data();
    };
    double count = moments.count * static_cast<double>(samples);
    observe({running_mean.data(), over_samples(moments.mean), momentum, count});
    observe({running_var.data(), over_samples(moments.var), momentum, count});
  };
  Tensor y = normalize_checked("instance_norm", contiguous(reshape(to(x, compute), shape)),
                               spread(running_mean), spread(running_var), spread(weight),
                               spread(bias), {use_input_stats, momentum, eps}, seen);
  return to(reshape(y, x.shape()), x.dtype());
}

}  // namespace tessera
