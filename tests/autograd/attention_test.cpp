// What the rows of the op table do not show: ranks, dtypes, hidden rows, dropout, memory, errors.
#include "autograd/ops/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "autograd/checkpoint.h"
#include "autograd/engine.h"
#include "autograd/ops.h"
#include "core/allocator.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::random_array;
using test::same_bits;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor leaf(const Dims& shape, uint64_t seed, DType dtype = DType::f64) {
  return Tensor(random_array(shape, dtype, seed, -2, 2), true);
}

struct Options {
  Tensor mask = {};
  double dropout_p = 0;
  bool causal = false;
  std::optional<double> scale = {};
  bool gqa = false;
};

Tensor attend(const std::vector<Tensor>& in, const Options& o) {
  return scaled_dot_product_attention(in[0], in[1], in[2], o.mask, o.dropout_p, o.causal, o.scale,
                                      o.gqa);
}

// The definition in Tensor functions; hidden keys (bool, true where hidden) may be none.
Tensor composed(const Tensor& q, const Tensor& k, const Tensor& v, double scale,
                const Tensor& added = {}) {
  Tensor scores = matmul(q, transpose(k, -1, -2)) * scale;
  if (added.defined()) scores = scores + added;
  return matmul(softmax(scores, -1), v);
}

// The result and the gradients of all inputs.
std::vector<Array> outcome(const std::function<Tensor(const std::vector<Tensor>&)>& fn,
                           const std::vector<Tensor>& inputs, bool create_graph = false) {
  Tensor out = fn(inputs);
  Tensor dy(random_array(out.shape(), DType::f32, 9).to(out.dtype()));
  std::vector<Array> all{out.data()};
  for (const Tensor& dx : grad({out}, inputs, {dy}, {.create_graph = create_graph})) {
    all.push_back(dx.data());
  }
  return all;
}

void expect_close(const std::vector<Array>& a, const std::vector<Array>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].shape(), b[i].shape()) << i;
    EXPECT_TRUE(close_to(doubles(a[i]), doubles(b[i]), tolerance, tolerance)) << i;
  }
}

TEST(Attention, TakesAnyNumberOfLeadingDims) {
  for (const Dims& lead : {Dims{}, Dims{3}, Dims{2, 3}, Dims{2, 1, 3}, Dims{2, 2, 2, 3}}) {
    SCOPED_TRACE(to_string(lead));
    auto shape = [&](int64_t rows, int64_t cols) {
      Dims out = lead;
      out.push_back(rows);
      out.push_back(cols);
      return out;
    };
    std::vector<Tensor> in{leaf(shape(5, 4), 1), leaf(shape(7, 4), 2), leaf(shape(7, 6), 3),
                           leaf(shape(5, 7), 4)};
    auto fused = [](const std::vector<Tensor>& x) { return attend(x, {.mask = x[3]}); };
    auto plain = [](const std::vector<Tensor>& x) { return composed(x[0], x[1], x[2], 0.5, x[3]); };
    expect_close(outcome(fused, in), outcome(plain, in), 1e-12);
  }
}

TEST(Attention, BroadcastsLeadingDimsAndMasks) {
  for (const Dims& mask : {Dims{7}, Dims{5, 1}, Dims{4, 1, 7}, Dims{3, 1, 5, 7},
                           Dims{2, 1, 1, 1, 7}, Dims{1, 3, 4, 5, 7}}) {
    SCOPED_TRACE(to_string(mask));
    std::vector<Tensor> in{leaf({2, 3, 1, 5, 4}, 1), leaf({4, 7, 4}, 2), leaf({1, 7, 6}, 3),
                           leaf(mask, 4)};
    auto fused = [](const std::vector<Tensor>& x) { return attend(x, {.mask = x[3]}); };
    auto plain = [](const std::vector<Tensor>& x) { return composed(x[0], x[1], x[2], 0.5, x[3]); };
    expect_close(outcome(fused, in), outcome(plain, in), 1e-12);
  }
}

TEST(Attention, SharesKeysAmongGroupedHeads) {
  std::vector<Tensor> in{leaf({2, 6, 5, 4}, 1), leaf({2, 2, 7, 4}, 2), leaf({2, 2, 7, 3}, 3)};
  auto fused = [](const std::vector<Tensor>& x) { return attend(x, {.gqa = true}); };
  auto plain = [](const std::vector<Tensor>& x) {
    auto grouped = [](const Tensor& y) { return unsqueeze(y, 2); };
    Tensor q = reshape(x[0], {2, 2, 3, 5, 4});
    return reshape(composed(q, grouped(x[1]), grouped(x[2]), 0.5), {2, 6, 5, 3});
  };
  expect_close(outcome(fused, in), outcome(plain, in), 1e-12);
}

