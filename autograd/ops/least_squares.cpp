#include "autograd/ops/least_squares.h"

#include <cmath>

#include "autograd/ops/creation.h"
#include "autograd/ops/decompositions.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/extremes.h"
#include "autograd/ops/index.h"
#include "autograd/ops/join.h"
#include "autograd/ops/linalg_common.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/shape.h"
#include "autograd/ops/solve.h"
#include "autograd/record.h"

namespace tessera {
namespace {

// Of singular values (..., k), those of matrices m x n, whether each counts.
Tensor counting(const Tensor& s, int64_t m, int64_t n, const RankTolerance& tolerance) {
  double atol = tolerance.atol.value_or(0);
  double rtol = tolerance.rtol.value_or(
      atol > 0 ? 0 : epsilon(s.dtype()) * static_cast<double>(std::max(m, n)));
  Tensor least = amax(s, -1, true) * rtol;
  return s > (atol > 0 ? maximum(least, full_like(least, atol)) : least);
}

void check_tolerance(const char* op, const RankTolerance& tolerance) {
  for (auto t : {tolerance.atol, tolerance.rtol}) {
    TESSERA_CHECK(!t || *t >= 0, "[{}] expected tolerances of at least 0, got {}", op, *t);
  }
}

// 1 / s where s counts, else 0.
Tensor inverse_where(const Tensor& counts, const Tensor& s) {
  return where(counts, reciprocal(where(counts, s, 1.0)), 0.0);
}

Tensor pseudoinverse(const Tensor& x, const RankTolerance& tolerance, bool hermitian) {
  int64_t m = x.size(-2);
  int64_t n = x.size(-1);
  if (x.numel() == 0) return zeros(with_sizes(batch_of(x.shape()), n, m), x.dtype(), x.device());
  if (hermitian) {
    Eigh f = eigh(x);
    Tensor inverse = inverse_where(counting(abs(f.eigenvalues), m, n, tolerance), f.eigenvalues);
    return matmul(f.eigenvectors * unsqueeze(inverse, -2), matrix_transpose(f.eigenvectors));
  }
  Svd f = svd(x, false);
  Tensor inverse = inverse_where(counting(f.s, m, n, tolerance), f.s);
  return matmul(matrix_transpose(f.vh) * unsqueeze(inverse, -2), matrix_transpose(f.u));
}

// Of the rank that x has, with y its pseudoinverse:
//   dx = -y^T dy y^T + (I - x y) dy^T y y^T + y^T y dy^T (I - y x)
Tensor pinv_grad(const Tensor& x, const Tensor& y, const Tensor& dy) {
  Tensor yt = matrix_transpose(y);
  Tensor dyt = matrix_transpose(dy);
  Tensor left = matmul(dyt, matmul(y, yt));
  Tensor right = matmul(matmul(yt, y), dyt);
  Tensor inside = matmul(matmul(yt, dy), yt);
  return left - matmul(x, matmul(y, left)) + right - matmul(matmul(right, y), x) - inside;
}

Tensor lower_mirrored(const Tensor& x) {
  Tensor lower = tril(x);
  return lower + matrix_transpose(tril(x, -1));
}

// With every rank the smaller of m and n, by a = q r, or a^T = q r where there are more columns.
Tensor solved_by_qr(const Tensor& a, const Tensor& b, const Qr& f) {
  if (a.size(-2) >= a.size(-1)) {
    return solve_triangular(f.r, matmul(matrix_transpose(f.q), b), /*upper=*/true);
  }
  return matmul(f.q, solve_triangular(matrix_transpose(f.r), b, /*upper=*/false));
}

Qr qr_of(const Tensor& a) { return qr(a.size(-2) >= a.size(-1) ? a : matrix_transpose(a)); }

// Each matrix by what it is: those that lack rank by their pseudoinverses, the others by QR.
Tensor solved_one_by_one(const Tensor& a, const Tensor& b, const Tensor& lacking,
                         const RankTolerance& tolerance) {
  Dims batch = broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "lstsq");
  int64_t count = num_elements(batch);
  auto flat = [&](const Tensor& x) {
    Tensor whole = expand(x, with_sizes(batch, x.size(-2), x.size(-1)));
    return reshape(whole, {count, x.size(-2), x.size(-1)});
  };
  Tensor left = flat(a);
  Tensor right = flat(b);
  std::vector<bool> lacks = expand(lacking, batch).data().contiguous().to_vector<bool>();
  std::vector<int64_t> full;
  std::vector<int64_t> deficient;
  std::vector<int64_t> place(lacks.size());
  for (size_t i = 0; i < lacks.size(); ++i) {
    (lacks[i] ? deficient : full).push_back(static_cast<int64_t>(i));
  }
  for (size_t i = 0; i < full.size(); ++i)
    place[static_cast<size_t>(full[i])] = static_cast<int64_t>(i);
  for (size_t i = 0; i < deficient.size(); ++i) {
    place[static_cast<size_t>(deficient[i])] = static_cast<int64_t>(full.size() + i);
  }
  auto chosen = [&](const Tensor& x, const std::vector<int64_t>& which) {
    Array at = Array::from(which, {static_cast<int64_t>(which.size())});
    return index_select(x, 0, at.to(x.device()));
  };
  Tensor some = chosen(left, full);
  Tensor solved = solved_by_qr(some, chosen(right, full), qr_of(some));
  Tensor inverse = pinv(chosen(left, deficient), tolerance);
  Tensor all = cat({solved, matmul(inverse, chosen(right, deficient))}, 0);
  return reshape(chosen(all, place), with_sizes(batch, a.size(-1), b.size(-1)));
}

struct Solved {
  Tensor x;
  Tensor rank;
};

Solved least_squares(const Tensor& a, const Tensor& b, double rcond) {
  int64_t k = std::min(a.size(-2), a.size(-1));
  const RankTolerance tolerance{.rtol = rcond};
  if (a.numel() == 0) {
    return {matmul(pinv(a), b), zeros(batch_of(a.shape()), DType::i64, a.device())};
  }
  Qr f = qr_of(a);
  // The singular values of r are those of a.
  Tensor s = svdvals(f.r.detach());
  Tensor rank = sum(counting(s, a.size(-2), a.size(-1), tolerance), -1);
  if (rank.device().type == DeviceType::meta) return {solved_by_qr(a, b, f), rank};
  Tensor lacking = lt(rank, k);
  if (!any(lacking).item<bool>()) return {solved_by_qr(a, b, f), rank};
  if (all(lacking).item<bool>()) return {matmul(pinv(a, tolerance), b), rank};
  return {solved_one_by_one(a, b, lacking, tolerance), rank};
}

// The largest or smallest sum of magnitudes in a row or a column.
Tensor norm_of_sums(const Tensor& x, double p) {
  Tensor sums = sum(abs(x), std::isinf(p) ? -1 : -2);
  return p > 0 ? amax(sums, -1) : amin(sums, -1);
}

}  // namespace

