#include <cmath>

#include "tests/core/cuda/cuda_test.h"

namespace tessera::test {
namespace {

using CudaElementwise = CudaTest;

constexpr UnaryOp kUnary[] = {UnaryOp::neg,  UnaryOp::abs,     UnaryOp::sign, UnaryOp::square,
                              UnaryOp::sqrt, UnaryOp::exp,     UnaryOp::log,  UnaryOp::tanh,
                              UnaryOp::relu, UnaryOp::sigmoid, UnaryOp::gelu, UnaryOp::reciprocal};
constexpr BinaryOp kBinary[] = {BinaryOp::add,         BinaryOp::sub,       BinaryOp::mul,
                                BinaryOp::div,         BinaryOp::maximum,   BinaryOp::minimum,
                                BinaryOp::relu_grad,   BinaryOp::gelu_grad, BinaryOp::tanh_grad,
                                BinaryOp::sigmoid_grad};

// Numbers in [-3, 3) with the special ones in front.
Array numbers(const Dims& shape, DType dtype, uint64_t seed) {
  Array x = random_array(shape, DType::f64, seed, -3, 3);
  std::vector<double> values = x.to_vector<double>();
  double special[] = {0, -0.0, HUGE_VAL, -HUGE_VAL, std::nan(""), 200, -200};
  for (size_t i = 0; i < 7; ++i) values[(i * 5 + seed) % values.size()] = special[i];
  return Array::from(values, shape).to(dtype);
}

// x as it is, transposed, every second column, and a row for all.
std::vector<Array> layouts(const Array& x) {
  return {x, x.transpose(0, 1), x.slice(1, 0, x.size(1), 2), x.select(0, 0).expand({5, x.size(1)}),
          x.slice(0, 0, 0)};
}

TEST_F(CudaElementwise, UnaryFunctionsAgreeWithTheCpu) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Array x = numbers({11, 40}, dtype, 1);
    std::vector<Array> here = layouts(x);
    std::vector<Array> there = layouts(x.to(kCuda));
    for (UnaryOp op : kUnary) {
      for (size_t i = 0; i < here.size(); ++i) {
        Array expected = Array::empty(here[i].shape(), dtype);
        Array out = Array::empty(here[i].shape(), dtype, kCuda);
        kernels({}).unary().run(op, here[i], expected);
        kernels(kCuda).unary().run(op, there[i], out);
        EXPECT_TRUE(near(out, expected)) << static_cast<int>(op) << " layout " << i;
      }
    }
  }
}

TEST_F(CudaElementwise, BinaryFunctionsAgreeWithTheCpu) {
  for (DType dtype : {DType::f32, DType::f64}) {
    Array x = numbers({11, 40}, dtype, 1);
    Array y = numbers({11, 40}, dtype, 2);
    std::vector<Array> a = layouts(x), b = layouts(y);
    std::vector<Array> a_there = layouts(x.to(kCuda)), b_there = layouts(y.to(kCuda));
    for (BinaryOp op : kBinary) {
      for (size_t i = 0; i < a.size(); ++i) {
        Array expected = Array::empty(a[i].shape(), dtype);
        Array out = Array::empty(a[i].shape(), dtype, kCuda);
        kernels({}).binary().run(op, a[i], b[i], expected);
        kernels(kCuda).binary().run(op, a_there[i], b_there[i], out);
        EXPECT_TRUE(near(out, expected)) << static_cast<int>(op) << " layout " << i;
      }
    }
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

TEST_F(CudaElementwise, OtherDtypesAreRefused) {
  Array x = Array::zeros({2}, DType::i32, kCuda);
  EXPECT_TRUE(contains(error_of([&] { kernels(kCuda).unary().run(UnaryOp::exp, x, x); }),
                       "expected a dtype of which this function is defined, got i32"));
}

}  // namespace
}  // namespace tessera::test