// Scores are scaled before their maximum is sought.
TEST(Attention, TakesNegativeAndLargeScales) {
  for (double scale : {-0.5, -300.0, 300.0, 0.0}) {
    SCOPED_TRACE(scale);
    std::vector<Tensor> in{leaf({1, 1, 70, 4}, 1), leaf({1, 1, 90, 4}, 2), leaf({1, 1, 90, 4}, 3)};
    auto fused = [&](const std::vector<Tensor>& x) { return attend(x, {.scale = scale}); };
    auto plain = [&](const std::vector<Tensor>& x) { return composed(x[0], x[1], x[2], scale); };
    expect_close(outcome(fused, in), outcome(plain, in), 1e-9);
  }
}

TEST(Attention, GivesZerosWhereAQuerySeesNoKey) {
  std::vector<Tensor> in{leaf({1, 1, 3, 4}, 1), leaf({1, 1, 70, 4}, 2), leaf({1, 1, 70, 4}, 3)};
  Array seen = Array::full({3, 70}, 1, DType::boolean);
  seen.select(0, 1).fill_(0);                  // the second query sees nothing
  seen.select(0, 2).slice(0, 0, 64).fill_(0);  // the third only what is beyond the first tile
  Array added = Array::zeros({3, 70}, DType::f64);
  added.select(0, 1).fill_(-kInfinity);
  added.select(0, 2).slice(0, 0, 64).fill_(-kInfinity);
  for (const Tensor& mask : {Tensor(seen), Tensor(added)}) {
    for (bool create_graph : {false, true}) {
      auto all = outcome([&](const std::vector<Tensor>& x) { return attend(x, {.mask = mask}); },
                         in, create_graph);
      for (size_t i : {size_t{0}, size_t{1}}) {  // out and dq
        for (double x : doubles(all[i].select(2, 1))) EXPECT_EQ(x, 0);
        for (double x : doubles(all[i].select(2, 0))) EXPECT_NE(x, 0);
      }
      Tensor alone =
          scaled_dot_product_attention(in[0], slice(in[1], 2, 64, 70), slice(in[2], 2, 64, 70));
      EXPECT_TRUE(
          close_to(doubles(all[0].select(2, 2)), doubles(alone.data().select(2, 2)), 1e-12, 1e-12));
      for (const Array& x : all) {
        for (double value : doubles(x)) EXPECT_TRUE(std::isfinite(value));
      }
    }
  }
}

TEST(Attention, GivesAMaskItsGradientEvenWhereItHides) {
  Array added = random_array({3, 5}, DType::f64, 4);
  added.select(0, 1).fill_(-kInfinity);
  Tensor mask(added, true);
  std::vector<Tensor> in{leaf({2, 1, 3, 4}, 1), leaf({2, 1, 5, 4}, 2), leaf({2, 1, 5, 4}, 3), mask};
  auto fn = [](const std::vector<Tensor>& x) { return attend(x, {.mask = x[3]}); };
  auto kernel = outcome(fn, in);
  expect_close(outcome(fn, in, true), kernel, 1e-12);
  for (double x : doubles(kernel[4].select(0, 1))) EXPECT_EQ(x, 0);
  for (double x : doubles(kernel[4].select(0, 0))) EXPECT_NE(x, 0);
}

TEST(Attention, WithoutKeysGivesZeros) {
  std::vector<Tensor> in{leaf({1, 2, 3, 4}, 1), leaf({1, 2, 0, 4}, 2), leaf({1, 2, 0, 5}, 3)};
  auto all = outcome([](const std::vector<Tensor>& x) { return attend(x, {}); }, in);
  EXPECT_EQ(all[0].shape(), (Dims{1, 2, 3, 5}));
  for (double x : doubles(all[0])) EXPECT_EQ(x, 0);
  for (double x : doubles(all[1])) EXPECT_EQ(x, 0);
}

// A NaN or an infinite score spoils the rows of the queries that see it, and those alone.
TEST(Attention, PassesNaNAndInfinityOn) {
  for (double bad : {std::nan(""), kInfinity}) {
    Tensor q(Array::full({1, 1, 70, 2}, 1));
    Array keys = random_array({1, 1, 100, 2}, DType::f32, 2);
    Tensor v(random_array({1, 1, 100, 3}, DType::f32, 3));
    keys.select(2, 90).fill_(bad);
    for (double x : doubles(attend({q, keys, v}, {}).data())) EXPECT_TRUE(std::isnan(x));
    for (double x : doubles(attend({q, keys, v}, {.causal = true}).data())) {
      EXPECT_TRUE(std::isfinite(x));
    }
    Array one = random_array({1, 1, 70, 2}, DType::f32, 1);
    one.select(2, 65).fill_(bad);
    Array out = attend({Tensor(one), Tensor(random_array({1, 1, 9, 2}, DType::f32, 2, 0.5, 1)),
                        slice(v, 2, 0, 9)},
                       {})
                    .data();
    for (double x : doubles(out.select(2, 65))) EXPECT_TRUE(std::isnan(x));
    for (double x : doubles(out.select(2, 64))) EXPECT_TRUE(std::isfinite(x));
  }
}

