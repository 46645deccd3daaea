#include "autograd/ops/matmul.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

struct Broadcast {
  Dims a, b, out;
};

// Every pair of a vector, a matrix and batches, with the shape that PyTorch gives.
const std::vector<Broadcast> kBroadcasts{
    {{3}, {3}, {}},
    {{3}, {3, 2}, {2}},
    {{3}, {4, 3, 2}, {4, 2}},
    {{3}, {5, 4, 3, 2}, {5, 4, 2}},
    {{2, 3}, {3}, {2}},
    {{4, 2, 3}, {3}, {4, 2}},
    {{5, 4, 2, 3}, {3}, {5, 4, 2}},
    {{2, 3}, {3, 4}, {2, 4}},
    {{2, 3}, {5, 3, 4}, {5, 2, 4}},
    {{5, 2, 3}, {3, 4}, {5, 2, 4}},
    {{5, 2, 3}, {5, 3, 4}, {5, 2, 4}},
    {{1, 2, 3}, {5, 3, 4}, {5, 2, 4}},
    {{5, 2, 3}, {1, 3, 4}, {5, 2, 4}},
    {{6, 1, 2, 3}, {5, 3, 4}, {6, 5, 2, 4}},
    {{5, 2, 3}, {6, 1, 3, 4}, {6, 5, 2, 4}},
    {{0, 2, 3}, {3, 4}, {0, 2, 4}},
    {{0, 2, 3}, {1, 3, 4}, {0, 2, 4}},
    {{5, 0, 3}, {3, 4}, {5, 0, 4}},
    {{5, 2, 0}, {5, 0, 4}, {5, 2, 4}},
    {{0}, {0}, {}},
    {{0}, {0, 2}, {2}},
};

Dims reversed(size_t dims) {
  Dims out;
  for (size_t d = dims; d-- > 0;) out.push_back(static_cast<int64_t>(d));
  return out;
}

// The same elements with the dims in memory the other way round.
Tensor turned(const Array& x) {
  return Tensor(x.permute(reversed(x.dim())).clone().permute(reversed(x.dim())));
}

// Every second element of a longer last dim.
Tensor stepped(const Array& x) {
  Dims wide = x.shape();
  wide.back() *= 2;
  Array out = Array::full(wide, 7, x.dtype()).slice(-1, 0, wide.back(), 2);
  out.copy_(x);
  return Tensor(out);
}

// The sum over k of a product that broadcasts, without matmul.
Tensor by_sum(const Tensor& a, const Tensor& b) {
  Tensor left = a.dim() == 1 ? unsqueeze(a, 0) : a;
  Tensor right = b.dim() == 1 ? unsqueeze(b, 1) : b;
  Tensor out = sum(unsqueeze(left, -1) * unsqueeze(right, -3), {-2});
  if (b.dim() == 1) out = squeeze(out, -1);
  if (a.dim() == 1) out = squeeze(out, b.dim() == 1 ? -1 : -2);
  return out;
}

TEST(MatmulOp, BroadcastsAsPyTorchDoes) {
  for (const auto& [a_shape, b_shape, shape] : kBroadcasts) {
    Array a = random_array(a_shape, DType::f64, 1);
    Array b = random_array(b_shape, DType::f64, 2);
    std::vector<double> expected = doubles(by_sum(Tensor(a), Tensor(b)).data());
    for (const Tensor& x : {Tensor(a), turned(a), stepped(a)}) {
      for (const Tensor& y : {Tensor(b), turned(b), stepped(b)}) {
        Tensor out = matmul(x, y);
        EXPECT_EQ(out.shape(), shape) << fmt::format("{} x {}", a_shape, b_shape);
        EXPECT_TRUE(close_to(doubles(out.data()), expected, 1e-12, 1e-12))
            << fmt::format("{} x {}", a_shape, b_shape);
      }
    }
  }
}

TEST(MatmulOp, TakesExpandedOperands) {
  Tensor a = expand(Tensor(random_array({1, 3}, DType::f64, 1)), {4, 3});
  Tensor b = expand(Tensor(random_array({3, 1}, DType::f64, 2)), {3, 5});
  EXPECT_TRUE(close_to(doubles(matmul(a, b).data()), doubles(by_sum(a, b).data()), 1e-12, 1e-12));
}

