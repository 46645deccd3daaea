#include "autograd/ops/solve.h"

#include "autograd/ops/creation.h"
#include "autograd/ops/decompositions.h"
#include "autograd/ops/diagonal.h"
#include "autograd/ops/elementwise.h"
#include "autograd/ops/index.h"
#include "autograd/ops/index_write.h"
#include "autograd/ops/join.h"
#include "autograd/ops/linalg_common.h"
#include "autograd/ops/matmul.h"
#include "autograd/ops/reduce.h"
#include "autograd/ops/scan.h"
#include "autograd/ops/shape.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/check.h"
#include "core/kernels/linalg.h"

namespace tessera {
namespace {

// The factors of B = num_elements(batch) matrices, as the kernels want them.
struct LuFactors {
  Dims batch;
  Array lu, pivots;

  // (B, n): that of u, in which a singular matrix has a 0.
  Tensor diagonal_of_u() const { return diagonal(Tensor(lu), 0, -2, -1); }
  // (B,)
  Tensor singular() const { return any(diagonal_of_u() == 0, -1); }
  // (B,): 1 or -1, for an even or an odd number of swaps.
  Tensor parity() const {
    Tensor own_row = Tensor(Array::arange(pivots.size(1) + 1, DType::i32).to(pivots.device()));
    Tensor swaps = sum(Tensor(pivots) != narrow(own_row, 0, 1, pivots.size(1)), -1);
    return to(1 - swaps % 2 * 2, lu.dtype());
  }
};

LuFactors lu_factors(const Array& a) {
  Array flat = matrices(a);
  LuFactors out{batch_of(a.shape()), Array::empty(flat.shape(), a.dtype(), a.device()),
                Array::empty({flat.size(0), flat.size(1)}, DType::i32, a.device())};
  kernels(a.device()).linalg().lu(flat, out.lu, out.pivots);
  return out;
}

// What a node keeps of them.
class SavedLuFactors {
 public:
  explicit SavedLuFactors(const LuFactors& f) : batch_(f.batch), lu_(f.lu), pivots_(f.pivots) {}
  LuFactors get(const Node& node) const {
    return {batch_, lu_.get(node.op()), pivots_.get(node.op())};
  }

