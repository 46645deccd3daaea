#include "core/kernels/matmul.h"
#include "core/kernels.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaMatmul = CudaTest;

struct Product {
  int64_t batch, m, k, n;
};

void check_product(const Array& a, const Array& b, const Array& bias) {
  Dims shape{a.shape()[0], a.shape()[1], b.shape()[2]};
  Array expected = Array::empty(shape, a.dtype());
  kernels({}).matmul().run(a, b, bias, expected);
  Array out = Array::empty(shape, a.dtype(), kCuda);
  // Copying to the device packs, so the layouts are made again there.
  auto there = [](const Array& x) {
    if (x.strides()[2] == 1) return x.to(kCuda);
    return x.transpose(1, 2).to(kCuda).transpose(1, 2);
  };
  kernels(kCuda).matmul().run(there(a), there(b), bias.defined() ? bias.to(kCuda) : bias, out);
  EXPECT_TRUE(near(out, expected, 1e-5))
      << fmt::format("{} strides {} times {} strides {}, bias {}", a.shape(), a.strides(),
                     b.shape(), b.strides(), bias.defined());
}

TEST_F(CudaMatmul, AgreesWithTheCpuInEveryLayout) {
  for (DType dtype : {DType::f32, DType::f64}) {
    for (Product p : {Product{1, 5, 7, 3}, Product{3, 4, 9, 6}, Product{1, 1, 8, 1},
                      Product{2, 6, 1, 5}, Product{1, 4, 0, 3}, Product{0, 4, 2, 3}}) {
      Array a = random_array({p.batch, p.m, p.k}, dtype, 1);
      Array at = random_array({p.batch, p.k, p.m}, dtype, 2).transpose(1, 2);
      Array b = random_array({p.batch, p.k, p.n}, dtype, 3);
      Array bt = random_array({p.batch, p.n, p.k}, dtype, 4).transpose(1, 2);
      for (const Array& bias : {Array(), random_array({p.n}, dtype, 5)}) {
        check_product(a, b, bias);
        check_product(at, b, bias);
        check_product(a, bt, bias);
        check_product(at, bt, bias);
      }
    }
  }
}

TEST_F(CudaMatmul, OneMatrixServesAWholeBatch) {
  Array a = random_array({3, 4, 5});
  Array b = random_array({5, 2}, DType::f32, 2);
  Array expected = Array::empty({3, 4, 2});
  kernels({}).matmul().run(a, b.expand({3, 5, 2}), Array(), expected);
  Array out = Array::empty({3, 4, 2}, DType::f32, kCuda);
  kernels(kCuda).matmul().run(a.to(kCuda), b.to(kCuda).expand({3, 5, 2}), Array(), out);
  EXPECT_TRUE(near(out, expected, 1e-5));
}

TEST_F(CudaMatmul, AddsToWhatIsThere) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Array a = random_array({2, 4, 5}, dtype);
    Array b = random_array({2, 5, 3}, dtype, 2);
    Array expected = random_array({2, 4, 3}, dtype, 3);
    Array out = expected.to(kCuda);
    kernels({}).matmul().add(a, b, expected);
    kernels(kCuda).matmul().add(a.to(kCuda), b.to(kCuda), out);
    EXPECT_TRUE(near(out, expected, 1e-5));
  }
}

TEST_F(CudaMatmul, ReadsColumnsOfAWiderMatrix) {
  Array wide = random_array({1, 4, 10});
  Array b = random_array({1, 5, 3}, DType::f32, 2);
  Array expected = Array::empty({1, 4, 3});
  kernels({}).matmul().run(wide.slice(2, 2, 7), b, Array(), expected);
  Array out = Array::empty({1, 4, 3}, DType::f32, kCuda);
  kernels(kCuda).matmul().run(wide.to(kCuda).slice(2, 2, 7), b.to(kCuda), Array(), out);
  EXPECT_TRUE(near(out, expected, 1e-5));
}

}  // namespace
}  // namespace tessera::test