TEST(MatmulOp, GivesZerosForAnEmptyInnerDim) {
  for (DType dtype :
       {DType::f32, DType::f64, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8}) {
    Tensor out =
        matmul(Tensor(Array::empty({2, 3, 0}, dtype)), Tensor(Array::empty({0, 4}, dtype)));
    EXPECT_TRUE(same_bits(out.data(), Array::zeros({2, 3, 4}, dtype)));
  }
}

TEST(MatmulOp, SumsSixteenBitFloatsInF32) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    Tensor a(random_array({7, 1000}, DType::f32, 1).to(dtype), true);
    Tensor b(random_array({1000, 5}, DType::f32, 2).to(dtype), true);
    Tensor dy(random_array({7, 5}, DType::f32, 3).to(dtype));
    Tensor y = matmul(a, b);
    y.backward(dy);
    auto rounded = [dtype](const Tensor& p, const Tensor& q) {
      return matmul(to(p.detach(), DType::f32), to(q.detach(), DType::f32)).data().to(dtype);
    };
    EXPECT_TRUE(same_bits(y.data(), rounded(a, b)));
    EXPECT_TRUE(same_bits(a.grad().data(), rounded(dy, transpose(b.detach(), 0, 1))));
    EXPECT_TRUE(same_bits(b.grad().data(), rounded(transpose(a.detach(), 0, 1), dy)));
  }
}

TEST(MatmulOp, MultipliesIntegersExactly) {
  Tensor a(Array::full({2, 3}, 1 << 20, DType::i64));
  Tensor b(Array::full({3, 2}, 1 << 21, DType::i64));
  EXPECT_EQ(matmul(a, b).data().to_vector<int64_t>(), std::vector<int64_t>(4, int64_t{3} << 41));
  Tensor narrow = matmul(to(a, DType::i32), to(b, DType::i32));
  EXPECT_EQ(narrow.data().to_vector<int32_t>(), std::vector<int32_t>(4, 0));
}

TEST(MatmulOp, RefusesWhatDoesNotFit) {
  auto zeros = [](const Dims& shape, DType dtype = DType::f32) {
    return Tensor(Array::zeros(shape, dtype));
  };
  EXPECT_EQ(error_of([&] {
              matmul(zeros({32, 64}), zeros({48, 16}));
            }),
            "[matmul] expected the last dim of a (32, 64) to match the first dim of b (48, 16)");
  EXPECT_EQ(
      error_of([&] {
        matmul(zeros({3}), zeros({2, 4, 5}));
      }),
      "[matmul] expected the last dim of a (3,) to match the last but one dim of b (2, 4, 5)");
  EXPECT_EQ(error_of([&] {
              matmul(zeros({2, 3, 4}), zeros({5, 4, 3}));
            }),
            "[matmul] shapes (2,) and (5,) do not broadcast");
  EXPECT_EQ(error_of([&] { matmul(zeros({}), zeros({3})); }),
            "[matmul] expected at least one dim each, got a () and b (3,)");
  EXPECT_EQ(error_of([&] {
              matmul(zeros({2, 2}), zeros({2, 2}, DType::f64));
            }),
            "[matmul] expected two of one dtype, of numbers, got f32 and f64");
  EXPECT_EQ(error_of([&] {
              matmul(zeros({2, 2}, DType::boolean), zeros({2, 2}, DType::boolean));
            }),
            "[matmul] expected two of one dtype, of numbers, got bool and bool");
  EXPECT_EQ(error_of([&] {
              linear(zeros({2, 3}), zeros({4, 2}));
            }),
            "[linear] expected the last dim of x (2, 3) to match the last dim of weight (4, 2)");
  EXPECT_EQ(error_of([&] {
              linear(zeros({2, 3}), zeros({4, 3}), zeros({3}));
            }),
            "[linear] expected a bias of (4,) and f32, got (3,) and f32");
}

}  // namespace
}  // namespace tessera
