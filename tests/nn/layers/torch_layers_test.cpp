// Attention, transformer and recurrent layers against torch.nn: the results of
// scripts/make_sequence_layers_golden.py.
#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "nn/layers.h"
#include "tests/nn/layers/torch_cases.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::expect_as_in_torch;
using test::layer;
using test::LayerCase;
using test::made_array;

Tensor later(int64_t size) {
  return Tensor(arrays::triu(Array::full({size, size}, 1, DType::boolean), 1));
}
Tensor padding() {
  return Tensor(
      Array::from(std::vector<int64_t>{0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, {2, 5}).to(DType::boolean));
}

using Tensors = std::vector<Tensor>;

Tensors results_of(const RecurrentResult& result) {
  Tensors out{result.output, result.state.h};
  if (result.state.c.defined()) out.push_back(result.state.c);
  return out;
}

const TransformerOptions kPost{.width = 8, .heads = 2, .feedforward = 12, .dropout = 0};
const TransformerOptions kPre{.width = 8,
                              .heads = 2,
                              .feedforward = 12,
                              .dropout = 0,
                              .activation = TransformerActivation::gelu,
                              .batch_first = true,
                              .norm_first = true};

MultiheadAttention& attention(Module& root, MultiheadAttention::Options options) {
  return layer<MultiheadAttention>(root, 8, 2, options);
}

std::vector<LayerCase> attention_cases() {
  using Masks = AttentionMasks;
  return {
      {"attention_plain",
       {{2, 5, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         return {attention(r, {.batch_first = true})(x[0], x[0], x[0])};
       }},
      {"attention_masked",
       {{2, 5, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         auto& m = attention(r, {.batch_first = true});
         Masks masks{.attn = later(5), .key_padding = padding()};
         return {m(x[0], x[0], x[0], masks), m.weights(x[0], x[0], masks)};
       }},
      {"attention_cross",
       {{3, 2, 8}, {5, 2, 6}, {5, 2, 4}},
       [](Module& r, const Tensors& x) -> Tensors {
         auto& m = attention(r, {.kdim = 6, .vdim = 4});
         return {m(x[0], x[1], x[2], {.attn = made_array({4, 3, 5}, 77, 2)})};
       }},
      {"attention_memory",
       {{2, 3, 8}, {2, 5, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         auto& m = attention(r, {.bias = false, .batch_first = true});
         return {m(x[0], x[1], x[1], {.key_padding = padding()})};
       }},
      {"attention_no_batch",
       {{5, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         return {attention(r, {})(x[0], x[0], x[0], {.causal = true})};
       }},
  };
}

std::vector<LayerCase> transformer_cases() {
  return {
      {"encoder_post",
       {{5, 2, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         return {layer<TransformerEncoder>(r, 2, kPost)(x[0], {.key_padding = padding()})};
       }},
      {"encoder_pre",
       {{2, 5, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         return {layer<TransformerEncoder>(r, 2, kPre, true)(x[0], {.causal = true})};
       }},
      {"decoder_post",
       {{5, 2, 8}, {3, 2, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         return {layer<TransformerDecoder>(r, 2, kPost)(x[0], x[1], {.attn = later(5)})};
       }},
      {"decoder_pre",
       {{2, 3, 8}, {2, 5, 8}},
       [](Module& r, const Tensors& x) -> Tensors {
         auto& m = layer<TransformerDecoder>(r, 2, kPre, true);
         return {m(x[0], x[1], {.causal = true}, {.key_padding = padding()})};
       }},
  };
}

template <class L>
LayerCase recurrent(const std::string& name, const std::vector<Dims>& inputs,
                    RecurrentOptions options,
                    std::optional<RnnActivation> activation = std::nullopt) {
  return {name, inputs, [=](Module& r, const Tensors& x) {
            auto make_layer = [&]() -> L& {
              if constexpr (std::is_same_v<L, Rnn>) {
                return layer<L>(r, 3, 4, options, activation.value_or(RnnActivation::tanh));
              } else {
                return layer<L>(r, 3, 4, options);
              }
            };
            RecurrentState start{x.size() > 1 ? x[1] : Tensor(), x.size() > 2 ? x[2] : Tensor()};
            return results_of(make_layer()(x[0], start));
          }};
}

template <class L>
LayerCase cell(const std::string& name, const std::vector<Dims>& inputs, bool bias = true) {
  return {name, inputs, [=](Module& r, const Tensors& x) {
            RecurrentState start{x.size() > 1 ? x[1] : Tensor(), x.size() > 2 ? x[2] : Tensor()};
            RecurrentState next = layer<L>(r, 3, 4, bias)(x[0], start);
            Tensors out{next.h};
            if (next.c.defined()) out.push_back(next.c);
            return out;
          }};
}

std::vector<LayerCase> recurrent_cases() {
  return {
      recurrent<Rnn>("rnn", {{5, 2, 3}}, {.layers = 2, .bidirectional = true}),
      recurrent<Rnn>("rnn_relu", {{2, 5, 3}, {1, 2, 4}}, {.bias = false, .batch_first = true},
                     RnnActivation::relu),
      recurrent<Lstm>("lstm", {{2, 5, 3}, {4, 2, 4}, {4, 2, 4}},
                      {.layers = 2, .batch_first = true, .bidirectional = true}),
      recurrent<Lstm>("lstm_no_batch", {{5, 3}}, {}),
      recurrent<Gru>("gru", {{2, 5, 3}, {2, 2, 4}}, {.layers = 2, .batch_first = true}),
      recurrent<Gru>("gru_two_ways", {{5, 2, 3}}, {.bidirectional = true}),
      cell<RnnCell>("rnn_cell", {{2, 3}, {2, 4}}),
      cell<LstmCell>("lstm_cell", {{2, 3}, {2, 4}, {2, 4}}),
      cell<GruCell>("gru_cell", {{3}}, false),
  };
}

TEST(TorchLayers, GiveTheValuesAndGradientsOfTorch) {
  std::vector<LayerCase> all;
  for (const auto& cases : {attention_cases(), transformer_cases(), recurrent_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  expect_as_in_torch("sequences.safetensors", all);
}

// The output and the weights, of one input or of a query, keys and values.
LayerCase with_weights(const std::string& name, const std::vector<Dims>& inputs,
                       MultiheadAttention::Options options, const AttentionMasks& masks = {}) {
  return {name, inputs, [=](Module& r, const Tensors& x) -> Tensors {
            auto& m = attention(r, options);
            const Tensor& key = x.size() > 1 ? x[1] : x[0];
            return {m(x[0], key, x.size() > 2 ? x[2] : key, masks), m.weights(x[0], key, masks)};
          }};
}

TEST(TorchLayers, AddKeysAsTorchDoes) {
  expect_as_in_torch(
      "attention.safetensors",
      {with_weights("bias_kv", {{2, 5, 8}}, {.batch_first = true, .add_bias_kv = true},
                    {.attn = later(5), .key_padding = padding()}),
       with_weights("bias_kv_plain", {{5, 2, 8}}, {.bias = false, .add_bias_kv = true}),
       with_weights("zero_attn", {{2, 3, 8}, {2, 5, 8}},
                    {.batch_first = true, .add_zero_attn = true}, {.key_padding = padding()}),
       with_weights("both_added", {{3, 2, 8}, {5, 2, 6}, {5, 2, 4}},
                    {.kdim = 6, .vdim = 4, .add_bias_kv = true, .add_zero_attn = true},
                    {.attn = made_array({4, 3, 5}, 77, 2)}),
       with_weights("both_added_no_batch", {{5, 8}}, {.add_bias_kv = true, .add_zero_attn = true},
                    {.causal = true}),
       {"transformer", {{5, 2, 8}, {3, 2, 8}}, [](Module& r, const Tensors& x) -> Tensors {
          return {layer<Transformer>(r, 2, 1, kPost)(x[0], x[1], {.key_padding = padding()},
                                                     {.attn = later(3)},
                                                     {.key_padding = padding()})};
        }}});
}

TEST(MultiheadAttentionLayer, ItsWeightsRefuseWhatACallDoes) {
  MultiheadAttention m(nullptr, "", 8, 2, {.batch_first = true});
  Tensor x(made_array({2, 3, 8}, 1));
  auto error = [&](const Tensor& query, const Tensor& key) {
    return error_of([&] { m.weights(query, key); });
  };
  EXPECT_TRUE(contains(error(x, Tensor(made_array({3, 3, 8}, 1))),
                       "expected one batch, got (2, 3, 8) and (3, 3, 8)"));
  EXPECT_TRUE(contains(error(x, Tensor(made_array({3, 8}, 1))),
                       "expected queries and keys of three dims, or two without a batch"));
  EXPECT_TRUE(contains(error(Tensor(made_array({8}, 1)), x), "or two without a batch"));
  EXPECT_TRUE(contains(error(x, Tensor(made_array({2, 3, 7}, 1))), "expected keys of three dims"));
  Transformer t(nullptr, "", 1, 1, kPre);
  EXPECT_TRUE(contains(error_of([&] {
                         t(x, Tensor(made_array({3, 3, 8}, 1)));
                       }),
                       "of one batch and 8 features, got (2, 3, 8) and (3, 3, 8)"));
}

TEST(MultiheadAttentionLayer, GivesZerosWhereNothingIsSeen) {
  MultiheadAttention m(nullptr, "", 8, 2, {.batch_first = true});
  Tensor x(made_array({1, 3, 8}, 1));
  Tensor all(Array::full({1, 3}, 1, DType::boolean));
  Array y = m(x, x, x, {.key_padding = all}).data();
  EXPECT_TRUE(close_to(doubles(y), std::vector<double>(24, 0), 0, 0));
  EXPECT_TRUE(close_to(doubles(m.weights(x, x, {.key_padding = all}).data()),
                       std::vector<double>(18, 0), 0, 0));
}

TEST(MultiheadAttentionLayer, TakesOneNumberAsAMask) {
  MultiheadAttention m(nullptr, "", 8, 2,
                       {.batch_first = true, .add_bias_kv = true, .add_zero_attn = true});
  Tensor x(made_array({2, 3, 8}, 1));
  Tensor hides_none(Array::zeros({}, DType::boolean));
  EXPECT_TRUE(close_to(doubles(m(x, x, x, {.attn = hides_none}).data()), doubles(m(x, x, x).data()),
                       1e-6, 0));
  // Those that are added are seen all the same.
  Tensor hides_all(Array::full({}, 1, DType::boolean));
  Array weights = m.weights(x, x, {.attn = hides_all}).data();
  EXPECT_EQ(weights.shape(), (Dims{2, 2, 3, 5}));
  EXPECT_TRUE(close_to(doubles(weights.slice(3, 0, 3)), std::vector<double>(36, 0), 0, 0));
}

TEST(MultiheadAttentionLayer, RefusesMasksOfIntegers) {
  MultiheadAttention m(nullptr, "", 8, 2, {.batch_first = true});
  Tensor x(made_array({1, 3, 8}, 1));
  Tensor whole(Array::full({1, 3}, 1, DType::i64));
  EXPECT_TRUE(contains(error_of([&] { m(x, x, x, {.key_padding = whole, .causal = true}); }),
                       "expected masks of bool or of a floating dtype, got i64"));
  EXPECT_TRUE(contains(error_of([&] { m.weights(x, x, {.key_padding = whole}); }), "got i64"));
}

TEST(MultiheadAttentionLayer, DropsInTrainingOnly) {
  MultiheadAttention m(nullptr, "", 8, 2, {.dropout = 0.5, .batch_first = true});
  Tensor x(made_array({1, 6, 8}, 1));
  EXPECT_FALSE(test::same_bits(m(x, x, x).data(), m(x, x, x).data()));
  m.eval();
  EXPECT_TRUE(test::same_bits(m(x, x, x).data(), m(x, x, x).data()));
}

TEST(MultiheadAttentionLayer, RefusesWhatDoesNotFit) {
  EXPECT_EQ(error_of([] { MultiheadAttention(nullptr, "", 8, 3, {}); }),
            "[MultiheadAttention] 3 heads do not divide a width of 8");
  MultiheadAttention m(nullptr, "", 8, 2, {.batch_first = true});
  Tensor x(made_array({2, 3, 8}, 1));
  auto error = [&](const AttentionMasks& masks) { return error_of([&] { m(x, x, x, masks); }); };
  EXPECT_TRUE(contains(error({.attn = later(3), .causal = true}), "attn or causal, got both"));
  EXPECT_TRUE(contains(error({.key_padding = later(3)}), "a key_padding of (2, 3), got (3, 3)"));
  EXPECT_TRUE(contains(error({.attn = made_array({3, 3, 3}, 1)}), "a mask of 2 x 2 heads"));
  EXPECT_TRUE(contains(error_of([&] {
                         m(x, x, Tensor(made_array({2, 4, 8}, 1)));
                       }),
                       "as many keys as values"));
  EXPECT_TRUE(contains(error_of([&] {
                         m(x, Tensor(made_array({2, 3, 7}, 1)), x);
                       }),
                       "expected keys of three dims, the last of size 8"));
}

TEST(RecurrentLayers, RefuseWhatDoesNotFit) {
  Lstm lstm(nullptr, "", 3, 4);
  Tensor x(made_array({5, 2, 3}, 1));
  EXPECT_TRUE(contains(error_of([&] { lstm(Tensor(made_array({5, 2, 4}, 1))); }), "size 3"));
  EXPECT_TRUE(contains(error_of([&] {
                         lstm(x, {.h = made_array({1, 1, 4}, 1)});
                       }),
                       "expected a state of (1, 2, 4), got (1, 1, 4)"));
  Gru gru(nullptr, "", 3, 4);
  EXPECT_TRUE(contains(error_of([&] {
                         gru(x, {.c = made_array({1, 2, 4}, 1)});
                       }),
                       "only an Lstm has a c"));
  EXPECT_TRUE(contains(error_of([] { Gru(nullptr, "", 3, 4, {.layers = 0}); }), "one layer"));
  EXPECT_TRUE(contains(error_of([] { Rnn(nullptr, "", 0, 4); }), "at least one feature"));
}

TEST(RecurrentLayers, DropBetweenLayersInTrainingOnly) {
  Gru gru(nullptr, "", 3, 4, {.layers = 2, .dropout = 0.5});
  Tensor x(made_array({5, 2, 3}, 1));
  EXPECT_FALSE(test::same_bits(gru(x).output.data(), gru(x).output.data()));
  gru.eval();
  EXPECT_TRUE(test::same_bits(gru(x).output.data(), gru(x).output.data()));
}

TEST(Rotary, TurnsBackInBackward) {
  RotaryTable table = rotary_table(arange(4), 6, {});
  Tensor x(made_array({2, 4, 6}, 1), true);
  Tensor y = rotate(x, table);
  // Lengths stay, and the first token does not turn.
  EXPECT_TRUE(close_to(doubles(sum(y * y).data()), doubles(sum(x * x).data()), 1e-5, 1e-5));
  EXPECT_TRUE(test::same_bits(y.data().select(1, 0), x.data().select(1, 0)));
  y.backward(y.detach());
  EXPECT_TRUE(close_to(doubles(x.grad().data()), doubles(x.data()), 1e-5, 1e-5));
}

TEST(Rotary, RefusesBadOptions) {
  auto error = [](int64_t dim, RotaryOptions o) {
    return error_of([&] { rotary_frequencies(dim, o); });
  };
  EXPECT_TRUE(contains(error(5, {}), "an even head_dim, got 5"));
  EXPECT_TRUE(contains(error(4, {.theta = 1}), "a theta above 1"));
  EXPECT_TRUE(contains(error(4, {.factor = 0.5}), "a factor of at least 1"));
  EXPECT_TRUE(contains(error(2, {.scaling = RotaryScaling::ntk}), "ntk needs"));
  EXPECT_TRUE(contains(error(4, {.low_freq_factor = 4}), "below high_freq_factor"));
  EXPECT_TRUE(contains(error(4, {.beta_fast = 1}), "below beta_fast"));
  EXPECT_TRUE(contains(error_of([&] {
                         rotate(Tensor(made_array({2, 4}, 1)), rotary_table(arange(2), 6, {}));
                       }),
                       "expected a last dim of 6"));
  // A table of each sample beside heads.
  EXPECT_TRUE(
      contains(error_of([&] {
                 Tensor positions = reshape(arange(6), {2, 3});
                 rotate(Tensor(made_array({2, 1, 3, 4}, 1)), rotary_table(positions, 4, {}));
               }),
               "whose leading dims broadcast to those of x (2, 1, 3, 4), got (2, 3, 2)"));
}

TEST(Alibi, HasTheSlopesOfThePaper) {
  EXPECT_EQ(alibi_slopes(8)[0], 0.5);
  EXPECT_EQ(alibi_slopes(8)[7], 1.0 / 256);
  // Twelve heads: those of eight, and every other one of sixteen.
  std::vector<double> twelve = alibi_slopes(12);
  ASSERT_EQ(twelve.size(), 12U);
  EXPECT_EQ(twelve[7], 1.0 / 256);
  EXPECT_NEAR(twelve[8], std::exp2(-0.5), 1e-12);
  EXPECT_NEAR(twelve[11], std::exp2(-3.5), 1e-12);
  EXPECT_TRUE(contains(error_of([] { alibi_slopes(0); }), "at least one head"));
}

TEST(Alibi, AddsItsBias) {
  Alibi alibi(nullptr, "", 2);
  Tensor scores(Array::zeros({1, 2, 2, 3}));
  std::vector<double> y = doubles(alibi(scores).data());
  double first = alibi_slopes(2)[0];
  double hidden = -std::numeric_limits<double>::infinity();
  EXPECT_EQ(std::vector<double>(y.begin(), y.begin() + 6),
            (std::vector<double>{-first, 0, hidden, -2 * first, -first, 0}));
  EXPECT_TRUE(contains(error_of([&] {
                         alibi(Tensor(Array::zeros({1, 3, 2, 2})));
                       }),
                       "scores of 2 heads"));
}

TEST(GatedLayers, GiveTheNaiveValues) {
  Tensor x(made_array({2, 4}, 1));
  auto naive = [&](const GatedMlp& m, Tensor (*f)(const Tensor&)) {
    Tensor gate = f(linear(x, m.gate_proj.weight, m.gate_proj.bias));
    Tensor up = linear(x, m.up_proj.weight, m.up_proj.bias);
    return doubles(linear(gate * up, m.down_proj.weight, m.down_proj.bias).data());
  };
  SwiGlu swiglu(nullptr, "", 4, 6, {});
  EXPECT_FALSE(swiglu.up_proj.bias.defined());
  EXPECT_TRUE(close_to(doubles(swiglu(x).data()),
                       naive(swiglu, [](const Tensor& g) { return g * sigmoid(g); }), 1e-6, 1e-6));
  GeGlu geglu(nullptr, "", 4, 6, {.bias = true});
  EXPECT_TRUE(close_to(doubles(geglu(x).data()),
                       naive(geglu, [](const Tensor& g) { return gelu(g); }), 1e-6, 1e-6));
}

}  // namespace
}  // namespace tessera::nn
