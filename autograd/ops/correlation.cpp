#include "autograd/ops/correlation.h"

#include <cmath>

#include "autograd/ops/creation.h"
#include "autograd/ops/diagonal.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/linalg_common.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/sort.h"
#include "autograd/ops/statistics.h"
#include "autograd/record.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// Errors unless they are one for each observation, none below 0.
void check_observation_weights(const char* which, const Tensor& weights, int64_t observations) {
  TESSERA_CHECK(weights.dim() == 1 && weights.size(0) == observations,
                "[cov] expected {} of shape {}, one for each observation, got {}", which,
                Dims{observations}, weights.shape());
  bool known = weights.numel() > 0 && weights.device().type != DeviceType::meta;
  TESSERA_CHECK(!known || min(weights.detach()).item<double>() >= 0,
                "[cov] expected {} of at least 0", which);
}

// The product of those that there are; undefined where there are none.
Tensor weights_of(const Tensor& fweights, const Tensor& aweights, const Tensor& rows) {
  Tensor out;
  if (fweights.defined()) {
    TESSERA_CHECK(!is_floating(fweights.dtype()) && fweights.dtype() != DType::boolean,
                  "[cov] expected fweights of integers, got {}", fweights.dtype());
    check_observation_weights("fweights", fweights, rows.size(1));
    out = to(fweights, rows.dtype());
  }
  if (aweights.defined()) {
    TESSERA_CHECK(is_floating(aweights.dtype()), "[cov] expected aweights of floats, got {}",
                  aweights.dtype());
    check_observation_weights("aweights", aweights, rows.size(1));
    Tensor counts = to(aweights, rows.dtype());
    out = out.defined() ? out * counts : counts;
  }
  return out;
}

// c[i, j] = sum over observations of w d[i] d[j] / max(sum(w) - correction, 0), where d is x less
// its (weighted) mean; with aweights a, the correction is times sum(w a) / sum(w).
Tensor covariances(const Tensor& rows, int64_t correction, const Tensor& fweights,
                   const Tensor& aweights) {
  Tensor weights = weights_of(fweights, aweights, rows);
  if (!weights.defined()) {
    Tensor apart = rows - mean(rows, 1, true);
    double freedom = std::max<double>(0, static_cast<double>(rows.size(1) - correction));
    return matmul(apart, transpose(apart, 0, 1)) / freedom;
  }
  Tensor total = sum(weights);
  Tensor apart = rows - sum(rows * weights, 1, true) / total;
  Tensor freedom = total - static_cast<double>(correction);
  if (aweights.defined() && correction != 0) {
    freedom =
        total - sum(weights * to(aweights, rows.dtype())) / total * static_cast<double>(correction);
  }
  return matmul(apart, transpose(apart * weights, 0, 1)) / clamp(freedom, Scalar(0), {});
}

// x as variables by observations, as it is computed with.
Tensor variables(const char* op, const Tensor& x) {
  TESSERA_CHECK(x.dim() <= 2, "[{}] expected at most two dims, got shape {}", op, x.shape());
  TESSERA_CHECK(x.dtype() != DType::boolean, "[{}] expected numbers, got {}", op, x.dtype());
  Tensor wide = to(x, compute_dtype_of(floating_type(x.dtype())));
  return x.dim() == 2 ? wide : reshape(wide, {1, x.numel()});
}

// Of covariances (n, n), those of x's form: of one variable alone its variance.
Tensor in_form_of(const Tensor& x, const Tensor& c) {
  Tensor out = c.size(0) == 1 ? reshape(c, {}) : c;
  return to(out, floating_type(x.dtype()));
}

// The rows of a that are compared with b at once, where nothing of it is kept.
int64_t rows_at_once(const Tensor& b) {
  constexpr int64_t kElements = int64_t{1} << 18;
  return std::max<int64_t>(1, kElements / std::max<int64_t>(1, b.numel()));
}

Tensor distances_of(const Tensor& a, const Tensor& b, double p) {
  return norm(unsqueeze(a, -2) - unsqueeze(b, -3), p, -1);
}

}  // namespace

Tensor cov(TensorArg x, int64_t correction, TensorArg fweights, TensorArg aweights) {
  const Composed scope;
  return in_form_of(x, covariances(variables("cov", x), correction, fweights, aweights));
}

Tensor corrcoef(TensorArg x) {
  const Composed scope;
  Tensor c = covariances(variables("corrcoef", x), 1, {}, {});
  Tensor deviation = sqrt(diagonal(c));
  Tensor out = c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0);
  return in_form_of(x, clamp(out, Scalar(-1.0), Scalar(1.0)));
}

Tensor cdist(TensorArg a, TensorArg b, double p) {
  const Composed scope;
  TESSERA_CHECK(is_floating(a.dtype()), "[cdist] expected a floating dtype, got {}", a.dtype());
  check_alike("cdist", a, b);
  TESSERA_CHECK(a.dim() >= 2 && b.dim() >= 2 && a.size(-1) == b.size(-1),
                "[cdist] expected points of as many elements in a as in b, got a {} and b {}",
                a.shape(), b.shape());
  TESSERA_CHECK(p >= 0, "[cdist] expected p of at least 0, got {}", p);
  if (a.size(-1) == 0 || wants_record({a, b})) {
    // Of no elements, all norms are 0, which the infinite one would not take.
    return distances_of(a, b, a.size(-1) == 0 ? 2 : p);
  }
  int64_t rows = rows_at_once(b);
  if (rows >= a.size(-2)) return distances_of(a, b, p);
  std::vector<Tensor> parts;
  for (const Tensor& part : split(a, rows, -2)) parts.push_back(distances_of(part, b, p));
  return cat(parts, -2);
}

Tensor histc(TensorArg x, int64_t bins, double low, double high) {
  const Composed scope;
  const NoGrad no_grad;
  TESSERA_CHECK(is_floating(x.dtype()), "[histc] expected a floating dtype, got {}", x.dtype());
  TESSERA_CHECK(bins > 0, "[histc] expected at least one bin, got {}", bins);
  TESSERA_CHECK(!(low > high), "[histc] expected low of at most high, got {} and {}", low, high);
  Tensor wide = reshape(to(x->detach(), compute_dtype_of(x.dtype())), {-1});
  if (low == high && wide.numel() > 0) {
    MinMax ends = aminmax(wide);
    low = ends.min.item<double>();
    high = ends.max.item<double>();
  }
  if (low == high) {
    low -= 1;
    high += 1;
  }
  TESSERA_CHECK(std::isfinite(low) && std::isfinite(high),
                "[histc] expected a range of finite numbers, got [{}, {}]", low, high);
  Tensor inside = masked_select(wide, (wide >= low) & (wide <= high));
  Tensor place = (inside - low) * static_cast<double>(bins) / (high - low);
  Tensor bin = clamp(to(place, DType::i64), {}, Scalar(bins - 1));
  return to(bincount(bin, {}, bins), x.dtype());
}

}  // namespace tessera
