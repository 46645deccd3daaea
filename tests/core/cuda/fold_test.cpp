#include <cmath>

#include "core/kernels.h"
#include "core/kernels/fold.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaFold = CudaTest;

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                          DType::i64, DType::i32, DType::u8,   DType::boolean};
constexpr DType kFloating[] = {DType::f32, DType::f64, DType::bf16, DType::f16};

// (outer, n, inner): one line, several, more than a block has threads for, side by side, none.
const std::vector<Dims> kShapes{{1, 1, 1},  {3, 700, 1}, {2, 5, 40}, {1, 300, 33},
                                {70, 2, 3}, {0, 3, 2},   {2, 3, 0}};

double tolerance(DType dtype) { return dtype == DType::f64 ? 1e-12 : 1e-5; }

// Small integers, so that sums and products are exact in every dtype, with a few NaN.
Array numbers(const Dims& shape, DType dtype, bool with_nan = false) {
  Array x = random_array(shape, DType::f64, 1, -2, 3);
  std::vector<double> values = x.to_vector<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = with_nan && i % 97 == 5 ? std::nan("") : std::floor(values[i]);
  }
  return Array::from(values, shape).to(dtype);
}

DType result_of(FoldOp op, DType dtype) {
  switch (op) {
    case FoldOp::sum:
    case FoldOp::nansum:
    case FoldOp::prod: return is_floating(dtype) ? dtype : DType::i64;
    case FoldOp::any:
    case FoldOp::all: return DType::boolean;
    case FoldOp::count_nonzero: return DType::i64;
    default: return dtype;
  }
}

// fold(x, out) on the device gives what it gives on the CPU, under any order of threads.
template <class F>
void expect_as_on_the_cpu(const Array& x, DType result, double tolerance, F&& fold) {
  SCOPED_TRACE(fmt::format("{} {}", x.shape(), x.dtype()));
  Dims outputs{x.shape()[0], x.shape()[2]};
  Array expected = Array::empty(outputs, result);
  fold(kernels({}).fold(), x, expected);
  Array there = x.to(kCuda);
  for_seeds([&] {
    Array out = Array::empty(outputs, result, kCuda);
    fold(kernels(kCuda).fold(), there, out);
    EXPECT_TRUE(close_to(doubles(out.to(Device{})), doubles(expected), tolerance, tolerance));
  });
}

TEST_F(CudaFold, EveryOpAgreesWithTheCpuInEveryDtype) {
  for (FoldOp op : {FoldOp::sum, FoldOp::nansum, FoldOp::prod, FoldOp::min, FoldOp::max,
                    FoldOp::any, FoldOp::all, FoldOp::count_nonzero}) {
    SCOPED_TRACE(static_cast<int>(op));
    for (DType dtype : kAll) {
      for (const Dims& shape : kShapes) {
        for (bool with_nan : {false, is_floating(dtype)}) {
          expect_as_on_the_cpu(numbers(shape, dtype, with_nan), result_of(op, dtype), 0,
                               [op](const FoldFamily& family, const Array& x, const Array& out) {
                                 family.run(op, x, out);
                               });
        }
      }
    }
  }
}

TEST_F(CudaFold, AnEmptyLineGivesWhatIsNeutral) {
  for (DType dtype : {DType::f32, DType::i32}) {
    for (FoldOp op : {FoldOp::sum, FoldOp::prod, FoldOp::any, FoldOp::all}) {
      expect_as_on_the_cpu(Array::empty({2, 0, 3}, dtype), result_of(op, dtype), 0,
                           [op](const FoldFamily& family, const Array& x, const Array& out) {
                             family.run(op, x, out);
                           });
    }
  }
}

TEST_F(CudaFold, ExtremesAreFoundWhereTheyAreFirst) {
  for (DType dtype : kAll) {
    for (const Dims& shape : kShapes) {
      for (bool largest : {true, false}) {
        Array x = numbers(shape, dtype, is_floating(dtype) && largest);
        expect_as_on_the_cpu(
            x, DType::i64, 0, [&](const FoldFamily& family, const Array& x, const Array& out) {
              Array values = Array::empty(out.shape(), dtype, out.device());
              family.arg(largest, x, values, out);
              Array expected = Array::empty(out.shape(), dtype);
              kernels({}).fold().run(largest ? FoldOp::max : FoldOp::min, x.to(Device{}), expected);
              EXPECT_TRUE(close_to(doubles(values.to(Device{})), doubles(expected), 0, 0));
            });
      }
    }
  }
}

