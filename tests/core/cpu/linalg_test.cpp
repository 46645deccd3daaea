#include "core/kernels/linalg.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/kernels.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::kThreadCounts;
using test::random_array;
using test::same_bits;
using test::Values;

const LinalgFamily& linalg() { return kernels({}).linalg(); }

constexpr DType kFloats[] = {DType::f32, DType::f64};
double tolerance_of(DType dtype) { return dtype == DType::f32 ? 1e-4 : 1e-12; }

// The product of a (m, k), or of its transpose, and b (k, n), in plain loops.
Values times(const Values& a, const Values& b, size_t m, size_t k, size_t n,
             bool transposed = false) {
  Values out(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) {
      for (size_t p = 0; p < k; ++p) {
        out[i * n + j] += (transposed ? a[p * m + i] : a[i * k + p]) * b[p * n + j];
      }
    }
  }
  return out;
}

Values flipped(const Values& a, size_t m, size_t n) {
  Values out(m * n);
  for (size_t i = 0; i < m; ++i) {
    for (size_t j = 0; j < n; ++j) out[j * m + i] = a[i * n + j];
  }
  return out;
}

Values identity_values(size_t n) {
  Values out(n * n);
  for (size_t i = 0; i < n; ++i) out[i * n + i] = 1;
  return out;
}

// Row i of s as a diagonal matrix (rows, cols).
Values diagonal_values(const Array& s, int64_t i, size_t rows, size_t cols) {
  Values values = doubles(s.select(0, i));
  Values out(rows * cols);
  for (size_t j = 0; j < values.size(); ++j) out[j * cols + j] = values[j];
  return out;
}

Array symmetric_array(const Dims& shape, DType dtype) {
  Array x = random_array(shape, dtype);
  Array out = x.clone();
  for (int64_t i = 0; i < shape[1]; ++i) {
    out.slice(1, i, i + 1)
        .slice(2, 0, i)
        .copy_(x.slice(2, i, i + 1).slice(1, 0, i).transpose(1, 2));
  }
  return out;
}

Array positive_array(const Dims& shape, DType dtype) {
  Array x = symmetric_array(shape, dtype);
  for (int64_t i = 0; i < shape[1]; ++i) {
    x.slice(1, i, i + 1).slice(2, i, i + 1).fill_(static_cast<double>(shape[1] + i));
  }
  return x;
}

const Dims kSquares[] = {{1, 1, 1}, {3, 5, 5}, {20, 4, 4}, {2, 70, 70}, {0, 3, 3}, {2, 0, 0}};
const Dims kRectangles[] = {{2, 5, 3},   {2, 3, 5}, {1, 1, 4}, {30, 4, 4}, {1, 70, 50},
                            {1, 50, 70}, {2, 3, 0}, {2, 0, 3}, {0, 2, 3}};

size_t at(const Dims& shape, size_t d) { return static_cast<size_t>(shape[d]); }

// Calls check for each shape and dtype.
template <class Shapes, class F>
void for_all(const Shapes& shapes, F check) {
  for (const Dims& shape : shapes) {
    for (DType dtype : kFloats) {
      SCOPED_TRACE(fmt::format("{} {}", shape, dtype));
      check(shape, dtype, tolerance_of(dtype));
    }
  }
}

TEST(LinalgKernels, CholeskyGivesAMatrixBack) {
  for_all(kSquares, [](const Dims& shape, DType dtype, double tolerance) {
    Array a = positive_array(shape, dtype);
    Array l = Array::full(shape, 7, dtype);
    linalg().cholesky("cholesky", a, l);
    size_t n = at(shape, 1);
    for (int64_t i = 0; i < shape[0]; ++i) {
      Values factor = doubles(l.select(0, i));
      EXPECT_TRUE(close_to(times(factor, flipped(factor, n, n), n, n, n), doubles(a.select(0, i)),
                           tolerance, tolerance));
      for (size_t row = 0; row < n; ++row) {
        for (size_t c = row + 1; c < n; ++c) EXPECT_EQ(factor[row * n + c], 0);
      }
    }
  });
}

TEST(LinalgKernels, LuSolvesWithAMatrixAndItsTranspose) {
  for_all(kSquares, [](const Dims& shape, DType dtype, double tolerance) {
    Array a = random_array(shape, dtype);
    Array lu = Array::empty(shape, dtype);
    Array pivots = Array::empty({shape[0], shape[1]}, DType::i32);
    linalg().lu(a, lu, pivots);
    size_t n = at(shape, 1);
    Array b = random_array({shape[0], shape[1], 3}, dtype, 2);
    for (bool transposed : {false, true}) {
      Array x = Array::empty(b.shape(), dtype);
      linalg().lu_solve(lu, pivots, b, transposed, x);
      for (int64_t i = 0; i < shape[0]; ++i) {
        EXPECT_TRUE(
            close_to(times(doubles(a.select(0, i)), doubles(x.select(0, i)), n, n, 3, transposed),
                     doubles(b.select(0, i)), 100 * tolerance, 100 * tolerance));
      }
    }
  });
}

