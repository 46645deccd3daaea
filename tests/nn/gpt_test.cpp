#include "nn/models/gpt.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "autograd/ops.h"
#include "nn/optim/adamw.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera::nn {
namespace {

using test::contains;
using test::error_of;
using test::same_bits;

constexpr GptOptions kSmall{.layers = 2, .heads = 2, .width = 16, .context = 12, .vocabulary = 256};

Array tokens(int64_t batch, int64_t time, int64_t first = 0) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < batch * time; ++i) values.push_back((first + i * 31) % 256);
  return Array::from(values, {batch, time});
}

TEST(Gpt, HasTheParametersOfTheBenchmark) {
  // configs/gpt_char.yaml
  Gpt model({.layers = 6, .heads = 6, .width = 384, .context = 256, .vocabulary = 256});
  EXPECT_EQ(model.num_parameters(), 10844160);
}

TEST(Gpt, NamesItsParameters) {
  Gpt model({.layers = 1, .heads = 1, .width = 2, .context = 3, .vocabulary = 4});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.named_parameters()) names.push_back(name);
  std::vector<std::string> expected{"wte.weight", "wpe.weight"};
  for (const char* part : {"ln1", "attn.c_attn", "attn.c_proj", "ln2", "c_fc", "c_proj"}) {
    expected.push_back(fmt::format("blocks.0.{}.weight", part));
    expected.push_back(fmt::format("blocks.0.{}.bias", part));
  }
  expected.insert(expected.end(), {"ln_f.weight", "ln_f.bias"});
  EXPECT_EQ(names, expected);
}

TEST(Gpt, SeesNoLaterToken) {
  manual_seed(1);
  Gpt model(kSmall);
  Array before = tokens(2, 12);
  Array logits = model({.tokens = before}).data();
  EXPECT_EQ(logits.shape(), (Dims{2, 12, 256}));
  for (int64_t changed : {0, 5, 11}) {
    Array after = before.clone();
    after.select(1, changed).fill_(99);
    Array other = model({.tokens = after}).data();
    EXPECT_TRUE(same_bits(other.slice(1, 0, changed), logits.slice(1, 0, changed)));
    // Every position from there on sees it.
    for (int64_t t = changed; t < 12; ++t) {
      EXPECT_FALSE(same_bits(other.select(1, t), logits.select(1, t))) << changed << ' ' << t;
    }
  }
}

TEST(Gpt, TakesShorterTexts) {
  manual_seed(1);
  Gpt model(kSmall);
  Array whole = tokens(2, 12);
  Array logits = model({.tokens = whole}).data();
  Array begun = model({.tokens = whole.slice(1, 0, 5).contiguous()}).data();
  EXPECT_TRUE(test::close_to(test::doubles(begun), test::doubles(logits.slice(1, 0, 5)), 1e-6, 0));
}

TEST(Gpt, KnowsPositions) {
  manual_seed(1);
  Gpt model(kSmall);
  Array same = Array::full({1, 12}, 7, DType::i64);
  Array logits = model({.tokens = same}).data();
  EXPECT_FALSE(same_bits(logits.select(1, 3), logits.select(1, 4)));
}

TEST(Gpt, StartsKnowingNothing) {
  manual_seed(1);
  Gpt model({.layers = 2, .heads = 2, .width = 64, .context = 32, .vocabulary = 256});
  Loss loss = model.loss({.tokens = tokens(4, 32), .targets = tokens(4, 32, 31)});
  EXPECT_EQ(loss.weight, 128);
  EXPECT_NEAR(loss.sum.item<double>() / loss.weight, std::log(256), 0.1);
}

TEST(Gpt, LearnsOneBatchByHeart) {
  manual_seed(1);
  Gpt model(kSmall);
  data::Batch batch{.tokens = tokens(2, 12), .targets = tokens(2, 12, 31)};
  optim::AdamW optimizer({{model.parameters()}}, {});
  double loss = 0;
  for (int step = 0; step < 60; ++step) {
    Loss leaf = model.loss(batch);
    optimizer.zero_grad();
    (leaf.sum * (1 / leaf.weight)).backward();
    optimizer.step(0.01);
    loss = leaf.sum.item<double>() / leaf.weight;
  }
  EXPECT_LT(loss, 0.05);
}

TEST(Gpt, DropsInTrainingOnly) {
  manual_seed(1);
  GptOptions options = kSmall;
  options.dropout = 0.5;
  Gpt model(options);
  Array x = tokens(1, 12);
  EXPECT_FALSE(same_bits(model({.tokens = x}).data(), model({.tokens = x}).data()));
  model.eval();
  EXPECT_TRUE(same_bits(model({.tokens = x}).data(), model({.tokens = x}).data()));
}

TEST(Gpt, RefusesWhatItCannotRead) {
  Gpt model(kSmall);
  EXPECT_EQ(error_of([&] { model({.tokens = tokens(1, 13)}); }),
            "[gpt] expected tokens (B, T) with T up to 12, got (1, 13)");
  EXPECT_TRUE(contains(error_of([&] { model({.tokens = Array::arange(5)}); }), "got (5,)"));
  EXPECT_NE(error_of([&] { model({.tokens = Array::full({1, 2}, 256, DType::i64)}); }), "");
}

TEST(Gpt, RefusesBadOptions) {
  auto error = [](GptOptions options) { return error_of([&] { Gpt{options}; }); };
  EXPECT_TRUE(contains(error({.heads = 3, .width = 128}), "3 heads do not divide a width of 128"));
  EXPECT_TRUE(contains(error({.layers = 0}), "must be at least 1"));
  EXPECT_TRUE(contains(error({.vocabulary = 0}), "must be at least 1"));
  EXPECT_TRUE(contains(error({.dropout = 2}), "probability"));
}

}  // namespace
}  // namespace tessera::nn