 private:
  Dims batch_;
  SavedArray lu_, pivots_;
};

void check_regular(const char* op, const LuFactors& f) {
  int64_t n = f.lu.size(1);
  bool alone = f.lu.size(0) == 1;
  auto text = [op, n, alone](int64_t position) {
    std::string which = alone ? "the matrix" : fmt::format("matrix {} of the batch", position / n);
    return fmt::format(
        "[{}] expected invertible matrices; {} is singular: element {} in the diagonal of its "
        "factor U is 0",
        op, which, position % n);
  };
  kernels(f.lu.device()).check().all((f.diagonal_of_u() != 0).data(), text);
}

// x (B, ...), one piece for each of the B matrices, for each of the batch that they broadcast to.
Array for_batch(const Array& x, const Dims& batch, const Dims& wanted) {
  if (batch == wanted) return x;
  Dims from = batch;
  Dims to = wanted;
  Dims flat{num_elements(wanted)};
  for (size_t d = 1; d < x.dim(); ++d) {
    for (Dims* shape : {&from, &to, &flat}) shape->push_back(x.shape()[d]);
  }
  return x.view(from).expand(to).reshape(flat).contiguous();
}

// The x of a x = b, or of a^T x = b if so asked; a's leading dims broadcast to those of b.
Array lu_solved(const LuFactors& f, const Array& b, bool of_transposed) {
  Dims wanted = batch_of(b.shape());
  Array x = Array::empty(b.shape(), b.dtype(), b.device());
  kernels(b.device())
      .linalg()
      .lu_solve(for_batch(f.lu, f.batch, wanted), for_batch(f.pivots, f.batch, wanted), matrices(b),
                of_transposed, x.view({num_elements(wanted), b.size(-2), b.size(-1)}));
  return x;
}

// db = a^-T dx, da = -db x^T, both summed over broadcast dims
Tensor solve_left(const Tensor& a, const Tensor& b) {
  Dims batch = broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "solve");
  LuFactors f = lu_factors(a.data());
  check_regular("solve", f);
  Array x = lu_solved(f, b.data().expand(with_sizes(batch, b.size(-2), b.size(-1))), false);
  return record("solve", x, {a, b},
                [sf = SavedLuFactors(f), sa = Saved(a), sx = SavedResult(x), a_shape = a.shape(),
                 b_shape = b.shape()](const Tensor& dx, const Node& node) {
                  Tensor db = context().grad_enabled
                                  ? solve_left(matrix_transpose(sa.get(node)), dx)
                                  : Tensor(lu_solved(sf.get(node), dx.data(), true));
                  Grads grads(2);
                  if (node.wants(0)) {
                    grads[0] = sum_to(neg(matmul(db, matrix_transpose(sx.get(node)))), a_shape);
                  }
                  if (node.wants(1)) grads[1] = sum_to(db, b_shape);
                  return grads;
                });
}

// db = a^-T dx, da = the triangle of -db x^T
Tensor solve_left_triangular(const Tensor& a, const Tensor& b, bool upper, bool unit) {
  Array x = Array::empty(b.shape(), b.dtype(), b.device());
  Array rows = matrices(b.data());
  kernels(b.device())
      .linalg()
      .solve_triangular(matrices(a.data()), rows, upper, unit, x.view(rows.shape()));
  return record("solve_triangular", x, {a, b},
                [=, sa = Saved(a), sx = SavedResult(x)](const Tensor& dx, const Node& node) {
                  Grads grads(2);
                  Tensor db =
                      solve_left_triangular(matrix_transpose(sa.get(node)), dx, !upper, unit);
                  if (node.wants(0)) {
                    Tensor da = neg(matmul(db, matrix_transpose(sx.get(node))));
                    grads[0] = upper ? triu(da, unit ? 1 : 0) : tril(da, unit ? -1 : 0);
                  }
                  if (node.wants(1)) grads[1] = db;
                  return grads;
                });
}

// Errors unless the rows of b (its columns, if not left) are as many as a's.
void check_equations(const char* op, const Tensor& a, const Tensor& b, bool left) {
  check_matrices(op, b);
  check_alike(op, a, b);
  TESSERA_CHECK(b.size(left ? -2 : -1) == a.size(-1),
                "[{}] expected as many {} of b as of a, got a {} and b {}", op,
                left ? "rows" : "columns", a.shape(), b.shape());
}

// number (B,) times x (B, n, n)
Tensor times_each(const Tensor& number, const Tensor& x) {
  return unsqueeze(unsqueeze(number, -1), -1) * x;
}

// The gradient of det for each of a (B, n, n), singular or not: with a = u diag(s) vh, that of
// det(u) det(vh) prod(s).
Tensor cofactors(const Tensor& a) {
  Svd f = svd(a, false);
  Tensor others = squeeze(product_of_others(unsqueeze(f.s, -1)), -1);
  Tensor orientation = sign(det(f.u.detach()) * det(f.vh.detach()));
  return times_each(orientation, matmul(f.u * unsqueeze(others, -2), f.vh));
}

// da = dy y a^-T, and by cofactors where a is singular. All have one leading dim.
Tensor det_grad(const Tensor& a, const Tensor& singular, const Tensor& y, const Tensor& dy) {
  Tensor which = unsqueeze(unsqueeze(singular, -1), -1);
  Tensor regular = where(which, identity_matrix(a.size(-1), a.dtype(), a.device()), a);
  Tensor da = times_each(dy * y, matrix_transpose(inv(regular)));
  if (a.device().type == DeviceType::meta) return da;
  Tensor places = reshape(nonzero(singular), {-1});
  if (places.numel() == 0) return da;
  Tensor there = times_each(index_select(dy, 0, places), cofactors(index_select(a, 0, places)));
  return index_copy(da, 0, places, there);
}

// a^-T times a number for each matrix (of the shape of the batch).
Tensor scaled_inverse(const LuFactors& f, const Tensor& number) {
  int64_t n = f.lu.size(-1);
  Tensor diagonals = expand(unsqueeze(number, -1), with_size(f.batch, n));
  return Tensor(lu_solved(f, diag_embed(diagonals).data(), true));
}

}  // namespace

