#include "autograd/ops/normalize.h"

#include <limits>

#include "autograd/ops/batch_norm.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/join.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/pool.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/normalize.h"

namespace tessera {
namespace {

// What both kinds of gradient need.
struct RowNorm {
  const char* op;
  double eps;
  bool centered;
  int64_t rows, cols;
};

// With xhat = (x - mean) rstd and g = dy w over the last dim of (rows, cols):
// dx = rstd (g - mean(g) - xhat mean(g xhat)); dw = sum(dy xhat); db = sum(dy)
// where the means of x and g are left out unless centered.
Grads composed_grads(const RowNorm& norm, const Tensor& x, const Tensor& w, const Array& saved_mean,
                     const Array& saved_rstd, const Tensor& dy, const Node& node) {
  const Dims column{norm.rows, 1};
  Array known_mean = saved_mean.defined() ? saved_mean.view(column) : Array();
  UnitRows unit(x, known_mean, saved_rstd.view(column), norm.eps, {-1});
  const Tensor& rstd = unit.rstd;
  const Tensor& xhat = unit.xhat;
  Grads grads(3);
  if (node.wants(0)) {
    Tensor g = w.defined() ? dy * w : dy;
    Tensor dx = g - xhat * mean(g * xhat, {-1}, true);
    if (norm.centered) dx = dx - mean(g, {-1}, true);
    grads[0] = dx * rstd;
  }
  if (node.wants(1)) grads[1] = sum(dy * xhat, {0});
  if (node.wants(2)) grads[2] = sum(dy, {0});
  return grads;
}

Grads fused_grads(const Array& x, const Array& w, const Array& mean, const Array& rstd,
                  const Array& dy, const Node& node) {
  Array dx = Array::empty(x.shape(), x.dtype(), x.device());
  Array dw = node.wants(1) ? Array::empty({x.size(1)}, x.dtype(), x.device()) : Array();
  Array db = node.wants(2) ? Array::empty({x.size(1)}, x.dtype(), x.device()) : Array();
  kernels(x.device()).normalize().layer_norm_grad(x, w, mean, rstd, dy, dx, dw, db);
  Grads grads{Tensor(dx), Tensor(), Tensor()};
  if (dw.defined()) grads[1] = Tensor(dw);
  if (db.defined()) grads[2] = Tensor(db);
  return grads;
}

// x (rows, cols), w and b (cols,) or undefined, all contiguous.
Tensor normalize_rows(const RowNorm& norm, const Tensor& x, const Tensor& w, const Tensor& b) {
  Array xs = x.data();
  Array ws = w.defined() ? w.data() : Array();
  Array y = Array::empty(xs.shape(), xs.dtype(), xs.device());
  Array mean = norm.centered ? Array::empty({norm.rows}, xs.dtype(), xs.device()) : Array();
  Array rstd = Array::empty({norm.rows}, xs.dtype(), xs.device());
  kernels(xs.device())
      .normalize()
      .layer_norm(xs, ws, b.defined() ? b.data() : Array(), norm.eps, y, mean, rstd);
  return record(norm.op, y, {x, w, b},
                [sx = Saved(x), sw = Saved(w), smean = SavedArray(mean), srstd = SavedArray(rstd),
                 norm](const Tensor& dy, const Node& node) {
                  if (context().grad_enabled) {
                    return composed_grads(norm, sx.get(node), sw.get(node), smean.get(node.op()),
                                          srstd.get(node.op()), dy, node);
                  }
                  return fused_grads(sx.array(node), sw.array(node), smean.get(node.op()),
                                     srstd.get(node.op()), dy.data().contiguous(), node);
                });
}

// reshape, but nothing where there is nothing to do.
Tensor shaped(const Tensor& x, const Dims& shape) {
  return x.shape() == shape ? x : reshape(x, shape);
}

// Whether the last dims of x are those of `shape`.
bool ends_with(const Dims& x, const Dims& shape) {
  return !shape.empty() && x.size() >= shape.size() &&
         std::equal(shape.begin(), shape.end(), x.end() - shape.size());
}

Tensor over_last_dims(const char* op, const Tensor& x, const Dims& normalized_shape,
                      const Tensor& weight, const Tensor& bias, std::optional<double> eps,
                      bool centered) {
  check_affine(op, x, weight, bias);
  TESSERA_CHECK(ends_with(x.shape(), normalized_shape),
                "[{}] expected x to end with the dims {}, got {}", op, normalized_shape, x.shape());
  for (const Tensor& parameter : {weight, bias}) {
    TESSERA_CHECK(!parameter.defined() || parameter.shape() == normalized_shape,
                  "[{}] expected weight and bias of the normalized dims {}, got {}", op,
                  normalized_shape, parameter.shape());
  }
  RowNorm norm{op, 0, centered, 0, num_elements(normalized_shape)};
  norm.rows = norm.cols == 0 ? 0 : x.numel() / norm.cols;
  DType compute = compute_dtype_of(x.dtype());
  norm.eps = eps.value_or(compute == DType::f64 ? std::numeric_limits<double>::epsilon()
                                                : std::numeric_limits<float>::epsilon());
  auto flat = [&](const Tensor& parameter) {
    return parameter.defined() ? contiguous(shaped(to(parameter, compute), {norm.cols}))
                               : parameter;
  };
  Tensor rows = contiguous(shaped(to(x, compute), {norm.rows, norm.cols}));
  Tensor y = normalize_rows(norm, rows, flat(weight), flat(bias));
  return to(shaped(y, x.shape()), x.dtype());
}

}  // namespace

Tensor layer_norm(TensorArg x, const Dims& normalized_shape, TensorArg weight, TensorArg bias,
                  double eps) {
  const Composed scope;
  return over_last_dims("layer_norm", x, normalized_shape, weight, bias, eps, true);
}

Tensor rms_norm(TensorArg x, const Dims& normalized_shape, TensorArg weight,
                std::optional<double> eps) {
  const Composed scope;
  Tensor factors = *weight;
  bool converts = weight.defined() && is_floating(x.dtype()) && weight.dtype() != x.dtype();
  if (converts) factors = to(weight, compute_dtype_of(x.dtype()));
  return over_last_dims("rms_norm", x, normalized_shape, factors, {}, eps, false);
}

Tensor group_norm(TensorArg x, int64_t num_groups, TensorArg weight, TensorArg bias, double eps) {
  const Composed scope;
  check_channels("group_norm", x, weight, bias);
  int64_t channels = x.size(1);
  TESSERA_CHECK(num_groups >= 1 && channels % num_groups == 0,
                "[group_norm] expected a number of groups that divides the {} channels of x {}, "
                "got {}",
                channels, x.shape(), num_groups);
  DType compute = compute_dtype_of(x.dtype());
  int64_t rows = x.size(0) * num_groups;
  int64_t cols = channels / num_groups;
  for (size_t d = 2; d < x.dim(); ++d) cols *= x.shape()[d];
  // As PyTorch does: with nothing to compare a value with, the result would be 0 whatever x is.
  TESSERA_CHECK(x.size(0) * cols != 1,
                "[group_norm] expected more than one value in a group, got {} groups of x {}",
                num_groups, x.shape());
  Tensor grouped = contiguous(reshape(to(x, compute), {rows, cols}));
  Tensor y = normalize_rows({"group_norm", eps, true, rows, cols}, grouped, {}, {});
  y = reshape(y, x.shape());
  if (weight.defined() || bias.defined()) y = scale_channels("group_norm", y, weight, bias);
  return to(y, x.dtype());
}

Tensor local_response_norm(TensorArg x, int64_t size, double alpha, double beta, double k) {
  const Composed scope;
  const char* op = "local_response_norm";
  check_channels(op, x, {}, {});
  TESSERA_CHECK(x.dim() >= 3, "[{}] expected x (N, C, positions...), got {}", op, x.shape());
  TESSERA_CHECK(size >= 1, "[{}] expected a size of at least 1, got {}", op, size);
  if (x.numel() == 0) return x;
  Tensor wide = to(x, compute_dtype_of(x.dtype()));
  int64_t n = x.size(0);
  int64_t channels = x.size(1);
  Tensor squares = reshape(square(wide), {n, 1, channels, x.numel() / n / channels});
  Tensor padded = pad(squares, {0, 0, size / 2, (size - 1) / 2});
  Tensor means = reshape(avg_pool2d(padded, {size, 1}, {1}), x.shape());
  return to(wide / pow(affine(means, alpha, k), beta), x.dtype());
}

}  // namespace tessera