// As in PyTorch: a score beyond the range is infinite, plus infinity and NaN spoil their query's
// row and its gradients, and a query that has nothing but minus infinity sees no key.
TEST(Attention, ScoresBeyondTheRange) {
  const double largest = static_cast<double>(std::numeric_limits<float>::max());
  struct Case {
    double q, k, y, dq;
  };
  const double nan = std::nan("");
  for (const Case& c : {Case{largest, largest, nan, nan}, Case{nan, 1, nan, nan},
                        Case{1, nan, nan, nan}, Case{largest, -largest, 0, 0}}) {
    for (bool causal : {false, true}) {
      for (int64_t key_heads : {1, 2}) {
        Tensor q(Array::full({1, 2, 3, 2}, c.q), true);
        Tensor k(Array::full({1, key_heads, 3, 2}, c.k), true);
        Tensor v(Array::full({1, key_heads, 3, 2}, 2), true);
        Tensor y = scaled_dot_product_attention(q, k, v, {}, 0, causal, {}, true);
        y.backward(Tensor(Array::full(y.shape(), 1)));
        for (double x : doubles(y.data())) EXPECT_TRUE(x == c.y || (x != x && c.y != c.y)) << x;
        for (double x : doubles(q.grad().data())) {
          EXPECT_TRUE(x == c.dq || (x != x && c.dq != c.dq)) << x;
        }
      }
      Array qkv = Array::full({1, 3, 6}, 2);
      qkv.slice(2, 0, 2).fill_(c.q);
      qkv.slice(2, 2, 4).fill_(c.k);
      for (double x : doubles(self_attention(Tensor(qkv), 1, causal).data())) {
        EXPECT_TRUE(x == c.y || (x != x && c.y != c.y)) << x;
      }
    }
  }
}

TEST(Attention, ComputesSixteenBitsInF32) {
  for (DType dtype : {DType::bf16, DType::f16}) {
    std::vector<Tensor> in, wide;
    for (uint64_t i = 0; i < 4; ++i) {
      Dims shape = i == 3 ? Dims{70, 90} : Dims{2, 2, i == 0 ? 70 : 90, 8};
      Array x = random_array(shape, DType::f32, i).to(dtype);
      in.emplace_back(x, true);
      wide.emplace_back(x.to(DType::f32), true);
    }
    auto fn = [](const std::vector<Tensor>& x) { return attend(x, {.mask = x[3]}); };
    auto expected = outcome(fn, wide);
    double tolerance = dtype == DType::bf16 ? 1e-2 : 2e-3;
    for (bool create_graph : {false, true}) {
      auto half = outcome(fn, in, create_graph);
      for (const Array& x : half) EXPECT_EQ(x.dtype(), dtype);
      // The rounding of a result, and once more of its use in the gradient.
      expect_close(half, expected, tolerance);
    }
  }
}

TEST(Attention, DropsOutWeightsByTheStreamOfDropout) {
  std::vector<Tensor> in{leaf({2, 3, 70, 4}, 1), leaf({2, 3, 75, 4}, 2), leaf({2, 3, 75, 4}, 3)};
  auto fused = [](const std::vector<Tensor>& x) {
    manual_seed(4);
    return attend(x, {.dropout_p = 0.3, .scale = 0.5});
  };
  auto plain = [](const std::vector<Tensor>& x) {
    manual_seed(4);
    Tensor p = softmax(matmul(x[0], transpose(x[1], -1, -2)) * 0.5, -1);
    return matmul(dropout(p, 0.3, true), x[2]);
  };
  expect_close(outcome(fused, in), outcome(plain, in), 1e-11);
  expect_close(outcome(fused, in, true), outcome(plain, in), 1e-11);
  std::vector<Array> nothing =
      outcome([](const std::vector<Tensor>& x) { return attend(x, {.dropout_p = 1}); }, in);
  for (const Array& x : nothing) {
    for (double value : doubles(x)) EXPECT_EQ(value, 0);
  }
}

