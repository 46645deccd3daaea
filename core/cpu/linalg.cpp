#include "core/kernels/linalg.h"

#include <cmath>
#include <limits>
#include <vector>

#include "core/array.h"
#include "core/cpu/cpu.h"
#include "core/cpu/lapack.h"
#include "core/cpu/onednn.h"
#include "core/parallel.h"

// LAPACK has matrices column by column, so what is row by row is the transpose to it. Matrices are
// copied before it sees them: what it rounds may depend on where a matrix lies.
namespace tessera::cpu {
namespace {

// Products that are worth a tile of their own.
constexpr int64_t kProductsOfTile = 65536;

// LAPACK counts elements of its workspaces in 32 bits.
void check_countable(const char* op, int64_t rows, int64_t cols, int64_t elements) {
  TESSERA_CHECK(elements <= std::numeric_limits<int>::max(),
                "[{}] expected a matrix of a size that LAPACK can count, got {} x {}", op, rows,
                cols);
}

// The shape of a batch of matrices, as LAPACK takes sizes.
struct Sizes {
  Sizes(const char* op, const Array& x) : batch(x.shape()[0]) {
    int64_t rows = x.shape()[1];
    int64_t cols = x.shape()[2];
    check_countable(op, rows, cols, std::max(rows, cols));
    m = static_cast<int>(rows);
    n = static_cast<int>(cols);
    k = std::min(m, n);
  }
  int64_t elements() const { return int64_t{m} * n; }

  int64_t batch;
  int m, n, k;
};

// Memory for one matrix after the other, whose address is a multiple of 64.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : block_(Array::empty({std::max<int64_t>(count, 1)}, dtype_of<T>())) {}
  T* get() const { return block_.data<T>(); }

