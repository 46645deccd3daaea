#include "core/kernels.h"

#include <gtest/gtest.h>

#include "core/kernels/gather.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::doubles;
using test::error_of;
using test::random_array;

const Kernels& cpu() { return kernels({}); }

TEST(Gather, CopiesRowsOfEveryDtype) {
  Array index = Array::from<int64_t>({2, 0, 2}, {3});
  for (DType dtype :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8}) {
    Array table = Array::arange(12).view({3, 4}).to(dtype);
    Array out = Array::empty({3, 4}, dtype);
    cpu().gather().rows(table, index, out);
    EXPECT_EQ(doubles(out), (std::vector<double>{8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11}));
  }
}

TEST(Gather, NamesAnIndexOutside) {
  Array table = Array::zeros({3, 4});
  Array rows = Array::zeros({2, 4});
  for (int64_t bad : {3, -1}) {
    Array index = Array::from<int64_t>({0, bad}, {2});
    EXPECT_EQ(error_of([&] { cpu().gather().rows(table, index, rows); }),
              fmt::format("[embedding] expected an index in [0, 3), got {} at 1", bad));
    EXPECT_EQ(error_of([&] { cpu().gather().scatter_add_rows(rows, index, table); }),
              fmt::format("[embedding_grad] expected an index in [0, 3), got {} at 1", bad));
  }
}

TEST(ScatterAdd, AddsRepeatedRowsInOrder) {
  int64_t rows = 500;
  Array source = random_array({rows, 130});
  std::vector<int64_t> at;
  for (int64_t i = 0; i < rows; ++i) at.push_back(i * i % 7);
  Array index = Array::from(at, {rows});
  std::vector<float> expected(static_cast<size_t>(7 * 130));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < 130; ++j) {
      expected[static_cast<size_t>(at[static_cast<size_t>(i)] * 130 + j)] +=
          source.data<float>()[i * 130 + j];
    }
  }
  for (int threads : test::kThreadCounts) {
    test::Threads guard(threads);
    Array table = Array::zeros({7, 130});
    cpu().gather().scatter_add_rows(source, index, table);
    EXPECT_EQ(table.to_vector<float>(), expected);
  }
}

}  // namespace
}  // namespace tessera
