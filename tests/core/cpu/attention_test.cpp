#include "core/kernels/attention.h"
#include "core/kernels.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::close_to;
using test::doubles;
using test::random_array;

const Kernels& cpu() { return kernels({}); }

struct AttentionCase {
  int64_t batch, heads, queries, keys, width, v_width;
};

struct Attended {
  std::vector<double> out, lse, dq, dk, dv;
};

// By the definition, with all probabilities in memory; q, k, v and dout are row-major.
Attended plain_attention(const AttentionCase& c, double scale, bool causal,
                         const std::vector<double>& q, const std::vector<double>& k,
                         const std::vector<double>& v, const std::vector<double>& dout) {
  Attended a;
  a.out.assign(dout.size(), 0);
  a.dq.assign(q.size(), 0);
  a.dk.assign(k.size(), 0);
  a.dv.assign(v.size(), 0);
  for (int64_t head = 0; head < c.batch * c.heads; ++head) {
    const double* hk = k.data() + head * c.keys * c.width;
    const double* hv = v.data() + head * c.keys * c.v_width;
    double* hdk = a.dk.data() + head * c.keys * c.width;
    double* hdv = a.dv.data() + head * c.keys * c.v_width;
    for (int64_t i = 0; i < c.queries; ++i) {
      int64_t row = head * c.queries + i;
      const double* hq = q.data() + row * c.width;
      double* hout = a.out.data() + row * c.v_width;
      const double* hdout = dout.data() + row * c.v_width;
      int64_t seen = causal ? std::min(i + 1, c.keys) : c.keys;
      std::vector<double> p(static_cast<size_t>(seen));
      double sum = 0;
      for (int64_t s = 0; s < seen; ++s) {
        double score = 0;
        for (int64_t d = 0; d < c.width; ++d) score += hq[d] * hk[s * c.width + d];
        sum += p[static_cast<size_t>(s)] = std::exp(scale * score);
      }
      a.lse.push_back(std::log(sum));
      double delta = 0;
      for (int64_t s = 0; s < seen; ++s) {
        double& ps = p[static_cast<size_t>(s)];
        ps /= sum;
        for (int64_t e = 0; e < c.v_width; ++e) {
          hout[e] += ps * hv[s * c.v_width + e];
          hdv[s * c.v_width + e] += ps * hdout[e];
          delta += ps * hv[s * c.v_width + e] * hdout[e];
        }
      }
      for (int64_t s = 0; s < seen; ++s) {
        double dp = 0;
        for (int64_t e = 0; e < c.v_width; ++e) dp += hdout[e] * hv[s * c.v_width + e];
        double ds = p[static_cast<size_t>(s)] * (dp - delta) * scale;
        for (int64_t d = 0; d < c.width; ++d) {
          a.dq[static_cast<size_t>(row * c.width + d)] += ds * hk[s * c.width + d];
          hdk[s * c.width + d] += ds * hq[d];
        }
      }
    }
  }
  return a;
}

// (B, H, T, D) in memory as (B, T, H, D), as a linear layer makes it.
Array by_token(int64_t batch, int64_t heads, int64_t tokens, int64_t width, DType dtype,
               uint64_t seed) {
  return random_array({batch, tokens, heads, width}, dtype, seed, -2, 2).transpose(1, 2);
}

void run_attention_case(const AttentionCase& c, bool causal, DType dtype) {
  SCOPED_TRACE(fmt::format("B {} H {} T {} S {} D {} E {} causal {} {}", c.batch, c.heads,
                           c.queries, c.keys, c.width, c.v_width, causal, dtype));
  Array q = by_token(c.batch, c.heads, c.queries, c.width, dtype, 1);
  Array k = by_token(c.batch, c.heads, c.keys, c.width, dtype, 2);
  Array v = by_token(c.batch, c.heads, c.keys, c.v_width, dtype, 3);
  Array dout = by_token(c.batch, c.heads, c.queries, c.v_width, dtype, 4);
  double scale = 1 / std::sqrt(static_cast<double>(c.width));
  auto like = [](const Array& x) { return Array::full(x.shape(), NAN, x.dtype()); };
  Array out = like(dout);
  Array lse = Array::full({2, c.batch, c.heads, c.queries}, NAN, dtype);
  Array dq = like(q);
  Array dk = like(k);
  Array dv = like(v);
  AttentionArgs args{.scale = scale, .causal = causal};
  cpu().attention().run(q, k, v, args, out, lse);
  cpu().attention().grad(q, k, v, out, lse, dout, args, dq, dk, dv, {});
  Attended expected =
      plain_attention(c, scale, causal, doubles(q), doubles(k), doubles(v), doubles(dout));
  double tolerance = dtype == DType::f32 ? 3e-5 : 1e-12;
  EXPECT_TRUE(close_to(doubles(out), expected.out, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(lse.select(0, 0)), expected.lse, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(dq), expected.dq, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(dk), expected.dk, tolerance, tolerance));
  EXPECT_TRUE(close_to(doubles(dv), expected.dv, tolerance, tolerance));
}

TEST(Attention, AgreesWithTheDefinition) {
  const AttentionCase cases[] = {
      {1, 1, 1, 1, 1, 1},    {2, 3, 64, 64, 16, 16}, {1, 2, 65, 65, 8, 8}, {1, 2, 130, 130, 7, 5},
      {2, 1, 63, 100, 9, 3}, {1, 1, 100, 63, 4, 6},  {1, 1, 1, 200, 5, 1}, {1, 1, 200, 1, 1, 5},
      {0, 2, 4, 4, 3, 3},    {1, 2, 0, 4, 3, 3}};
  for (const AttentionCase& c : cases) {
    for (bool causal : {false, true}) {
      run_attention_case(c, causal, DType::f32);
      run_attention_case(c, causal, DType::f64);
    }
  }
}

TEST(Attention, SurvivesLargeScores) {
  Array q = Array::full({1, 1, 3, 2}, 1e4);
  Array k = random_array({1, 1, 5, 2}, DType::f32, 2, -1e4, 1e4);
  Array v = random_array({1, 1, 5, 2});
  Array out = Array::empty({1, 1, 3, 2});
  Array lse = Array::empty({2, 1, 1, 3});
  cpu().attention().run(q, k, v, {}, out, lse);
  for (double value : doubles(out)) EXPECT_LE(std::abs(value), 1);
}

}  // namespace
}  // namespace tessera
