#include "core/kernels.h"

#include <gtest/gtest.h>

#include "core/kernels/reduce.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;
using test::same_bits;

const Kernels& cpu() { return kernels({}); }

TEST(Reduce, SumsRowsAndColumns) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t rows : {0, 1, 2, 63, 64, 65, 4097}) {
      for (int64_t cols : {0, 1, 3, 17, 100}) {
        Array x = random_array({rows, cols}, dtype);
        std::vector<double> v = doubles(x);
        std::vector<double> by_row(static_cast<size_t>(rows));
        std::vector<double> by_column(static_cast<size_t>(cols));
        for (size_t i = 0; i < v.size(); ++i) {
          by_row[i / static_cast<size_t>(cols)] += v[i];
          by_column[i % static_cast<size_t>(cols)] += v[i];
        }
        double atol = dtype == DType::f32 ? 1e-4 : 1e-12;
        Array out = Array::full({rows}, NAN, dtype);
        cpu().reduce().sum_rows(x, out);
        ASSERT_TRUE(close_to(doubles(out), by_row, atol, 0)) << rows << ' ' << cols;
        out = Array::full({cols}, NAN, dtype);
        cpu().reduce().sum_columns(x, out);
        ASSERT_TRUE(close_to(doubles(out), by_column, atol, 0)) << rows << ' ' << cols;
      }
    }
  }
}

TEST(Reduce, SumsLongRowsOfExactNumbersExactly) {
  for (int64_t cols : {16383, 16384, 16385, 40000, 300001}) {
    Array x = Array::full({3, cols}, 1);
    Array out = Array::empty({3});
    cpu().reduce().sum_rows(x, out);
    EXPECT_EQ(doubles(out), std::vector<double>(3, static_cast<double>(cols)));
  }
}

TEST(Reduce, ChunkSquareSumsHaveOneValuePer256Elements) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (int64_t count : {0, 1, 7, 255, 256, 257, 511, 512, 16384, 16385, 50000}) {
      Array x = random_array({count}, dtype, 4, -3, 3);
      std::vector<double> v = doubles(x);
      std::vector<double> expected(static_cast<size_t>((count + 255) / 256));
      for (size_t i = 0; i < v.size(); ++i) expected[i / 256] += v[i] * v[i];
      Array first;
      for (int threads : test::kThreadCounts) {
        test::Threads guard(threads);
        Array out = Array::full({(count + 255) / 256}, NAN, DType::f64);
        cpu().reduce().chunk_square_sums(x, out);
        ASSERT_TRUE(close_to(doubles(out), expected, 0, 1e-13)) << count;
        if (!first.defined()) first = out;
        ASSERT_TRUE(same_bits(out, first));
      }
    }
  }
}

TEST(Reduce, AChunksSquareSumDoesNotDependOnItsNeighbours) {
  Array x = random_array({2560});
  Array whole = Array::empty({10}, DType::f64);
  cpu().reduce().chunk_square_sums(x, whole);
  for (int64_t chunk = 0; chunk < 10; ++chunk) {
    Array one = Array::empty({1}, DType::f64);
    cpu().reduce().chunk_square_sums(x.slice(0, 256 * chunk, 256 * chunk + 256), one);
    EXPECT_TRUE(same_bits(one, whole.slice(0, chunk, chunk + 1)));
  }
}

}  // namespace
}  // namespace tessera
