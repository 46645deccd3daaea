#include "nn/layers/packed_sequence.h"

#include <gtest/gtest.h>

#include "autograd/ops.h"
#include "nn/layers/recurrent.h"
#include "tests/nn/layers/torch_cases.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::LayerCase;
using test::made_array;
using test::same_bits;
using Lengths = std::vector<int64_t>;
using Tensors = std::vector<Tensor>;

RecurrentState start_of(const Tensors& x) {
  return {x.size() > 1 ? x[1] : Tensor(), x.size() > 2 ? x[2] : Tensor()};
}

// Packed, run and padded again; the packed input besides.
template <class L>
LayerCase packed_case(const std::string& name, const std::vector<Dims>& inputs,
                      const RecurrentOptions& options, const Lengths& lengths,
                      PadPackedOptions padding = {}) {
  padding.batch_first = options.batch_first;
  return {name, inputs, [=](Module& root, const Tensors& x) {
            L& rnn = test::layer<L>(root, 3, 4, options);
            PackedSequence given = pack_padded_sequence(
                x[0], lengths, {.batch_first = options.batch_first, .enforce_sorted = false});
            PackedRecurrentResult out = rnn(given, start_of(x));
            PaddedSequences padded = pad_packed_sequence(out.output, padding);
            EXPECT_EQ(padded.lengths, lengths);
            Tensors results{padded.output, out.state.h};
            if (out.state.c.defined()) results.push_back(out.state.c);
            results.push_back(given.data);
            return results;
          }};
}

LayerCase projected(const std::string& name, const std::vector<Dims>& inputs,
                    const RecurrentOptions& options) {
  return {name, inputs, [=](Module& root, const Tensors& x) -> Tensors {
            RecurrentResult out = test::layer<Lstm>(root, 3, 4, options)(x[0], start_of(x));
            return {out.output, out.state.h, out.state.c};
          }};
}

TEST(PackedSequences, GiveTheValuesAndGradientsOfTorch) {
  test::expect_as_in_torch(
      "packed.safetensors",
      {packed_case<Rnn>("rnn_packed", {{5, 3, 3}}, {.layers = 2, .bidirectional = true}, {5, 3, 1}),
       packed_case<Lstm>("lstm_packed", {{3, 5, 3}, {4, 3, 4}, {4, 3, 4}},
                         {.layers = 2, .batch_first = true, .bidirectional = true}, {2, 5, 3},
                         {.padding_value = -1.5, .total_length = 6}),
       packed_case<Gru>("gru_packed", {{5, 4, 3}, {1, 4, 4}}, {.bias = false}, {1, 4, 1, 5}),
       packed_case<Gru>("gru_packed_alike", {{4, 2, 3}}, {.bidirectional = true}, {4, 4}),
       projected("lstm_proj", {{5, 2, 3}, {4, 2, 2}, {4, 2, 4}},
                 {.layers = 2, .bidirectional = true, .proj_size = 2}),
       projected("lstm_proj_no_bias", {{2, 5, 3}},
                 {.bias = false, .batch_first = true, .proj_size = 3}),
       packed_case<Lstm>("lstm_proj_packed", {{5, 3, 3}},
                         {.layers = 2, .bidirectional = true, .proj_size = 2}, {3, 1, 4})});
}

TEST(PackedSequences, HaveTheirStepsSideBySide) {
  Tensor x = reshape(arange(6), {2, 3, 1});
  PackedSequence packed =
      pack_padded_sequence(x, {2, 3}, {.batch_first = true, .enforce_sorted = false});
  EXPECT_EQ(doubles(packed.data.data()), (std::vector<double>{3, 0, 4, 1, 5}));
  EXPECT_EQ(packed.batch_sizes, (Lengths{2, 2, 1}));
  EXPECT_EQ(packed.sorted_indices, (Lengths{1, 0}));
  EXPECT_EQ(packed.unsorted_indices, (Lengths{1, 0}));
  PaddedSequences padded = pad_packed_sequence(packed, {.batch_first = true, .padding_value = 9});
  EXPECT_EQ(doubles(padded.output.data()), (std::vector<double>{0, 1, 9, 3, 4, 5}));
  EXPECT_EQ(padded.lengths, (Lengths{2, 3}));
}

