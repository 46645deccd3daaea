#include "core/kernels/reduce.h"
#include "core/kernels.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaReduce = CudaTest;

TEST_F(CudaReduce, SumsAgreeWithTheCpuAndKeepTheirBits) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (const Dims& shape : {Dims{1, 1}, Dims{3, 700}, Dims{70, 33}, Dims{513, 2}, Dims{4, 0}}) {
      Array x = random_array(shape, dtype);
      Array rows = Array::empty({shape[0]}, dtype);
      Array cols = Array::empty({shape[1]}, dtype);
      kernels({}).reduce().sum_rows(x, rows);
      kernels({}).reduce().sum_columns(x, cols);
      Array first_rows;
      Array first_cols;
      for_seeds([&] {
        Array on_device = x.to(kCuda);
        Array r = Array::empty(rows.shape(), dtype, kCuda);
        Array c = Array::empty(cols.shape(), dtype, kCuda);
        kernels(kCuda).reduce().sum_rows(on_device, r);
        kernels(kCuda).reduce().sum_columns(on_device, c);
        EXPECT_TRUE(near(r, rows, 1e-5));
        EXPECT_TRUE(near(c, cols, 1e-5));
        if (!first_rows.defined()) {
          first_rows = r.to(Device{});
          first_cols = c.to(Device{});
        }
        EXPECT_TRUE(same_bits(r.to(Device{}), first_rows));
        EXPECT_TRUE(same_bits(c.to(Device{}), first_cols));
      });
    }
  }
}

TEST_F(CudaReduce, SumsByATreeHaveTheBitsOfTheCpu) {
  for (int64_t count : {0, 1, 2, 3, 7, 64, 1000, 4097}) {
    Array x = random_array({count}, DType::f64);
    Array here = Array::empty({}, DType::f64);
    Array there = Array::empty({}, DType::f64, kCuda);
    kernels({}).reduce().tree_sum(x, here);
    kernels(kCuda).reduce().tree_sum(x.to(kCuda), there);
    EXPECT_TRUE(same_bits(there.to(Device{}), here)) << count;
  }
}

TEST_F(CudaReduce, SumsOfNoRowsAreZero) {
  Array out = Array::full({3}, 7, DType::f32, kCuda);
  kernels(kCuda).reduce().sum_columns(Array::empty({0, 3}, DType::f32, kCuda), out);
  EXPECT_EQ(out.to_vector<float>(), std::vector<float>(3, 0));
}

TEST_F(CudaReduce, SquareSumsAreThoseOfChunks) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Array x = random_array({600}, dtype);
    Array expected = Array::empty({3}, DType::f64);
    kernels({}).reduce().chunk_square_sums(x, expected);
    for_seeds([&] {
      Array out = Array::empty({3}, DType::f64, kCuda);
      kernels(kCuda).reduce().chunk_square_sums(x.to(kCuda), out);
      EXPECT_TRUE(near(out, expected));
    });
  }
}

}  // namespace
}  // namespace tessera::test
