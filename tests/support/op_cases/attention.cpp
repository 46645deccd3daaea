#include "tests/support/op_cases/rows.h"

namespace tessera::test {
namespace {

struct PlainOptions {
  bool causal = false;
  double scale = 0;  // 0: 1 / sqrt(D)
  Plain mask = {};   // added; the fourth input where there is one
};

// By the definition: q (B, H, T, D), k and v (B, H / group, S, D or E).
Plain plain_attention(const Plains& in, const PlainOptions& options) {
  const Dims& q = in[0].shape;
  Plain mask = in.size() > 3 ? in[3] : options.mask;
  auto queries = static_cast<size_t>(q[2]);
  auto width = static_cast<size_t>(q[3]);
  auto keys = static_cast<size_t>(in[1].shape[2]);
  auto v_width = static_cast<size_t>(in[2].shape[3]);
  auto group = static_cast<size_t>(q[1] / in[1].shape[1]);
  Dims scores{q[0], q[1], q[2], in[1].shape[2]};
  Plain out{{q[0], q[1], q[2], in[2].shape[3]}, {}};
  double scale = options.scale != 0 ? options.scale : 1 / std::sqrt(static_cast<double>(width));
  auto rows = static_cast<size_t>(q[0] * q[1]) * queries;
  for (size_t row = 0; row < rows; ++row) {
    // Heads are counted through all batches, for keys as well.
    size_t kv_head = row / queries / group;
    std::vector<double> p(options.causal ? std::min(row % queries + 1, keys) : keys);
    double largest = -HUGE_VAL;
    for (size_t s = 0; s < p.size(); ++s) {
      for (size_t d = 0; d < width; ++d) {
        p[s] +=
            scale * in[0].values[row * width + d] * in[1].values[(kv_head * keys + s) * width + d];
      }
      if (!mask.values.empty()) {
        p[s] += mask.values[broadcast_index(row * keys + s, scores, mask.shape)];
      }
      largest = std::max(largest, p[s]);
    }
    double sum = 0;
    for (double& x : p) sum += x = largest == -HUGE_VAL ? 0 : std::exp(x - largest);
    for (size_t e = 0; e < v_width; ++e) {
      double mean = 0;
      for (size_t s = 0; s < p.size(); ++s) {
        mean += p[s] * in[2].values[(kv_head * keys + s) * v_width + e];
      }
      out.values.push_back(sum == 0 ? 0 : mean / sum);
    }
  }
  return out;
}

// True takes part; no key for the last query of each head.
Array bool_mask(const Dims& shape) {
  std::vector<float> values;
  for (int64_t i = 0; i < num_elements(shape); ++i) {
    bool last = i / shape[3] % shape[2] == shape[2] - 1;
    values.push_back(!last && i % 3 != 1 ? 1.0F : 0.0F);
  }
  return Array::from(values, shape).to(DType::boolean);
}

Plain as_added(const Array& mask) {
  Plain out{mask.shape(), doubles(mask)};
  for (double& x : out.values) x = x != 0 ? 0 : -HUGE_VAL;
  return out;
}

OpCase attention(std::string name, std::function<Tensor(const Inputs&)> fn,
                 std::vector<InputSpecs> inputs, InputSpecs large, PlainFunction reference) {
  return {.name = std::move(name),
          .fn = std::move(fn),
          .inputs = std::move(inputs),
          .large = std::move(large),
          .reference = std::move(reference),
          .op = "scaled_dot_product_attention",
          .layout_changes_bits = true,
          .tolerance_f32 = 3e-5};
}

const std::vector<InputSpecs> kInputs{{{{1, 2, 3, 2}}, {{1, 2, 3, 2}}, {{1, 2, 3, 2}}},
                                      {{{2, 1, 2, 3}}, {{2, 1, 4, 3}}, {{2, 1, 4, 1}}},
                                      {{{1, 1, 4, 1}}, {{1, 1, 2, 1}}, {{1, 1, 2, 2}}},
                                      {{{1, 1, 0, 2}}, {{1, 1, 2, 2}}, {{1, 1, 2, 2}}}};
// More than two tiles of queries, and chunks of keys.
const InputSpecs kLarge{{{2, 3, 130, 16}}, {{2, 3, 150, 16}}, {{2, 3, 150, 24}}};

void add_unmasked(std::vector<OpCase>& out) {
  out.push_back(attention(
      "attention",
      [](const Inputs& in) { return scaled_dot_product_attention(in[0], in[1], in[2]); }, kInputs,
      kLarge, [](const Plains& in) { return plain_attention(in, {}); }));
  out.push_back(attention(
      "attention_causal",
      [](const Inputs& in) {
        return scaled_dot_product_attention(in[0], in[1], in[2], {}, 0, true);
      },
      kInputs, kLarge, [](const Plains& in) { return plain_attention(in, {.causal = true}); }));
  out.push_back(attention(
      "attention_of_grouped_heads",
      [](const Inputs& in) {
        return scaled_dot_product_attention(in[0], in[1], in[2], {}, 0, true, -0.7, true);
      },
      {{{{2, 4, 3, 2}}, {{2, 2, 4, 2}}, {{2, 2, 4, 3}}}},
      {{{1, 6, 140, 8}}, {{1, 2, 140, 8}}, {{1, 2, 140, 8}}},
      [](const Plains& in) { return plain_attention(in, {.causal = true, .scale = -0.7}); }));
}

void add_masked(std::vector<OpCase>& out) {
  out.push_back(attention(
      "attention_float_mask",
      [](const Inputs& in) { return scaled_dot_product_attention(in[0], in[1], in[2], in[3]); },
      {{{{1, 2, 3, 2}}, {{1, 2, 4, 2}}, {{1, 2, 4, 2}}, {{3, 4}}},
       {{{2, 1, 2, 3}}, {{2, 1, 4, 3}}, {{2, 1, 4, 1}}, {{2, 1, 1, 4}}}},
      {{{2, 3, 70, 16}}, {{2, 3, 150, 16}}, {{2, 3, 150, 8}}, {{3, 70, 150}}},
      [](const Plains& in) { return plain_attention(in, {}); }));
  auto mask_of = [](const Dims& q, const Dims& k) { return bool_mask({1, q[1], q[2], k[2]}); };
  out.push_back(attention(
      "attention_bool_mask",
      [=](const Inputs& in) {
        return scaled_dot_product_attention(in[0], in[1], in[2],
                                            mask_of(in[0].shape(), in[1].shape()));
      },
      {kInputs[0], kInputs[1]}, kLarge,
      [=](const Plains& in) {
        return plain_attention(in, {.mask = as_added(mask_of(in[0].shape, in[1].shape))});
      }));
}

}  // namespace

std::vector<OpCase> attention_cases() {
  std::vector<OpCase> out;
  add_unmasked(out);
  add_masked(out);
  OpCase dropout = attention(
      "attention_with_dropout",
      [](const Inputs& in) {
        context().random.begin(1, 2, 3);
        return scaled_dot_product_attention(in[0], in[1], in[2], {}, 0.3);
      },
      kInputs, kLarge, nullptr);
  dropout.draws = true;
  out.push_back(dropout);
  out.push_back({.name = "self_attention",
                 .fn = [](const Inputs& in) { return self_attention(in[0], 2, true); },
                 .inputs = {{{{1, 3, 6}}}, {{{2, 2, 12}}}, {{{1, 1, 6}}}},
                 .large = {{{2, 130, 96}}},
                 .layout_changes_bits = true,
                 .tolerance_f32 = 3e-5});
  return out;
}

}  // namespace tessera::test