 private:
  Array block_;
};

// to (n, m) = the transpose of from (m, n), both row by row.
template <class T>
void transpose_into(const T* from, int64_t m, int64_t n, T* to) {
  constexpr int64_t kSide = 16;
  for (int64_t i = 0; i < m; i += kSide) {
    for (int64_t j = 0; j < n; j += kSide) {
      for (int64_t p = i; p < std::min(i + kSide, m); ++p) {
        for (int64_t q = j; q < std::min(j + kSide, n); ++q) to[q * m + p] = from[p * n + q];
      }
    }
  }
}

std::string which_matrix(int64_t batch, int64_t i) {
  return batch == 1 ? "the matrix" : fmt::format("matrix {} of the batch", i);
}

// Calls fn(i) for every matrix, several small ones in a tile. It returns what LAPACK's routine said
// (0: all went well) and wrong(i, info) throws the error for the first one where that is not 0.
template <class F, class Wrong>
void for_matrices(int64_t batch, int64_t products, const F& fn, const Wrong& wrong) {
  std::vector<int> infos(static_cast<size_t>(batch));
  parallel_tiles(batch, std::max<int64_t>(1, kProductsOfTile / std::max<int64_t>(products, 1)),
                 [&](int64_t begin, int64_t end) {
                   OneThread guard(/*moves_stack=*/false);
                   auto lock = lapack_lock("linalg");
                   for (int64_t i = begin; i < end; ++i) infos[static_cast<size_t>(i)] = fn(i);
                 });
  for (int64_t i = 0; i < batch; ++i) {
    if (int info = infos[static_cast<size_t>(i)]) wrong(i, info);
  }
}

// For routines that end well whatever the numbers are.
template <class F>
void for_matrices(int64_t batch, int64_t products, const F& fn) {
  for_matrices(batch, products, fn, [](int64_t, int info) {
    TESSERA_ASSERT(info >= 0, "LAPACK refuses its argument {}", -info);
  });
}

// call(work, lwork, info) is a routine of LAPACK's, which says how much memory it wants when it is
// given -1 for that.
template <class T, class Call>
int work_size(const char* op, const Sizes& sizes, const Call& call) {
  T wanted = 1;
  int unknown = -1;
  int info = 0;
  call(&wanted, &unknown, &info);
  TESSERA_ASSERT(info == 0, "LAPACK refuses its argument {}", -info);
  // An f32 may have rounded it down.
  double size = std::ceil(static_cast<double>(wanted) * (1 + 1e-6));
  TESSERA_CHECK(size >= 1 && size <= std::numeric_limits<int>::max(),
                "[{}] expected a matrix of a size that LAPACK can count, got {} x {}", op, sizes.m,
                sizes.n);
  return static_cast<int>(size);
}

// An error for the first number that is not finite, of the lower triangles alone if `lower`.
template <class T>
void check_finite(const char* op, const Array& a, bool lower) {
  Sizes s(op, a);
  const T* x = a.data<T>();
  for (int64_t i = 0; i < s.batch; ++i) {
    for (int64_t row = 0; row < s.m; ++row, x += s.n) {
      int64_t count = lower ? row + 1 : s.n;
      const T* wrong = std::find_if(x, x + count, [](T v) { return !std::isfinite(v); });
      TESSERA_CHECK(wrong == x + count, "[{}] expected finite numbers, got {} at ({}, {}) of {}",
                    op, *wrong, row, wrong - x, which_matrix(s.batch, i));
    }
  }
}

template <class T>
void factor_cholesky(const char* op, const Array& a, const Array& l) {
  Sizes s(op, a);
  if (a.numel() == 0) return;
  const auto& lib = lapack<T>(op);
  for_matrices(
      s.batch, s.elements() * s.n,
      [&](int64_t i) {
        Scratch<T> scratch(s.elements());
        T* x = scratch.get();
        std::copy_n(a.data<T>() + i * s.elements(), s.elements(), x);
        int info = 0;
        lib.potrf("U", &s.n, x, &s.n, &info, 1);
        T* out = l.data<T>() + i * s.elements();
        for (int64_t row = 0; row < s.n; ++row, x += s.n, out += s.n) {
          std::copy_n(x, row + 1, out);
          std::fill(out + row + 1, out + s.n, T(0));
          // Not every build takes notice of a NaN.
          if (info == 0 && !(x[row] > 0)) info = static_cast<int>(row) + 1;
        }
        return info;
      },
      [&](int64_t i, int info) {
        throw_error(
            fmt::format("[{}] expected positive definite matrices; of {}, the leading minor of "
                        "order {} is not positive",
                        op, which_matrix(s.batch, i), info));
      });
}

template <class T>
void factor_lu(const Array& a, const Array& lu, const Array& pivots) {
  Sizes s("lu", a);
  if (a.numel() == 0) return;
  const auto& lib = lapack<T>("lu");
  for_matrices(s.batch, s.elements() * s.n, [&](int64_t i) {
    Scratch<T> scratch(s.elements());
    T* x = scratch.get();
    transpose_into(a.data<T>() + i * s.elements(), s.n, s.n, x);
    int* pivot = pivots.data<int32_t>() + i * s.n;
    int info = 0;
    lib.getrf(&s.n, &s.n, x, &s.n, pivot, &info);
    // Nobody swaps by what a NaN may have left there.
    for (int row = 0; row < s.n; ++row) {
      if (pivot[row] <= row || pivot[row] > s.n) pivot[row] = row + 1;
    }
    std::copy_n(x, s.elements(), lu.data<T>() + i * s.elements());
    return std::min(info, 0);
  });
}

template <class T>
void solve_factored(const Array& lu, const Array& pivots, const Array& b, bool transposed,
                    const Array& x) {
  Sizes s("lu_solve", b);
  if (b.numel() == 0) return;
  const auto& lib = lapack<T>("lu_solve");
  int64_t size = int64_t{s.m} * s.m;
  for_matrices(s.batch, s.elements() * s.m, [&](int64_t i) {
    Scratch<T> factors(size);
    Scratch<T> columns(s.elements());
    std::copy_n(lu.data<T>() + i * size, size, factors.get());
    transpose_into(b.data<T>() + i * s.elements(), s.m, s.n, columns.get());
    int info = 0;
    lib.getrs(transposed ? "T" : "N", &s.m, &s.n, factors.get(), &s.m,
              pivots.data<int32_t>() + i * s.m, columns.get(), &s.m, &info, 1);
    transpose_into(columns.get(), s.n, s.m, x.data<T>() + i * s.elements());
    return info;
  });
}

// By rows: x^T a^T = b^T, where a^T is what LAPACK sees of a.
template <class T>
void solve_triangle(const Array& a, const Array& b, bool upper, bool unit, const Array& x) {
  Sizes s("solve_triangular", b);
  if (b.numel() == 0) return;
  const auto& lib = lapack<T>("solve_triangular");
  int64_t size = int64_t{s.m} * s.m;
  const T one = 1;
  for_matrices(s.batch, s.elements() * s.m, [&](int64_t i) {
    Scratch<T> triangle(size);
    Scratch<T> rows(s.elements());
    std::copy_n(a.data<T>() + i * size, size, triangle.get());
    std::copy_n(b.data<T>() + i * s.elements(), s.elements(), rows.get());
    lib.trsm("R", upper ? "L" : "U", "N", unit ? "U" : "N", &s.n, &s.m, &one, triangle.get(), &s.m,
             rows.get(), &s.n, 1, 1, 1, 1);
    std::copy_n(rows.get(), s.elements(), x.data<T>() + i * s.elements());
    return 0;
  });
}

// Ones on the diagonals of (B, n, n), else zeros; or nothing where there are no elements.
template <class T>
void fill_identity(const Array& x) {
  if (x.numel() == 0) return;
  x.fill_(0);
  int64_t n = x.shape()[2];
  for (int64_t i = 0; i < x.shape()[0] * n; ++i) x.data<T>()[i * n + i % n] = T(1);
}

template <class T>
void factor_qr(const Array& a, const Array& q, const Array& r) {
  Sizes s("qr", a);
  if (s.k == 0) return fill_identity<T>(q);
  if (s.batch == 0) return;
  const auto& lib = lapack<T>("qr");
  auto columns = static_cast<int>(q.shape()[2]);
  int64_t widest = std::max(columns, s.n);
  check_countable("qr", s.m, s.n, 64 * widest);
  auto factor = [&](T* x, T* tau, T* work, const int* lwork, int* info) {
    lib.geqrf(&s.m, &s.n, x, &s.m, tau, work, lwork, info);
  };
  auto expand = [&](T* x, const T* tau, T* work, const int* lwork, int* info) {
    lib.orgqr(&s.m, &columns, &s.k, x, &s.m, tau, work, lwork, info);
  };
  auto wanted = [&](const auto& call) {
    T none = 0;
    return work_size<T>("qr", s, [&](T* work, const int* lwork, int* info) {
      call(&none, &none, work, lwork, info);
    });
  };
  int lwork = std::max(wanted(factor), wanted(expand));
  for_matrices(s.batch, s.elements() * s.k, [&](int64_t i) {
    Scratch<T> matrix(s.m * widest);
    Scratch<T> tau(s.k);
    Scratch<T> work(lwork);
    T* x = matrix.get();
    transpose_into(a.data<T>() + i * s.elements(), s.m, s.n, x);
    int info = 0;
    factor(x, tau.get(), work.get(), &lwork, &info);
    T* out = r.data<T>() + i * r.shape()[1] * s.n;
    for (int64_t row = 0; row < r.shape()[1]; ++row) {
      for (int64_t c = 0; c < s.n; ++c) *out++ = c >= row ? x[c * s.m + row] : T(0);
    }
    if (info == 0) expand(x, tau.get(), work.get(), &lwork, &info);
    transpose_into(x, columns, s.m, q.data<T>() + i * s.m * columns);
    return info;
  });
}

// What LAPACK sees is a^T = v diag(s) u^T, and its v and u^T, column by column, are ours by rows.
template <class T>
void factor_svd(const char* op, const Array& a, const Array& u, const Array& singular,
                const Array& vh) {
  Sizes s(op, a);
  bool vectors = u.defined();
  if (vectors && s.k == 0) {
    fill_identity<T>(u);
    fill_identity<T>(vh);
  }
  if (s.k == 0 || s.batch == 0) return;
  check_finite<T>(op, a, false);
  check_countable(op, s.m, s.n, 4 * int64_t{s.k} * s.k + 64 * int64_t{std::max(s.m, s.n)});
  const auto& lib = lapack<T>(op);
  int of_u = vectors ? static_cast<int>(u.shape()[2]) : 1;
  int of_v = vectors ? static_cast<int>(vh.shape()[1]) : 1;
  const char* job = !vectors ? "N" : of_u == s.m && of_v == s.n ? "A" : "S";
  auto factor = [&](T* x, T* values, T* v, T* ut, T* work, const int* lwork, int* iwork,
                    int* info) {
    lib.gesdd(job, &s.n, &s.m, x, &s.n, values, v, &s.n, ut, &of_u, work, lwork, iwork, info, 1);
  };
  T none = 0;
  int lwork = work_size<T>(op, s, [&](T* work, const int* lwork, int* info) {
    int no_index = 0;
    factor(&none, &none, &none, &none, work, lwork, &no_index, info);
  });
  for_matrices(
      s.batch, s.elements() * s.k,
      [&](int64_t i) {
        Scratch<T> matrix(s.elements());
        Scratch<T> values(s.k);
        Scratch<T> v(vectors ? int64_t{s.n} * of_v : 1);
        Scratch<T> ut(vectors ? int64_t{s.m} * of_u : 1);
        Scratch<T> work(lwork);
        Scratch<int32_t> iwork(8 * int64_t{s.k});
        std::copy_n(a.data<T>() + i * s.elements(), s.elements(), matrix.get());
        int info = 0;
        factor(matrix.get(), values.get(), v.get(), ut.get(), work.get(), &lwork, iwork.get(),
               &info);
        std::copy_n(values.get(), s.k, singular.data<T>() + i * s.k);
        if (vectors) {
          std::copy_n(ut.get(), int64_t{s.m} * of_u, u.data<T>() + i * s.m * of_u);
          std::copy_n(v.get(), int64_t{s.n} * of_v, vh.data<T>() + i * s.n * of_v);
        }
        return info;
      },
      [&](int64_t i, int info) {
        throw_error(
            fmt::format("[{}] the singular values of {} did not converge (LAPACK's gesdd said {})",
                        op, which_matrix(s.batch, i), info));
      });
}

template <class T>
void factor_eigh(const char* op, const Array& a, const Array& w, const Array& v) {
  Sizes s(op, a);
  if (a.numel() == 0) return;
  check_finite<T>(op, a, true);
  check_countable(op, s.n, s.n, 2 * s.elements() + 64 * int64_t{s.n});
  const auto& lib = lapack<T>(op);
  auto factor = [&](T* x, T* values, T* work, const int* lwork, int* iwork, const int* liwork,
                    int* info) {
    lib.syevd(v.defined() ? "V" : "N", "U", &s.n, x, &s.n, values, work, lwork, iwork, liwork, info,
              1, 1);
  };
  T none = 0;
  int liwork = 0;
  int lwork = work_size<T>(op, s, [&](T* work, const int* lwork, int* info) {
    factor(&none, &none, work, lwork, &liwork, lwork, info);
  });
  for_matrices(
      s.batch, s.elements() * s.n,
      [&](int64_t i) {
        Scratch<T> matrix(s.elements());
        Scratch<T> values(s.n);
        Scratch<T> work(lwork);
        Scratch<int32_t> iwork(liwork);
        std::copy_n(a.data<T>() + i * s.elements(), s.elements(), matrix.get());
        int info = 0;
        factor(matrix.get(), values.get(), work.get(), &lwork, iwork.get(), &liwork, &info);
        std::copy_n(values.get(), s.n, w.data<T>() + i * s.n);
        if (v.defined()) {
          transpose_into(matrix.get(), s.n, s.n, v.data<T>() + i * s.elements());
        }
        return info;
      },
      [&](int64_t i, int info) {
        throw_error(
            fmt::format("[{}] the eigenvalues of {} did not converge (LAPACK's syevd said {})", op,
                        which_matrix(s.batch, i), info));
      });
}

class Linalg final : public LinalgFamily {
 public:
  void cholesky(const char* op, const Array& a, const Array& l) const override {
    visit_f32_f64(a.dtype(), op,
                  [&](auto tag) { factor_cholesky<typename decltype(tag)::type>(op, a, l); });
  }
  void lu(const Array& a, const Array& lu, const Array& pivots) const override {
    visit_f32_f64(a.dtype(), "lu",
                  [&](auto tag) { factor_lu<typename decltype(tag)::type>(a, lu, pivots); });
  }
  void lu_solve(const Array& lu, const Array& pivots, const Array& b, bool transposed,
                const Array& x) const override {
    visit_f32_f64(lu.dtype(), "lu_solve", [&](auto tag) {
      solve_factored<typename decltype(tag)::type>(lu, pivots, b, transposed, x);
    });
  }
  void solve_triangular(const Array& a, const Array& b, bool upper, bool unit,
                        const Array& x) const override {
    visit_f32_f64(a.dtype(), "solve_triangular", [&](auto tag) {
      solve_triangle<typename decltype(tag)::type>(a, b, upper, unit, x);
    });
  }
  void qr(const Array& a, const Array& q, const Array& r) const override {
    visit_f32_f64(a.dtype(), "qr",
                  [&](auto tag) { factor_qr<typename decltype(tag)::type>(a, q, r); });
  }
  void svd(const char* op, const Array& a, const Array& u, const Array& s,
           const Array& vh) const override {
    visit_f32_f64(a.dtype(), op,
                  [&](auto tag) { factor_svd<typename decltype(tag)::type>(op, a, u, s, vh); });
  }
  void eigh(const char* op, const Array& a, const Array& w, const Array& v) const override {
    visit_f32_f64(a.dtype(), op,
                  [&](auto tag) { factor_eigh<typename decltype(tag)::type>(op, a, w, v); });
  }
};

}  // namespace

const LinalgFamily& linalg_family() {
  static const Linalg family;
  return family;
}

}  // namespace tessera::cpu