TEST(PackedSequences, AreMadeOfAListToo) {
  Tensor a(made_array({3, 2}, 1));
  Tensor b(made_array({1, 2}, 2));
  Tensor padded = pad_sequence({b, a}, {.batch_first = true, .padding_value = 7});
  EXPECT_EQ(padded.shape(), (Dims{2, 3, 2}));
  EXPECT_TRUE(same_bits(padded.data().select(0, 1), a.data()));
  EXPECT_EQ(padded.data().select(0, 0).select(0, 2).select(0, 0).item<float>(), 7);
  PackedSequence packed = pack_sequence({a, b});
  EXPECT_EQ(packed.batch_sizes, (Lengths{2, 1, 1}));
  EXPECT_TRUE(packed.sorted_indices.empty());
  EXPECT_TRUE(contains(error_of([&] { pack_sequence({b, a}); }), "the longest sequences first"));
  EXPECT_TRUE(contains(error_of([&] {
                         pad_sequence({a, Tensor(made_array({2, 3}, 1))});
                       }),
                       "whose other dims are equal, got (2, 3) beside (3, 2)"));
  EXPECT_TRUE(contains(error_of([] { pad_sequence({}); }), "at least one sequence"));
}

// What is packed in its order is as what is not, where all lengths are alike.
TEST(PackedSequences, OfOneLengthAreAsAPaddedTensor) {
  Lstm lstm(nullptr, "", 3, 4, {.layers = 2, .bidirectional = true});
  Tensor x(made_array({4, 2, 3}, 1));
  RecurrentResult plain = lstm(x);
  PackedRecurrentResult packed = lstm(pack_padded_sequence(x, {4, 4}));
  EXPECT_TRUE(same_bits(pad_packed_sequence(packed.output).output.data(), plain.output.data()));
  EXPECT_TRUE(same_bits(packed.state.c.data(), plain.state.c.data()));
}

TEST(PackedSequences, RefuseWhatDoesNotFit) {
  Tensor x(made_array({4, 2, 3}, 1));
  auto error = [&](const Lengths& lengths) {
    return error_of([&] { pack_padded_sequence(x, lengths); });
  };
  EXPECT_EQ(error({4}), "[pack_padded_sequence] expected a length of each of 2 sequences, got 1");
  EXPECT_EQ(error({5, 1}), "[pack_padded_sequence] expected lengths in [1, 4], got 5");
  EXPECT_EQ(error({4, 0}), "[pack_padded_sequence] expected lengths in [1, 4], got 0");
  EXPECT_EQ(error({1, 4}),
            "[pack_padded_sequence] expected the longest sequences first, or enforce_sorted = "
            "false, got lengths of (1, 4)");
  PackedSequence packed = pack_padded_sequence(x, {4, 2});
  EXPECT_EQ(error_of([&] { pad_packed_sequence(packed, {.total_length = 3}); }),
            "[pad_packed_sequence] expected a total_length of at least 4, got 3");
  auto refused = [&](auto change) {
    PackedSequence other = packed;
    change(other);
    Rnn rnn(nullptr, "", 3, 4);
    return error_of([&] { rnn(other); });
  };
  EXPECT_TRUE(contains(refused([](auto& p) {
                         p.batch_sizes = {1, 2};
                       }),
                       "do not grow, got (1, 2)"));
  EXPECT_TRUE(contains(refused([](auto& p) { p.batch_sizes.pop_back(); }),
                       "expected data of 5 rows, the sum of batch_sizes, got (6, 3)"));
  EXPECT_TRUE(contains(refused([](auto& p) { p.sorted_indices = {1, 1}; }), "sorted_indices"));
  EXPECT_TRUE(contains(refused([](auto& p) { p.data = narrow(p.data, 1, 0, 2); }),
                       "packed sequences of 3 features, got (6, 2)"));
}

TEST(Lstm, RefusesAProjectionThatDoesNotFit) {
  EXPECT_EQ(error_of([] { Gru(nullptr, "", 3, 4, {.proj_size = 2}); }),
            "[Recurrent] only an Lstm has a proj_size, got 2");
  EXPECT_EQ(error_of([] { Lstm(nullptr, "", 3, 4, {.proj_size = 4}); }),
            "[Recurrent] expected a proj_size below 4, got 4");
  Lstm lstm(nullptr, "", 3, 4, {.proj_size = 2});
  Tensor x(made_array({5, 2, 3}, 1));
  EXPECT_TRUE(contains(error_of([&] {
                         lstm(x, {.h = made_array({1, 2, 4}, 1)});
                       }),
                       "expected a state of (1, 2, 2), got (1, 2, 4) (h)"));
}

}  // namespace
}  // namespace tessera::nn