TEST_F(CudaFold, NormsAgreeWithTheCpu) {
  for (DType dtype : kFloating) {
    for (double p : {0.0, 1.0, 2.0, 3.0, 0.5, HUGE_VAL, -HUGE_VAL}) {
      for (const Dims& shape : kShapes) {
        expect_as_on_the_cpu(numbers(shape, dtype), dtype, tolerance(dtype),
                             [p](const FoldFamily& family, const Array& x, const Array& out) {
                               family.norm(p, x, out);
                             });
      }
    }
  }
}

TEST_F(CudaFold, DeviationsAndLogsOfSumsAgreeWithTheCpu) {
  for (DType dtype : kFloating) {
    for (const Dims& shape : kShapes) {
      for (bool root : {false, true}) {
        expect_as_on_the_cpu(numbers(shape, dtype), dtype, tolerance(dtype),
                             [root](const FoldFamily& family, const Array& x, const Array& out) {
                               family.variance(x, 2, root, out);
                             });
      }
      expect_as_on_the_cpu(numbers(shape, dtype), dtype, tolerance(dtype),
                           [](const FoldFamily& family, const Array& x, const Array& out) {
                             family.log_sum_exp(x, out, {});
                           });
    }
  }
}

// Powers that overflow or vanish, and a mean far from zero.
TEST_F(CudaFold, TakesNumbersAtTheEndsOfTheRange) {
  const FoldFamily& fold = kernels(kCuda).fold();
  for (DType dtype : {DType::f32, DType::f64}) {
    double huge = dtype == DType::f64 ? 1e200 : 1e30;
    for (double size : {huge, 1 / huge}) {
      Array x = Array::from<double>({size, -2 * size, 4 * size}, {1, 3, 1}).to(dtype).to(kCuda);
      Array out = Array::empty({1, 1}, dtype, kCuda);
      auto in_sizes = [&] { return doubles(out.to(Device{}))[0] / size; };
      fold.norm(2, x, out);
      EXPECT_NEAR(in_sizes(), std::sqrt(21.0), 1e-5);
      fold.norm(3, x, out);
      EXPECT_NEAR(in_sizes(), std::cbrt(73.0), 1e-5);
      fold.norm(-1, x, out);
      EXPECT_NEAR(in_sizes(), 1 / 1.75, 1e-5);
      fold.variance(x, 2, true, out);
      EXPECT_NEAR(in_sizes(), 3, 1e-5);
    }
    double far = dtype == DType::f64 ? 1e16 : 1e7;
    Array x = Array::from<double>({far, far + 2, far + 6, far + 10}, {1, 4, 1}).to(dtype).to(kCuda);
    Array out = Array::empty({1, 1}, dtype, kCuda);
    fold.variance(x, 3, false, out);
    EXPECT_NEAR(doubles(out.to(Device{}))[0], 59.0 / 3, 1e-5);
  }
}

TEST_F(CudaFold, ReadsElementsThatRepeatThemselvesWhereTheyLie) {
  Array few = numbers({3, 1, 2}, DType::f32);
  Array expected = Array::empty({3, 2});
  kernels({}).fold().run(FoldOp::sum, few.expand({3, 50, 2}), expected);
  Array out = Array::empty({3, 2}, DType::f32, kCuda);
  kernels(kCuda).fold().run(FoldOp::sum, few.to(kCuda).expand({3, 50, 2}), out);
  EXPECT_EQ(doubles(out.to(Device{})), doubles(expected));
}

TEST_F(CudaFold, LogsOfSumsOfInfinitiesAreInfinite) {
  Array x = Array::from<double>({-HUGE_VAL, -HUGE_VAL, 1, HUGE_VAL}, {2, 2, 1}).to(kCuda);
  Array out = Array::empty({2, 1}, DType::f64, kCuda);
  kernels(kCuda).fold().log_sum_exp(x, out, {});
  EXPECT_EQ(out.to_vector<double>(), (std::vector<double>{-HUGE_VAL, HUGE_VAL}));
}

}  // namespace
}  // namespace tessera::test