TEST(LinalgKernels, TrianglesAreSolvedWithoutReadingTheOther) {
  for_all(kSquares, [](const Dims& shape, DType dtype, double tolerance) {
    size_t n = at(shape, 1);
    for (int which = 0; which < 4; ++which) {
      bool upper = which & 1;
      bool unit = which & 2;
      Array a = positive_array(shape, dtype);
      Array b = random_array({shape[0], shape[1], 3}, dtype, 2);
      Array x = Array::empty(b.shape(), dtype);
      linalg().solve_triangular(a, b, upper, unit, x);
      for (int64_t i = 0; i < shape[0] && n < 10; ++i) {
        Values triangle = doubles(a.select(0, i));
        for (size_t row = 0; row < n; ++row) {
          for (size_t c = 0; c < n; ++c) {
            if (row == c && unit) triangle[row * n + c] = 1;
            if (upper ? c < row : c > row) triangle[row * n + c] = 0;
          }
        }
        EXPECT_TRUE(close_to(times(triangle, doubles(x.select(0, i)), n, n, 3),
                             doubles(b.select(0, i)), 10 * tolerance, 10 * tolerance));
      }
    }
  });
}

TEST(LinalgKernels, QrGivesAMatrixBack) {
  for_all(kRectangles, [](const Dims& shape, DType dtype, double tolerance) {
    Array a = random_array(shape, dtype);
    for (int64_t k : {std::min(shape[1], shape[2]), shape[1]}) {
      Array q = Array::empty({shape[0], shape[1], k}, dtype);
      Array r = Array::empty({shape[0], k, shape[2]}, dtype);
      linalg().qr(a, q, r);
      size_t m = at(shape, 1);
      auto cols = static_cast<size_t>(k);
      for (int64_t i = 0; i < shape[0]; ++i) {
        Values vectors = doubles(q.select(0, i));
        EXPECT_TRUE(close_to(times(vectors, doubles(r.select(0, i)), m, cols, at(shape, 2)),
                             doubles(a.select(0, i)), tolerance, tolerance));
        EXPECT_TRUE(close_to(times(vectors, vectors, cols, m, cols, true), identity_values(cols),
                             tolerance, tolerance));
      }
    }
  });
}

TEST(LinalgKernels, SvdGivesAMatrixBack) {
  for_all(kRectangles, [](const Dims& shape, DType dtype, double tolerance) {
    Array a = random_array(shape, dtype);
    int64_t k = std::min(shape[1], shape[2]);
    size_t m = at(shape, 1);
    size_t n = at(shape, 2);
    for (bool full : {false, true}) {
      int64_t rows = full ? shape[1] : k;
      int64_t cols = full ? shape[2] : k;
      Array u = Array::empty({shape[0], shape[1], rows}, dtype);
      Array s = Array::empty({shape[0], k}, dtype);
      Array vh = Array::empty({shape[0], cols, shape[2]}, dtype);
      linalg().svd("svd", a, u, s, vh);
      for (int64_t i = 0; i < shape[0]; ++i) {
        auto p = static_cast<size_t>(rows);
        auto q = static_cast<size_t>(cols);
        Values left = doubles(u.select(0, i));
        Values right = doubles(vh.select(0, i));
        Values scaled = times(left, diagonal_values(s, i, p, q), m, p, q);
        EXPECT_TRUE(
            close_to(times(scaled, right, m, q, n), doubles(a.select(0, i)), tolerance, tolerance));
        EXPECT_TRUE(
            close_to(times(left, left, p, m, p, true), identity_values(p), tolerance, tolerance));
        EXPECT_TRUE(close_to(times(right, flipped(right, q, n), q, n, q), identity_values(q),
                             tolerance, tolerance));
      }
      Array alone = Array::empty({shape[0], k}, dtype);
      linalg().svd("svdvals", a, {}, alone, {});
      EXPECT_TRUE(close_to(doubles(alone), doubles(s), tolerance, tolerance));
    }
  });
}

TEST(LinalgKernels, EighGivesAMatrixBack) {
  for_all(kSquares, [](const Dims& shape, DType dtype, double tolerance) {
    Array a = symmetric_array(shape, dtype);
    Array w = Array::empty({shape[0], shape[1]}, dtype);
    Array v = Array::empty(shape, dtype);
    linalg().eigh("eigh", a, w, v);
    size_t n = at(shape, 1);
    for (int64_t i = 0; i < shape[0]; ++i) {
      Values vectors = doubles(v.select(0, i));
      Values scaled = times(vectors, diagonal_values(w, i, n, n), n, n, n);
      EXPECT_TRUE(close_to(times(scaled, flipped(vectors, n, n), n, n, n), doubles(a.select(0, i)),
                           tolerance, tolerance));
      Values values = doubles(w.select(0, i));
      EXPECT_TRUE(std::is_sorted(values.begin(), values.end()));
    }
    Array alone = Array::empty(w.shape(), dtype);
    linalg().eigh("eigvalsh", a, alone, {});
    EXPECT_TRUE(close_to(doubles(alone), doubles(w), tolerance, tolerance));
  });
}

