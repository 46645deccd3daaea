#include <cmath>

#include "core/kernels.h"
#include "core/kernels/binary.h"
#include "core/kernels/unary.h"
#include "core/kernels/where.h"
#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaElementwise = CudaTest;

constexpr DType kAll[] = {DType::f32, DType::f64, DType::bf16, DType::f16,
                          DType::i64, DType::i32, DType::u8,   DType::boolean};

// Every function there is.
template <class Op>
std::vector<Op> numbered(size_t count) {
  std::vector<Op> out;
  for (size_t i = 0; i < count; ++i) out.push_back(static_cast<Op>(i));
  return out;
}
const std::vector<UnaryOp> kUnary = numbered<UnaryOp>(std::size(kUnaryKinds));
const std::vector<BinaryOp> kBinary = numbered<BinaryOp>(std::size(kBinaryKinds));

double rounding(DType dtype) {
  switch (dtype) {
    case DType::f64: return 1e-13;
    case DType::f32: return 2e-6;
    case DType::f16: return 1e-3;
    case DType::bf16: return 8e-3;
    default: return 0;
  }
}

// Numbers in [-3, 3) with the special ones of the dtype in front.
Array numbers(const Dims& shape, DType dtype, uint64_t seed) {
  Array x = random_array(shape, DType::f64, seed, -3, 3);
  std::vector<double> values = x.to_vector<double>();
  double special[] = {0, -0.0, 200, -200, HUGE_VAL, -HUGE_VAL, std::nan("")};
  for (size_t i = 0; i < (is_floating(dtype) ? 7 : 4); ++i) {
    values[(i * 5 + seed) % values.size()] = special[i];
  }
  return Array::from(values, shape).to(dtype);
}

// x as it is, transposed, every second column, a row for all, and nothing.
std::vector<Array> layouts(const Array& x) {
  return {x, x.transpose(0, 1), x.slice(1, 0, x.size(1), 2), x.select(0, 0).expand({5, x.size(1)}),
          x.slice(0, 0, 0)};
}

// fn(kernels, inputs, out) on the device against the CPU: the same values, or the same error.
template <class F>
void expect_as_on_the_cpu(const std::vector<Array>& inputs, DType dtype, double tolerance, F&& fn) {
  std::vector<std::vector<Array>> here, there;
  for (const Array& x : inputs) {
    here.push_back(layouts(x));
    there.push_back(layouts(x.to(kCuda)));
  }
  for (size_t i = 0; i < here[0].size(); ++i) {
    SCOPED_TRACE(fmt::format("layout {}", i));
    std::vector<Array> x, y;
    for (size_t k = 0; k < inputs.size(); ++k) {
      x.push_back(here[k][i]);
      y.push_back(there[k][i]);
    }
    Array expected = Array::zeros(x[0].shape(), dtype);
    Array out = Array::zeros(x[0].shape(), dtype, kCuda);
    std::string error = error_of([&] { fn(kernels({}), x, expected); });
    std::string error_there = error_of([&] {
      fn(kernels(kCuda), y, out);
      backend(kCuda).synchronize();
    });
    // Nothing to compute is nothing to refuse.
    if (out.numel() > 0) {
      EXPECT_EQ(error_there, error);
    }
    if (!error.empty()) continue;
    EXPECT_TRUE(close_to(doubles(out.to(Device{})), doubles(expected), tolerance, tolerance));
  }
}

// Ordered as clamp's limits are, and positive as the scales of others have to be.
constexpr ElementwiseParams kParams{0.25, 1.5, 0.75};

void expect_unary(UnaryOp op, const Array& x, DType dtype,
                  const ElementwiseParams& params = kParams) {
  SCOPED_TRACE(fmt::format("op {} {} to {}", static_cast<int>(op), x.dtype(), dtype));
  expect_as_on_the_cpu({x}, dtype, rounding(dtype),
                       [&](const Kernels& device, const std::vector<Array>& in, const Array& out) {
                         device.unary().run(op, in[0], out, params);
                       });
}