Tensor solve(TensorArg a, TensorArg b, bool left) {
  const Composed scope;
  check_square("solve", a);
  Dims of_vectors = a.shape();
  of_vectors.erase(of_vectors.size() - 1);
  if (b.dim() == 1 || b.shape() == of_vectors) {
    TESSERA_CHECK(left, "[solve] expected a matrix b on the left of a, got shape {}", b.shape());
    Tensor column = unsqueeze(b, -1);
    check_equations("solve", a, column, true);
    return squeeze(solve_left(a, column), -1);
  }
  check_equations("solve", a, b, left);
  return left ? solve_left(a, b)
              : matrix_transpose(solve_left(matrix_transpose(a), matrix_transpose(b)));
}

Tensor solve_triangular(TensorArg a, TensorArg b, bool upper, bool left, bool unitriangular) {
  const Composed scope;
  check_square("solve_triangular", a);
  check_equations("solve_triangular", a, b, left);
  Dims batch = broadcast_shapes(batch_of(a.shape()), batch_of(b.shape()), "solve_triangular");
  Tensor whole_a = expand(a, with_sizes(batch, a.size(-2), a.size(-1)));
  Tensor whole_b = expand(b, with_sizes(batch, b.size(-2), b.size(-1)));
  if (left) return solve_left_triangular(whole_a, whole_b, upper, unitriangular);
  return matrix_transpose(solve_left_triangular(matrix_transpose(whole_a),
                                                matrix_transpose(whole_b), !upper, unitriangular));
}

// da = -y^T dy y^T
Tensor inv(TensorArg a) {
  const Composed scope;
  check_square("inv", a);
  LuFactors f = lu_factors(a.data());
  check_regular("inv", f);
  Tensor ones = identity_matrix(a.size(-1), a.dtype(), a.device());
  Array y = lu_solved(f, ones.data().expand(a.shape()), false);
  return record("inv", y, {a}, [sy = SavedResult(y)](const Tensor& dy, const Node& node) {
    Tensor yt = matrix_transpose(sy.get(node));
    return Grads{neg(matmul(matmul(yt, dy), yt))};
  });
}

Tensor det(TensorArg a) {
  const Composed scope;
  check_square("det", a);
  LuFactors f = lu_factors(a.data());
  Array y;
  {
    const NoGrad no_grad;
    y = reshape(prod(f.diagonal_of_u(), -1) * f.parity(), f.batch).data();
  }
  return record("det", y, {a},
                [sf = SavedLuFactors(f), sa = Saved(a), sy = SavedResult(y)](const Tensor& dy,
                                                                             const Node& node) {
                  LuFactors f = sf.get(node);
                  Tensor singular = f.singular();
                  bool by_factors = !context().grad_enabled &&
                                    dy.device().type != DeviceType::meta &&
                                    !any(singular).item<bool>();
                  Tensor y = sy.get(node);
                  if (by_factors) return Grads{scaled_inverse(f, dy * y)};
                  Tensor a = sa.get(node);
                  Tensor flat = reshape(a, f.lu.shape());
                  return Grads{reshape(
                      det_grad(flat, singular, reshape(y, {-1}), reshape(dy, {-1})), a.shape())};
                });
}

// da = dlog a^-T
SlogDet slogdet(TensorArg a) {
  const Composed scope;
  check_square("slogdet", a);
  LuFactors f = lu_factors(a.data());
  Tensor signs;
  Array y;
  {
    const NoGrad no_grad;
    Tensor u = f.diagonal_of_u();
    signs = reshape(prod(sign(u), -1) * f.parity(), f.batch);
    y = reshape(sum(log(abs(u)), -1), f.batch).data();
  }
  Tensor log_of_det =
      record("slogdet", y, {a},
             [sf = SavedLuFactors(f), sa = Saved(a)](const Tensor& dy, const Node& node) {
               if (!context().grad_enabled) return Grads{scaled_inverse(sf.get(node), dy)};
               return Grads{times_each(dy, matrix_transpose(inv(sa.get(node))))};
             });
  return {signs, log_of_det};
}

}  // namespace tessera
