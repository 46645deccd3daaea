#include "core/kernels/gather.h"

#include "core/kernels.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaGather = CudaTest;

TEST_F(CudaGather, RowsHaveTheBitsOfTheCpu) {
  Array index = Array::from<int64_t>({3, 0, 3, 2, 2, 3}, {6});
  for (DType dtype : {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::u8}) {
    Array table = random_array({4, 300}, DType::f32, 1, 0, 100).to(dtype);
    Array here = Array::empty({6, 300}, dtype);
    Array there = Array::empty({6, 300}, dtype, kCuda);
    kernels({}).gather().rows(table, index, here);
    kernels(kCuda).gather().rows(table.to(kCuda), index.to(kCuda), there);
    EXPECT_TRUE(same_bits(there.to(Device{}), here)) << name(dtype);
  }
}

TEST_F(CudaGather, SumsOfRowsHaveTheOrderOfTheIndex) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Array index = Array::from<int64_t>({3, 0, 3, 2, 2, 3, 0, 3}, {8});
    Array source = random_array({8, 270}, dtype);
    Array here = random_array({5, 270}, dtype, 2);
    Array before = here.clone();
    kernels({}).gather().scatter_add_rows(source, index, here);
    for_seeds([&] {
      Array there = before.to(kCuda);
      kernels(kCuda).gather().scatter_add_rows(source.to(kCuda), index.to(kCuda), there);
      EXPECT_TRUE(same_bits(there.to(Device{}), here)) << name(dtype);
    });
  }
}

TEST_F(CudaGather, AnIndexOutsideIsToldAndTheRestAdded) {
  Array index = Array::from<int64_t>({0, 9, 0}, {3}).to(kCuda);
  Array table = Array::zeros({2, 4}, DType::f32, kCuda);
  kernels(kCuda).gather().scatter_add_rows(Array::full({3, 4}, 1, DType::f32, kCuda), index, table);
  EXPECT_EQ(error_of([&] { table.to_vector<float>(); }),
            "[embedding_grad] expected an index in [0, 2), got 9 at 1");
  EXPECT_EQ(table.to_vector<float>(), (std::vector<float>{2, 2, 2, 2, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace tessera::test
