#include "launcher/experiment/sampling.h"

#include <gtest/gtest.h>

#include <cmath>

#include "autograd/context.h"
#include "nn/models/gpt.h"
#include "tests/support/error_of.h"

namespace tessera::experiment {
namespace {

using test::contains;
using test::error_of;

nn::GptOptions tiny() { return {.layers = 1, .heads = 2, .width = 16, .context = 8}; }

std::string sample(const SamplingOptions& options, const std::string& prompt = "ab") {
  manual_seed(1);
  nn::Gpt model(tiny());
  std::string text;
  sample_text(model, tiny().context, prompt, options, [&](char c) { text += c; });
  return text;
}

TEST(Sampling, MakesAsManyTokensAsAsked) {
  EXPECT_EQ(sample({.length = 0}).size(), 0U);
  EXPECT_EQ(sample({.length = 20}).size(), 20U);  // well beyond the context
}

TEST(Sampling, TheSameSeedGivesTheSameText) {
  EXPECT_EQ(sample({.length = 40, .seed = 3}), sample({.length = 40, .seed = 3}));
  EXPECT_NE(sample({.length = 40, .seed = 3}), sample({.length = 40, .seed = 4}));
}

TEST(Sampling, TheBeginningDoesNotDependOnTheLength) {
  EXPECT_EQ(sample({.length = 10}), sample({.length = 30}).substr(0, 10));
}

TEST(Sampling, TemperatureZeroIgnoresTheSeed) {
  EXPECT_EQ(sample({.length = 30, .temperature = 0, .seed = 1}),
            sample({.length = 30, .temperature = 0, .seed = 2}));
}

TEST(Sampling, OnlyTheContextBeforeATokenCounts) {
  // Eight bytes of context: what stands before them changes nothing.
  EXPECT_EQ(sample({.length = 10},
                   "xx"
                   "abcdefgh"),
            sample({.length = 10},
                   "yy"
                   "abcdefgh"));
  EXPECT_NE(sample({.length = 10}, "abcdefgh"), sample({.length = 10}, "abcdefgz"));
}

TEST(Sampling, RefusesOutputsThatAreNoNumbers) {
  for (double bad : {std::nan(""), HUGE_VAL}) {
    nn::Gpt model(tiny());
    model.parameters()[0].data().fill_(bad);
    for (double temperature : {0.0, 1.0}) {
      SamplingOptions options{.length = 3, .temperature = temperature};
      std::string text;
      auto sampling = [&] { sample_text(model, 8, "ab", options, [&](char c) { text += c; }); };
      EXPECT_TRUE(contains(error_of(sampling), "the model's outputs are not finite"));
      EXPECT_EQ(text, "");
    }
  }
}

TEST(Sampling, RefusesTokensThatAreNoBytes) {
  nn::GptOptions wide = tiny();
  wide.vocabulary = 70'000;
  nn::Gpt model(wide);
  auto sampling = [&] { sample_text(model, 8, "ab", {.length = 50}, [](char) {}); };
  EXPECT_TRUE(contains(error_of(sampling), "expected a model whose tokens are bytes"));
}

TEST(Sampling, RefusesAnEmptyPrompt) {
  EXPECT_TRUE(contains(error_of([] { sample({}, ""); }), "the prompt is empty"));
}

}  // namespace
}  // namespace tessera::experiment