void expect_binary(BinaryOp op, const Array& a, const Array& b, DType dtype) {
  SCOPED_TRACE(
      fmt::format("op {} {} and {} to {}", static_cast<int>(op), a.dtype(), b.dtype(), dtype));
  expect_as_on_the_cpu({a, b}, dtype, rounding(dtype),
                       [&](const Kernels& device, const std::vector<Array>& in, const Array& out) {
                         device.binary().run(op, in[0], in[1], out);
                       });
}

TEST_F(CudaElementwise, EveryUnaryFunctionAgreesWithTheCpuInEveryDtype) {
  for (UnaryOp op : kUnary) {
    for (DType dtype : kAll) {
      expect_unary(op, numbers({11, 12}, dtype, 1), gives_bool(op) ? DType::boolean : dtype);
    }
    expect_unary(op, numbers({11, 12}, DType::i32, 1), DType::f32);
    expect_unary(op, numbers({11, 12}, DType::f64, 1), DType::bf16);
  }
}

TEST_F(CudaElementwise, ANanBoundIsTheResult) {
  for (DType dtype : {DType::f32, DType::f64, DType::f16}) {
    Array x = numbers({11, 12}, dtype, 1);
    expect_unary(UnaryOp::clamp, x, dtype, {std::nan(""), 1.5, 0});
    expect_unary(UnaryOp::clamp, x, dtype, {0.25, std::nan(""), 0});
  }
}

TEST_F(CudaElementwise, EveryBinaryFunctionAgreesWithTheCpuInEveryDtype) {
  for (BinaryOp op : kBinary) {
    for (DType dtype : kAll) {
      Array a = numbers({11, 12}, dtype, 1);
      Array b = numbers({11, 12}, dtype, 2);
      DType result = gives_bool(op) ? DType::boolean : dtype;
      expect_binary(op, a, b, result);
      // Divisors without a zero, and powers without a sign.
      if (!is_floating(dtype)) {
        kernels({}).unary().run(UnaryOp::square, b, b);
        kernels({}).binary().run(BinaryOp::maximum, b, Array::full({}, 1, dtype).expand(b.shape()),
                                 b);
        expect_binary(op, a, b, result);
      }
    }
    expect_binary(op, numbers({11, 12}, DType::f32, 1), numbers({11, 12}, DType::i32, 2),
                  gives_bool(op) ? DType::boolean : DType::f64);
  }
}

TEST_F(CudaElementwise, SelectsInEveryDtype) {
  for (DType dtype : kAll) {
    Array mask = random_array({11, 12}, DType::f64, 3, -1, 1);
    kernels({}).unary().run(UnaryOp::relu, mask, mask);
    Array a = numbers({11, 12}, dtype, 1);
    Array b = numbers({11, 12}, DType::i32, 2);
    expect_as_on_the_cpu({mask.to(DType::boolean), a, b}, dtype, 0,
                         [](const Kernels& device, const std::vector<Array>& in, const Array& out) {
                           device.where().run(in[0], in[1], in[2], out);
                         });
  }
}

TEST_F(CudaElementwise, WritesInPlaceThroughStrides) {
  for_seeds([] {
    Array x = random_array({9, 30});
    Array there = x.to(kCuda);
    Array columns = x.slice(1, 1, 30, 3);
    Array columns_there = there.slice(1, 1, 30, 3);
    kernels({}).binary().affine(columns, 2, 0.5, columns);
    kernels(kCuda).binary().affine(columns_there, 2, 0.5, columns_there);
    EXPECT_TRUE(near(there, x));
  });
}

TEST_F(CudaElementwise, AffineRefusesIntegers) {
  Array x = Array::zeros({2}, DType::i32, kCuda);
  EXPECT_EQ(error_of([&] { kernels(kCuda).binary().affine(x, 2, 1, x); }),
            "[affine] expected a floating dtype, got i32");
}

}  // namespace
}  // namespace tessera::test