TEST(Attention, DropoutIsReplayedByACheckpoint) {
  auto gradients = [](bool recompute) {
    manual_seed(3);
    std::vector<Tensor> in{leaf({1, 2, 70, 4}, 1), leaf({1, 2, 70, 4}, 2), leaf({1, 2, 70, 4}, 3)};
    auto block = [](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{attend({tanh(x[0]), x[1], x[2]}, {.dropout_p = 0.4})};
    };
    Tensor out = recompute ? checkpoint(block, in)[0] : block(in)[0];
    sum(out * out).backward();
    return std::vector<Array>{out.data(), in[0].grad().data(), in[1].grad().data(),
                              in[2].grad().data()};
  };
  auto plain = gradients(false);
  auto again = gradients(true);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(same_bits(plain[i], again[i])) << i;
}

TEST(Attention, SelfAttentionIsAttentionOfItsParts) {
  Tensor x = leaf({2, 70, 24}, 1);
  auto fused = [](const std::vector<Tensor>& in) { return self_attention(in[0], 2, true); };
  auto parts = [](const std::vector<Tensor>& in) {
    Tensor by_head = permute(reshape(in[0], {2, 70, 3, 2, 4}), {2, 0, 3, 1, 4});
    Tensor out = attend({select(by_head, 0, 0), select(by_head, 0, 1), select(by_head, 0, 2)},
                        {.causal = true});
    return reshape(transpose(out, 1, 2), {2, 70, 8});
  };
  expect_close(outcome(fused, {x}), outcome(parts, {x}), 1e-12);
  expect_close(outcome(fused, {x}, true), outcome(parts, {x}), 1e-12);
}

// Bytes that one forward and backward take at most, beside the inputs.
int64_t peak_of(int64_t tokens, bool masked) {
  std::vector<Tensor> in;
  for (uint64_t i = 0; i < 3; ++i) in.push_back(leaf({1, 2, tokens, 16}, i, DType::f32));
  Options options{.causal = !masked};
  if (masked) options.mask = Tensor(Array::full({tokens}, 1, DType::boolean));
  int64_t before = allocator::stats().current_bytes;
  allocator::reset_peak();
  Tensor out = attend(in, options);
  out.backward(Tensor(Array::full(out.shape(), 1)));
  return allocator::stats().peak_bytes - before;
}

TEST(Attention, MemoryIsLinearInTheNumberOfTokens) {
  test::Threads guard(2);
  for (bool masked : {false, true}) {
    int64_t once = peak_of(1024, masked);
    int64_t four_times = peak_of(4096, masked);
    EXPECT_LE(four_times, 4 * once + 100000);
    // What the scores of one head would be alone.
    EXPECT_LT(four_times, int64_t{4096} * 4096 * 4);
  }
}

TEST(Attention, NamesWhatDoesNotFit) {
  Tensor q = leaf({2, 6, 5, 4}, 1);
  Tensor k = leaf({2, 4, 7, 4}, 2);
  auto error = [&](const Tensor& a, const Tensor& b, const Tensor& c, const Options& o) {
    return error_of([&] { attend({a, b, c}, o); });
  };
  EXPECT_TRUE(contains(error(q, leaf({2, 6, 7, 3}, 2), k, {}),
                       "[scaled_dot_product_attention] expected q (..., T, D), k (..., S, D) and v "
                       "(..., S, E), got (2, 6, 5, 4), (2, 6, 7, 3) and (2, 4, 7, 4)"));
  EXPECT_TRUE(contains(error(q, k, k, {.gqa = true}), "to divide q's"));
  EXPECT_NE(error(q, k, k, {}), "");
  Tensor same = leaf({2, 6, 7, 4}, 2);
  EXPECT_TRUE(contains(error(q, same, same, {.mask = leaf({4, 7}, 3)}), "scaled_dot_product"));
  EXPECT_TRUE(contains(error(q, same, same, {.mask = leaf({1, 2, 6, 5, 7}, 3)}),
                       "expected a mask that can be broadcast to (2, 6, 5, 7)"));
  EXPECT_TRUE(contains(error(q, same, same, {.mask = Tensor(Array::zeros({5, 7}, DType::i64))}),
                       "expected a mask of bool or a floating dtype, got i64"));
  EXPECT_TRUE(
      contains(error(q, same, same, {.mask = leaf({5, 7}, 3), .causal = true}), "got both"));
  EXPECT_TRUE(contains(error(q, same, same, {.dropout_p = 1.5}), "got 1.5"));
  EXPECT_TRUE(contains(error(q, leaf({2, 6, 7, 4}, 2, DType::f32), same, {}),
                       "one floating dtype, got f64, f32 and f64"));
}

}  // namespace
}  // namespace tessera
