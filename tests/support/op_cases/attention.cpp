#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

template <bool kCausal>
Plain plain_attention(const Plains& in) {
  const Dims& q = in[0].shape;
  auto heads = static_cast<size_t>(q[0] * q[1]);
  auto queries = static_cast<size_t>(q[2]);
  auto width = static_cast<size_t>(q[3]);
  auto keys = static_cast<size_t>(in[1].shape[2]);
  auto v_width = static_cast<size_t>(in[2].shape[3]);
  Plain out{{q[0], q[1], q[2], in[2].shape[3]}, std::vector<double>(heads * queries * v_width)};
  for (size_t h = 0; h < heads; ++h) {
    for (size_t i = 0; i < queries; ++i) {
      std::vector<double> p(kCausal ? std::min(i + 1, keys) : keys);
      for (size_t s = 0; s < p.size(); ++s) {
        double score = 0;
        for (size_t d = 0; d < width; ++d) {
          score += in[0].values[(h * queries + i) * width + d] *
                   in[1].values[(h * keys + s) * width + d];
        }
        p[s] = score / std::sqrt(static_cast<double>(width));
      }
      plain_softmax(p.data(), p.size(), p.data());
      for (size_t s = 0; s < p.size(); ++s) {
        for (size_t e = 0; e < v_width; ++e) {
          out.values[(h * queries + i) * v_width + e] +=
              p[s] * in[2].values[(h * keys + s) * v_width + e];
        }
      }
    }
  }
  return out;
}

}  // namespace

std::vector<OpCase> attention_cases() {
  std::vector<OpCase> out;
  auto attention = [&](std::string name, bool causal, PlainFunction reference) {
    out.push_back({.name = std::move(name),
                   .fn =
                       [causal](const Inputs& in) {
                         return scaled_dot_product_attention(in[0], in[1], in[2], {}, 0, causal);
                       },
                   .inputs = {{{{1, 2, 3, 2}}, {{1, 2, 3, 2}}, {{1, 2, 3, 2}}},
                              {{{2, 1, 2, 3}}, {{2, 1, 4, 3}}, {{2, 1, 4, 1}}},
                              {{{1, 1, 4, 1}}, {{1, 1, 2, 1}}, {{1, 1, 2, 2}}},
                              {{{1, 1, 0, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}}},
                   .large = {{{2, 3, 130, 16}}, {{2, 3, 130, 16}}, {{2, 3, 130, 16}}},
                   .reference = std::move(reference),
                   .op = "scaled_dot_product_attention",
                   .layout_changes_bits = true,
                   .tolerance_f32 = 3e-5});
  };
  attention("attention", false, plain_attention<false>);
  attention("attention_causal", true, plain_attention<true>);
  out.push_back({.name = "self_attention",
                 .fn = [](const Inputs& in) { return self_attention(in[0], 2, true); },
                 .inputs = {{{{1, 3, 6}}}, {{{2, 2, 12}}}, {{{1, 1, 6}}}},
                 .large = {{{2, 130, 96}}},
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
  return out;
}

}  // namespace tessera::test
