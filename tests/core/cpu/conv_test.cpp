#include "core/kernels/conv.h"
#include "core/kernels.h"

#include <gtest/gtest.h>

#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::kThreadCounts;
using test::random_array;
using test::same_bits;

struct Sizes {
  int64_t n, h, w, c, o, kernel;
  ConvArgs args;
};

// Channels that fill vectors and channels that do not, groups, strides that leave rows over,
// dilation, wide padding, and batches that are cut into tiles of unequal sizes.
const std::vector<Sizes> kSizes{
    {1, 1, 1, 1, 1, 1, {}},
    {2, 7, 9, 3, 5, 3, {{1, 1}, {1, 1}, {1, 1}, 1}},
    {5, 8, 8, 16, 24, 3, {{2, 2}, {1, 1}, {1, 1}, 1}},
    {33, 6, 5, 8, 8, 3, {{1, 2}, {0, 1}, {1, 1}, 1}},
    {3, 9, 9, 8, 16, 2, {{2, 3}, {2, 0}, {2, 3}, 1}},
    {4, 6, 6, 16, 32, 3, {{1, 1}, {1, 1}, {1, 1}, 2}},
    {4, 6, 6, 6, 6, 3, {{1, 1}, {1, 1}, {1, 1}, 3}},
    {4, 12, 12, 32, 32, 3, {{1, 1}, {1, 1}, {1, 1}, 32}},
    {2, 5, 5, 16, 16, 3, {{1, 1}, {4, 4}, {1, 1}, 1}},
};

struct Results {
  Array y, dx, dw;
};

Results run(const Sizes& s, DType dtype) {
  auto out_size = [&](int64_t size, size_t d) {
    return (size + 2 * s.args.padding[d] - s.args.dilation[d] * (s.kernel - 1) - 1) /
               s.args.stride[d] +
           1;
  };
  auto input = [&](const Dims& shape, uint64_t seed) {
    return random_array(shape, DType::f32, seed).to(dtype);
  };
  Array x = input({s.n, s.h, s.w, s.c}, 1);
  Array w = input({s.o, s.c / s.args.groups, s.kernel, s.kernel}, 2);
  Array b = input({s.o}, 3);
  Dims out{s.n, out_size(s.h, 0), out_size(s.w, 1), s.o};
  Array dy = input(out, 4);
  Results r{Array::empty(out, dtype), Array::empty(x.shape(), dtype),
            Array::empty(w.shape(), dtype)};
  const ConvFamily& conv = kernels({}).conv();
  conv.run(x, w, b, s.args, r.y);
  conv.input_grad(dy, w, s.args, r.dx);
  conv.weight_grad(x, dy, s.args, r.dw);
  return r;
}

TEST(Conv, F32AgreesWithPlainLoopsInF64) {
  for (const Sizes& s : kSizes) {
    SCOPED_TRACE(
        fmt::format("{} images of {} x {} x {}, {} groups", s.n, s.h, s.w, s.c, s.args.groups));
    Results ours = run(s, DType::f32);
    Results plain = run(s, DType::f64);
    EXPECT_TRUE(close_to(doubles(ours.y), doubles(plain.y), 1e-4, 1e-5));
    EXPECT_TRUE(close_to(doubles(ours.dx), doubles(plain.dx), 1e-4, 1e-5));
    EXPECT_TRUE(close_to(doubles(ours.dw), doubles(plain.dw), 1e-3, 1e-5));
  }
}

TEST(Conv, BitsDoNotDependOnTheNumberOfThreads) {
  for (const Sizes& s : kSizes) {
    Results expected;
    for (int threads : kThreadCounts) {
      test::Threads guard(threads);
      Results r = run(s, DType::f32);
      if (threads == 1) expected = r;
      EXPECT_TRUE(same_bits(r.y, expected.y)) << threads;
      EXPECT_TRUE(same_bits(r.dx, expected.dx)) << threads;
      EXPECT_TRUE(same_bits(r.dw, expected.dw)) << threads;
    }
  }
}

TEST(Conv, NoImagesGiveZeroGradientsAndNoChannelsGiveTheBias) {
  const ConvFamily& conv = kernels({}).conv();
  Array dw = Array::full({2, 3, 1, 1}, 7);
  conv.weight_grad(Array::zeros({0, 4, 4, 3}), Array::zeros({0, 4, 4, 2}), {}, dw);
  EXPECT_TRUE(same_bits(dw, Array::zeros({2, 3, 1, 1})));
  Array y = Array::empty({1, 1, 2, 2});
  Array bias = Array::from(std::vector<float>{3, 4}, {2});
  conv.run(Array::zeros({1, 1, 2, 0}), Array::zeros({2, 0, 1, 1}), bias, {}, y);
  EXPECT_EQ(doubles(y), (std::vector<double>{3, 4, 3, 4}));
}

}  // namespace
}  // namespace tessera