Tensor pinv(TensorArg x, const RankTolerance& tolerance, bool hermitian) {
  const Composed scope;
  if (hermitian) check_square("pinv", x);
  else check_matrices("pinv", x);
  check_tolerance("pinv", tolerance);
  Tensor whole = hermitian ? lower_mirrored(x) : Tensor(x);
  Array y;
  {
    const NoGrad no_grad;
    y = pseudoinverse(whole, tolerance, hermitian).data();
  }
  return record("pinv", y, {whole},
                [sx = Saved(whole), sy = SavedResult(y)](const Tensor& dy, const Node& node) {
                  return Grads{pinv_grad(sx.get(node), sy.get(node), dy)};
                });
}

Tensor matrix_rank(TensorArg x, const RankTolerance& tolerance, bool hermitian) {
  const Composed scope;
  const NoGrad no_grad;
  if (hermitian) check_square("matrix_rank", x);
  else check_matrices("matrix_rank", x);
  check_tolerance("matrix_rank", tolerance);
  if (x.numel() == 0) return zeros(batch_of(x.shape()), DType::i64, x.device());
  Tensor s = hermitian ? abs(eigvalsh(x)) : svdvals(x);
  return sum(counting(s, x.size(-2), x.size(-1), tolerance), -1);
}

LstSq lstsq(TensorArg a, TensorArg b, std::optional<double> rcond) {
  const Composed scope;
  check_matrices("lstsq", a);
  check_alike("lstsq", a, b);
  Dims of_vectors = a.shape();
  of_vectors.erase(of_vectors.size() - 1);
  bool vectors = b.shape() == of_vectors;
  TESSERA_CHECK(vectors || (b.dim() >= 2 && b.size(-2) == a.size(-2)),
                "[lstsq] expected as many rows of b as of a, got a {} and b {}", a.shape(),
                b.shape());
  double cutoff =
      rcond.value_or(epsilon(a.dtype()) * static_cast<double>(std::max(a.size(-2), a.size(-1))));
  TESSERA_CHECK(cutoff >= 0, "[lstsq] expected rcond of at least 0, got {}", cutoff);
  Tensor columns = vectors ? unsqueeze(b, -1) : Tensor(b);
  auto [x, rank] = least_squares(a, columns, cutoff);
  LstSq out{x, zeros(Dims{0}, a.dtype(), a.device()), rank};
  bool known = rank.device().type != DeviceType::meta;
  if (a.size(-2) > a.size(-1) && (!known || !any(rank < a.size(-1)).item<bool>())) {
    out.residuals = sum(square(matmul(a, x) - columns), -2);
  }
  if (vectors) {
    out.solution = squeeze(out.solution, -1);
    if (out.residuals.dim() > 1) out.residuals = squeeze(out.residuals, -1);
  }
  return out;
}

Tensor cond(TensorArg x, double p) {
  const Composed scope;
  check_matrices("cond", x);
  double magnitude = std::abs(p);
  TESSERA_CHECK(magnitude == 1 || magnitude == 2 || std::isinf(p),
                "[cond] expected p of 1, 2 or infinity, or one of these negative, got {}", p);
  if (magnitude != 2) check_square("cond", x);
  // Sums of nothing: 0.
  if (std::min(x.size(-2), x.size(-1)) == 0) return sum(x, {-2, -1});
  if (magnitude == 2) {
    Tensor s = svdvals(x);
    int64_t k = s.size(-1);
    Tensor largest = select(s, -1, 0);
    Tensor smallest = select(s, -1, k - 1);
    return p > 0 ? largest / smallest : smallest / largest;
  }
  Tensor singular = slogdet(x->detach()).sign == 0;
  Tensor regular = where(unsqueeze(unsqueeze(singular, -1), -1),
                         identity_matrix(x.size(-1), x.dtype(), x.device()), x);
  return masked_fill(norm_of_sums(x, p) * norm_of_sums(inv(regular), p), singular, INFINITY);
}

}  // namespace tessera