// Everything that the family makes of a batch, one after the other.
std::vector<Array> all_results(const Array& a, const Array& positive) {
  const Dims& shape = a.shape();
  DType dtype = a.dtype();
  Dims vector{shape[0], shape[1]};
  std::vector<Array> out;
  for (int i = 0; i < 8; ++i) out.push_back(Array::empty(shape, dtype));
  Array s = Array::empty(vector, dtype);
  Array w = Array::empty(vector, dtype);
  Array pivots = Array::empty(vector, DType::i32);
  linalg().cholesky("cholesky", positive, out[0]);
  linalg().lu(a, out[1], pivots);
  linalg().lu_solve(out[1], pivots, positive, true, out[2]);
  linalg().qr(a, out[3], out[4]);
  linalg().svd("svd", a, out[5], s, out[6]);
  linalg().eigh("eigh", positive, w, out[7]);
  for (const Array& x : {s, w, pivots}) out.push_back(x);
  return out;
}

TEST(LinalgKernels, BitsDependNeitherOnThreadsNorOnThePlaceInTheBatch) {
  for (DType dtype : kFloats) {
    for (const Dims& shape : {Dims{7, 65, 65}, Dims{3, 150, 150}, Dims{40, 7, 7}}) {
      SCOPED_TRACE(fmt::format("{} {}", shape, dtype));
      Array a = random_array(shape, dtype);
      Array positive = positive_array(shape, dtype);
      std::vector<Array> expected;
      for (int threads : kThreadCounts) {
        test::Threads guard(threads);
        std::vector<Array> results = all_results(a, positive);
        if (threads == 1) expected = results;
        for (size_t i = 0; i < results.size(); ++i) EXPECT_TRUE(same_bits(results[i], expected[i]));
      }
      std::vector<Array> alone = all_results(a.slice(0, 2, 3), positive.slice(0, 2, 3));
      for (size_t i = 0; i < alone.size(); ++i) {
        EXPECT_TRUE(same_bits(alone[i], expected[i].slice(0, 2, 3)));
      }
    }
  }
}

TEST(LinalgKernels, NameTheFirstMatrixThatIsWrong) {
  Array a = positive_array({50, 3, 3}, DType::f32);
  for (int64_t i : {31, 8, 44}) a.select(0, i).select(0, 1).select(0, 1).fill_(-1);
  Array out = Array::empty(a.shape());
  for (int threads : kThreadCounts) {
    test::Threads guard(threads);
    EXPECT_EQ(error_of([&] { linalg().cholesky("cholesky", a, out); }),
              "[cholesky] expected positive definite matrices; of matrix 8 of the batch, the "
              "leading minor of order 2 is not positive");
  }
  Array nan = a.clone();
  nan.select(0, 5).select(0, 2).select(0, 1).fill_(NAN);
  nan.select(0, 4).select(0, 0).select(0, 1).fill_(INFINITY);
  Array w = Array::empty({50, 3});
  EXPECT_EQ(error_of([&] { linalg().svd("svdvals", nan, {}, w, {}); }),
            "[svdvals] expected finite numbers, got inf at (0, 1) of matrix 4 of the batch");
  EXPECT_EQ(error_of([&] { linalg().eigh("eigh", nan, w, {}); }),
            "[eigh] expected finite numbers, got nan at (2, 1) of matrix 5 of the batch");
}

TEST(LinalgKernels, NaNGoesThroughWithoutAnEnd) {
  for (DType dtype : kFloats) {
    Array a = random_array({2, 40, 40}, dtype);
    a.select(0, 1).select(0, 3).fill_(NAN);
    Array lu = Array::empty(a.shape(), dtype);
    Array pivots = Array::empty({2, 40}, DType::i32);
    Array x = Array::empty(a.shape(), dtype);
    linalg().lu(a, lu, pivots);
    linalg().lu_solve(lu, pivots, a, false, x);
    Array q = Array::empty(a.shape(), dtype);
    linalg().qr(a, q, x);
    linalg().solve_triangular(a, a, true, false, x);
    Values good = doubles(q.select(0, 0));
    EXPECT_TRUE(std::none_of(good.begin(), good.end(), [](double v) { return std::isnan(v); }));
  }
}

}  // namespace
}  // namespace tessera
