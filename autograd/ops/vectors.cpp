#include "autograd/ops/vectors.h"

#include "autograd/in_place.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/join.h"
#include "autograd/ops/linalg.h"
#include "autograd/ops/lines.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/normalize_common.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/statistics.h"
#include "autograd/record.h"
#include "core/backend.h"
#include "core/promotion.h"

namespace tessera {
namespace {

// Powers of two that bring the lines of x whose length is beyond the largest number near 1, which
// changes no digit; undefined where there are none, as far as the host can look without waiting.
// Other lines get 1.
Array extreme_scales(const Tensor& x, const Tensor& length, const DimsArg& dims) {
  if (x.numel() == 0 || x.device().type == DeviceType::meta) return {};
  const NoGrad constant;
  Tensor usual = isfinite(length);
  bool looks = x.data().storage()->backend().host_reads();
  if (looks && all(usual).item<bool>()) return {};
  Tensor largest = amax(abs(x.detach()), dims, true);
  Tensor scaled = logical_and(logical_not(usual), isfinite(largest));
  if (looks && !any(scaled).item<bool>()) return {};
  return where(scaled, exp2(neg(floor(log2(where(scaled, largest, 1.0))))), 1.0).data();
}

// The larger of length and least. In cosine_similarity the gradient is that of length everywhere.
enum class Floor { clamps, passes };
Tensor at_least(const Tensor& length, const Tensor& least, Floor floor) {
  if (floor == Floor::clamps) return maximum(length, least);
  Array y = maximum(length.detach(), least.detach()).data();
  return record("clamp", y, {length}, [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

// x, of f32 or f64, divided by its norms over dims, which count as eps where they are smaller.
Tensor unit_vectors(const Tensor& x, double p, const DimsArg& dims, double eps, Floor floor) {
  Tensor length = norm(x, p, dims, true);
  Tensor least = Array::full({}, eps, x.dtype(), x.device());
  Array scale = extreme_scales(x, length, dims);
  if (!scale.defined()) return x / at_least(length, least, floor);
  Tensor scaled = x * Tensor(scale);
  return scaled / at_least(norm(scaled, p, dims, true), least * Tensor(scale), floor);
}

void check_numbers(const char* op, const Tensor& a, const Tensor& b) {
  TESSERA_CHECK(a.dtype() == b.dtype() && a.dtype() != DType::boolean,
                "[{}] expected two of one dtype, of numbers, got {} and {}", op, a.dtype(),
                b.dtype());
}

// x as bf16 and f16 are computed in.
Tensor widened(const Tensor& x) {
  return is_floating(x.dtype()) ? to(x, compute_dtype_of(x.dtype())) : x;
}

// What a bilinear product is added to, and by which factors.
struct Addend {
  const char* op;
  const Tensor& c;
  Scalar beta, alpha;

  void check(const Dims& shape, DType dtype) const {
    TESSERA_CHECK(c.dim() <= shape.size() && broadcast_shapes(c.shape(), shape, op) == shape,
                  "[{}] expected c of a shape that broadcasts to {}, got {}", op, shape, c.shape());
    TESSERA_CHECK(is_floating(dtype) || (!beta.is_floating() && !alpha.is_floating()),
                  "[{}] expected integers for beta and alpha with tensors of {}, got {} and {}", op,
                  dtype, beta.to<double>(), alpha.to<double>());
  }
  void check_dtypes(const Tensor& a, const Tensor& b) const {
    check_numbers(op, a, b);
    TESSERA_CHECK(c.dtype() == a.dtype(), "[{}] expected c of {}, as a and b are, got {}", op,
                  a.dtype(), c.dtype());
  }
  Tensor add(const Tensor& product) const {
    Tensor scaled = is_one(alpha) ? product : product * alpha;
    if (beta.to<double>() == 0) return scaled;
    return (is_one(beta) ? c : c * beta) + scaled;
  }

 private:
  static bool is_one(const Scalar& x) { return x.to<double>() == 1; }
};

// Logical: the sum of truths is whether any holds.
Tensor add_bools(const Addend& addend, const Tensor& product) {
  bool counts = addend.alpha.to<bool>();
  Tensor scaled = counts ? product : logical_and(product, logical_not(product));
  if (!addend.beta.to<bool>()) return scaled;
  return logical_or(addend.c, scaled);
}

}  // namespace

Tensor normalize(TensorArg x, double p, const DimsArg& dims, double eps) {
  const Composed scope;
  TESSERA_CHECK(is_floating(x.dtype()), "[normalize] expected a floating dtype, got {}", x.dtype());
  chosen_dims("normalize", dims, x.dim());
  return to(unit_vectors(widened(x), p, dims, eps, Floor::clamps), x.dtype());
}

Tensor cosine_similarity(TensorArg a, TensorArg b, int64_t dim, double eps) {
  const Composed scope;
  DType common = result_type(a.data(), b.data());
  TESSERA_CHECK(is_floating(common),
                "[cosine_similarity] expected a common dtype that is floating, got {} and {}",
                a.dtype(), b.dtype());
  Dims shape = broadcast_shapes(a.shape(), b.shape(), "cosine_similarity");
  DimsArg along(static_cast<int64_t>(line_dim(dim, shape.size(), "cosine_similarity")));
  Tensor x = widened(to(expand(a, shape), common));
  Tensor y = widened(to(expand(b, shape), common));
  Tensor products =
      unit_vectors(x, 2, along, eps, Floor::passes) * unit_vectors(y, 2, along, eps, Floor::passes);
  return to(sum(products, along), common);
}

Tensor pairwise_distance(TensorArg a, TensorArg b, double p, double eps, bool keepdim) {
  const Composed scope;
  const char* op = "pairwise_distance";
  DType common = result_type(a.data(), b.data());
  TESSERA_CHECK(is_floating(common), "[{}] expected a common dtype that is floating, got {} and {}",
                op, a.dtype(), b.dtype());
  TESSERA_CHECK(!broadcast_shapes(a.shape(), b.shape(), op).empty(),
                "[{}] expected vectors, got two numbers", op);
  Tensor difference = widened(to(a, common)) - widened(to(b, common));
  return to(norm(difference + eps, p, {-1}, keepdim), common);
}

Tensor inner(TensorArg a, TensorArg b) {
  const Composed scope;
  if (a.dim() == 0 || b.dim() == 0) return a * b;
  check_numbers("inner", a, b);
  TESSERA_CHECK(a.size(-1) == b.size(-1),
                "[inner] expected last dims of one size, got a {} and b {}", a.shape(), b.shape());
  return tensordot(a, b, Dims{-1}, Dims{-1});
}

Tensor vecdot(TensorArg a, TensorArg b, int64_t dim) {
  const Composed scope;
  TESSERA_CHECK(a.dtype() == b.dtype() && is_floating(a.dtype()),
                "[vecdot] expected two of one floating dtype, got {} and {}", a.dtype(), b.dtype());
  Dims shape = broadcast_shapes(a.shape(), b.shape(), "vecdot");
  DimsArg along(static_cast<int64_t>(line_dim(dim, shape.size(), "vecdot")));
  return to(sum(widened(a) * widened(b), along), a.dtype());
}

Tensor cross(TensorArg a, TensorArg b) {
  for (size_t d = 0; d < a.dim(); ++d) {
    if (a.shape()[d] == 3) return cross(a, b, static_cast<int64_t>(d));
  }
  throw_error(
      fmt::format("[cross] expected a dim of size 3, got a {} and b {}", a.shape(), b.shape()));
}

// (a1 b2 - a2 b1, a2 b0 - a0 b2, a0 b1 - a1 b0)
Tensor cross(TensorArg a, TensorArg b, int64_t dim) {
  const Composed scope;
  check_numbers("cross", a, b);
  TESSERA_CHECK(a.dim() == b.dim(), "[cross] expected as many dims of a as of b, got {} and {}",
                a.shape(), b.shape());
  auto d = static_cast<int64_t>(normalize_dim(dim, a.dim(), "cross"));
  TESSERA_CHECK(a.size(d) == 3 && b.size(d) == 3,
                "[cross] expected size 3 in dim {}, got a {} and b {}", d, a.shape(), b.shape());
  broadcast_shapes(a.shape(), b.shape(), "cross");
  Tensor x = widened(a);
  Tensor y = widened(b);
  auto part = [&](int64_t i, int64_t j) {
    return narrow(x, d, i, 1) * narrow(y, d, j, 1) - narrow(x, d, j, 1) * narrow(y, d, i, 1);
  };
  return to(cat({part(1, 2), part(2, 0), part(0, 1)}, d), a.dtype());
}

Tensor addmv(TensorArg c, TensorArg a, TensorArg x, Scalar beta, Scalar alpha) {
  const Composed scope;
  Addend addend{"addmv", c, beta, alpha};
  TESSERA_CHECK(a.dim() == 2 && x.dim() == 1 && a.size(1) == x.size(0),
                "[addmv] expected a (M, K) and x (K,), got {} and {}", a.shape(), x.shape());
  addend.check_dtypes(a, x);
  addend.check({a.size(0)}, a.dtype());
  return addend.add(matmul(a, x));
}

// The batch is part of what is summed over: one product (M, B K) x (B K, N).
Tensor addbmm(TensorArg c, TensorArg a, TensorArg b, Scalar beta, Scalar alpha) {
  const Composed scope;
  Addend addend{"addbmm", c, beta, alpha};
  TESSERA_CHECK(a.dim() == 3 && b.dim() == 3 && a.size(0) == b.size(0) && a.size(2) == b.size(1),
                "[addbmm] expected a (B, M, K) and b (B, K, N), got {} and {}", a.shape(),
                b.shape());
  addend.check_dtypes(a, b);
  addend.check({a.size(1), b.size(2)}, a.dtype());
  int64_t summed = a.size(0) * a.size(2);
  Tensor rows = reshape(transpose(a, 0, 1), {a.size(1), summed});
  return addend.add(matmul(rows, reshape(b, {summed, b.size(2)})));
}

Tensor addr(TensorArg c, TensorArg a, TensorArg b, Scalar beta, Scalar alpha) {
  const Composed scope;
  TESSERA_CHECK(a.dim() == 1 && b.dim() == 1, "[addr] expected two vectors, got a {} and b {}",
                a.shape(), b.shape());
  DType dtype = result_type(c.data(), a.data(), b.data());
  Tensor addend_c = widened(to(c, dtype));
  Addend addend{"addr", addend_c, beta, alpha};
  addend.check({a.size(0), b.size(0)}, dtype);
  Tensor product = unsqueeze(widened(to(a, dtype)), 1) * unsqueeze(widened(to(b, dtype)), 0);
  return dtype == DType::boolean ? add_bools(addend, product) : to(addend.add(product), dtype);
}

const Tensor& addmv_(SelfArg self, TensorArg a, TensorArg x, Scalar beta, Scalar alpha) {
  return in_place("addmv_", self, {a, x},
                  [&](const Tensor& old) { return addmv(old, a, x, beta, alpha); });
}
const Tensor& addbmm_(SelfArg self, TensorArg a, TensorArg b, Scalar beta, Scalar alpha) {
  return in_place("addbmm_", self, {a, b},
                  [&](const Tensor& old) { return addbmm(old, a, b, beta, alpha); });
}
const Tensor& addr_(SelfArg self, TensorArg a, TensorArg b, Scalar beta, Scalar alpha) {
  return in_place("addr_", self, {a, b},
                  [&](const Tensor& old) { return addr(old, a, b, beta, alpha); });
}

}  // namespace tessera
