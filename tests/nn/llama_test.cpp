#include "nn/models/llama.h"

#include <gtest/gtest.h>

#include "autograd/context.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"

namespace tessera::nn {
namespace {

using test::close_to;
using test::contains;
using test::doubles;
using test::error_of;
using test::same_bits;

constexpr LlamaOptions kSmallLlama{.layers = 2,
                                   .heads = 4,
                                   .kv_heads = 2,
                                   .width = 16,
                                   .hidden = 24,
                                   .context = 8,
                                   .vocabulary = 32};

Array text(int64_t batch, int64_t time) { return test::made_integers({batch, time}, 1, 32); }

TEST(Llama, HasTheParametersOfLlama2With7Billion) {
  DeferInit defer;
  Llama model({.layers = 32,
               .heads = 32,
               .width = 4096,
               .hidden = 11008,
               .context = 4096,
               .vocabulary = 32000});
  EXPECT_EQ(model.num_parameters(), 6738415616);
}

TEST(Llama, SeesNoLaterToken) {
  Llama model(kSmallLlama);
  Array before = text(2, 8);
  Array logits = model({.tokens = before}).data();
  Array after = before.clone();
  after.select(1, 5).fill_(0);
  Array other = model({.tokens = after}).data();
  EXPECT_TRUE(same_bits(other.slice(1, 0, 5), logits.slice(1, 0, 5)));
  EXPECT_FALSE(same_bits(other.select(1, 7), logits.select(1, 7)));
}

TEST(Llama, SeesNothingBeforeItsWindow) {
  LlamaOptions options = kSmallLlama;
  options.layers = 1;
  options.window = 3;
  Llama model(options);
  Array before = text(1, 8);
  Array after = before.clone();
  after.select(1, 2).fill_(0);
  Array logits = model({.tokens = before}).data();
  Array other = model({.tokens = after}).data();
  EXPECT_FALSE(same_bits(other.select(1, 4), logits.select(1, 4)));
  EXPECT_TRUE(same_bits(other.select(1, 5), logits.select(1, 5)));
}

// Only distances count: all positions may be moved.
TEST(Llama, TakesPositions) {
  Llama model(kSmallLlama);
  test::fill_with_made_values(model);
  Array tokens = text(2, 6);
  auto at = [&](int64_t first, int64_t step) {
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < 12; ++i) positions.push_back(first + step * (i % 6));
    return doubles(model({.tokens = tokens, .positions = Array::from(positions, {2, 6})}).data());
  };
  std::vector<double> usual = doubles(model({.tokens = tokens}).data());
  EXPECT_TRUE(close_to(at(0, 1), usual, 1e-6, 1e-6));
  EXPECT_TRUE(close_to(at(100, 1), usual, 1e-3, 1e-3));
  EXPECT_FALSE(close_to(at(0, 2), usual, 1e-3, 1e-3));
}

TEST(Llama, RefusesWhatItCannotRead) {
  Llama model(kSmallLlama);
  EXPECT_EQ(error_of([&] { model({.tokens = text(1, 9)}); }),
            "[llama] expected tokens (B, T) with T up to 8, got (1, 9)");
  EXPECT_EQ(error_of([&] { model({}); }), "[llama] expected a batch with tokens");
  EXPECT_TRUE(contains(
      error_of([&] { model({.tokens = text(2, 4), .positions = Array::zeros({4}, DType::i64)}); }),
      "positions of the tokens' shape (2, 4), got (4,)"));
}

TEST(Llama, RefusesBadOptions) {
  auto error = [](auto change) {
    LlamaOptions options = kSmallLlama;
    change(options);
    return error_of([&] { Llama{options}; });
  };
  EXPECT_TRUE(contains(error([](LlamaOptions& o) { o.kv_heads = 3; }),
                       "3 heads of keys do not divide 4 heads"));
  EXPECT_TRUE(contains(error([](LlamaOptions& o) { o.width = 18; }),
                       "4 heads do not divide a width of 18"));
  EXPECT_TRUE(contains(error([](LlamaOptions& o) { o.head_dim = 3; }), "an even head_dim"));
  EXPECT_TRUE(contains(error([](LlamaOptions& o) { o.layers = 0; }), "must be at least 1"));
  EXPECT_TRUE(contains(error([](LlamaOptions& o) { o.window = -1; }), "a window of at least 0"));
}

}  // namespace
}  // namespace tessera::nn
