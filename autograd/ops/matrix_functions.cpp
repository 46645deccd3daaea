#include "autograd/ops/matrix_functions.h"

#include <array>
#include <cmath>

#include "autograd/ops/creation.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/join.h"
#include "autograd/ops/linalg_common.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/solve.h"
#include "autograd/record.h"

namespace tessera {
namespace {

// The terms of exp's series that are added up, in groups of powers: for a matrix whose norm is at
// most 1, what is left out is below the last digit.
struct SeriesOrder {
  int group;
  int groups;
};
SeriesOrder series_order(DType dtype) {
  return dtype == DType::f64 ? SeriesOrder{5, 4} : SeriesOrder{4, 3};
}

// sum over i <= group groups of x^i / i!, by the powers up to x^group and groups - 1 products more
// (Paterson and Stockmeyer, On the number of nonscalar multiplications necessary to evaluate
// polynomials, 1973).
Tensor exp_series(const Tensor& x) {
  auto [group, groups] = series_order(x.dtype());
  std::vector<Tensor> powers{identity_matrix(x.size(-1), x.dtype(), x.device()), x};
  for (int i = 2; i <= group; ++i) powers.push_back(matmul(powers.back(), x));
  auto factor = [](int i) { return 1 / std::tgamma(i + 1.0); };
  Tensor out = powers[static_cast<size_t>(group)] * factor(group * groups);
  for (int g = groups - 1; g >= 0; --g) {
    for (int i = group - 1; i >= 0; --i) {
      out = out + powers[static_cast<size_t>(i)] * factor(g * group + i);
    }
    if (g > 0) out = matmul(out, powers[static_cast<size_t>(group)]);
  }
  return out;
}

// exp(x) = exp(x / 2^s)^(2^s), with the s of each matrix that brings its norm to 1 or below. Norms
// that are not finite, and those of arrays without elements, count as 1.
Tensor scaled_and_squared(const Tensor& x) {
  Tensor norm = amax(sum(abs(x), -2, true), -1, true);
  Tensor squarings = ceil(log2(where(isfinite(norm) & (norm > 1), norm, 1.0)));
  Tensor y = exp_series(x * exp2(neg(squarings)));
  bool known = x.device().type != DeviceType::meta;
  auto most = known ? static_cast<int64_t>(max(squarings).item<double>()) : 0;
  for (int64_t i = 0; i < most; ++i) y = where(squarings > i, matmul(y, y), y);
  return y;
}

// For each matrix, the power of two that brings its largest element near 1 where it is above.
Tensor power_of_two_of(const Tensor& x) {
  const NoGrad constant;
  if (x.numel() == 0) return Tensor(Array::scalar(1, x.dtype()).to(x.device()));
  Tensor largest = amax(amax(abs(x), -1, true), -2, true);
  return exp2(floor(log2(where(isfinite(largest) & (largest > 1), largest, 1.0))));
}

}  // namespace

Tensor matrix_power(TensorArg x, int64_t n) {
  const Composed scope;
  TESSERA_CHECK(x.dim() >= 2 && x.size(-1) == x.size(-2),
                "[matrix_power] expected square matrices, got shape {}", x.shape());
  TESSERA_CHECK(x.dtype() != DType::boolean, "[matrix_power] expected numbers, got {}", x.dtype());
  TESSERA_CHECK(n >= 0 || x.dtype() == DType::f32 || x.dtype() == DType::f64,
                "[matrix_power] expected f32 or f64 for a negative power, got {}", x.dtype());
  if (n == 0) {
    Array ones =
        identity_matrix(x.size(-1), x.dtype(), x.device()).data().expand(x.shape()).clone();
    return record("matrix_power", ones, {x},
                  [](const Tensor& dy, const Node&) { return Grads{zeros_like(dy)}; });
  }
  Tensor base = n < 0 ? inv(x) : Tensor(x);
  Tensor out;
  for (uint64_t left = n < 0 ? -static_cast<uint64_t>(n) : static_cast<uint64_t>(n);; left >>= 1) {
    if (left & 1) out = out.defined() ? matmul(out, base) : base;
    if (left <= 1) return out;
    base = matmul(base, base);
  }
}

// exp of (x^T, dy; 0, x^T) has dx in the place of dy (Mathias, A chain rule for matrix functions
// and applications, 1996).
Tensor matrix_exp(TensorArg x) {
  const Composed scope;
  check_square("matrix_exp", x);
  Array y = x.data().clone();
  if (x.numel() > 0) {
    const NoGrad no_grad;
    y = scaled_and_squared(x->detach()).data();
  }
  return record("matrix_exp", y, {x}, [sx = Saved(x)](const Tensor& dy, const Node& node) {
    Tensor xt = matrix_transpose(sx.get(node));
    int64_t n = xt.size(-1);
    // In which dx is linear: of a dy that is large beside x, x would be rounded away.
    Tensor scale = power_of_two_of(dy);
    Tensor above = cat({xt, dy / scale}, -1);
    Tensor below = cat({zeros_like(xt), xt}, -1);
    return Grads{narrow(narrow(matrix_exp(cat({above, below}, -2)), -2, 0, n), -1, n, n) * scale};
  });
}

}  // namespace tessera
