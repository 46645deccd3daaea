#include "nn/models/output_layer.h"

#include <gtest/gtest.h>

#include <memory>

#include "autograd/checkpoint.h"
#include "autograd/context.h"
#include "core/kernels/matmul.h"
#include "nn/block.h"
#include "nn/models/gpt.h"
#include "nn/models/lstm.h"
#include "nn/models/moe.h"
#include "tests/support/arrays.h"

namespace tessera::nn {
namespace {

using test::same_bits;

constexpr int64_t kVocabulary = kWide + 7;

// 640 tokens: two pieces.
data::Batch many_tokens() {
  std::vector<int64_t> tokens;
  std::vector<int64_t> targets;
  for (int64_t i = 0; i < 640; ++i) {
    tokens.push_back(i * 7919 % kVocabulary);
    targets.push_back(i % 9 == 4 ? -100 : i * 104729 % kVocabulary);
  }
  return {.tokens = Tensor(Array::from(tokens, {20, 32})),
          .targets = Tensor(Array::from(targets, {20, 32}))};
}

std::unique_ptr<Model> model_of(const std::string& name, bool tied) {
  manual_seed(5);
  LlamaOptions llama{.layers = 1,
                     .heads = 1,
                     .width = 8,
                     .hidden = 12,
                     .context = 32,
                     .vocabulary = kVocabulary,
                     .tied = tied};
  if (name == "gpt") {
    return std::make_unique<Gpt>(
        GptOptions{.layers = 1, .heads = 1, .width = 8, .context = 32, .vocabulary = kVocabulary});
  }
  if (name == "llama") return std::make_unique<Llama>(llama);
  if (name == "moe") {
    return std::make_unique<MoeModel>(
        MoeModelOptions{.llama = llama, .experts = 2, .top_k = 1, .balance = 0});
  }
  return std::make_unique<LstmModel>(LstmModelOptions{.layers = 1,
                                                      .width = 8,
                                                      .hidden = 8,
                                                      .context = 32,
                                                      .vocabulary = kVocabulary,
                                                      .tied = tied});
}

std::string maker_of(const Loss& loss) { return loss.sum.grad_fn()->edges()[0].node->op(); }

// The loss has the bits of the logits' cross-entropy, and so have all gradients.
void expect_bits_of_logits(Model& model, const Loss& loss, const data::Batch& batch) {
  loss.sum.backward();
  std::vector<Array> grads;
  for (const Tensor& p : model.parameters()) grads.push_back(p.grad().data());
  model.zero_grad();
  Loss expected = cross_entropy_loss(model(batch), batch.targets);
  EXPECT_TRUE(same_bits(loss.sum.data(), expected.sum.data()));
  EXPECT_EQ(loss.weight, expected.weight);
  expected.sum.backward();
  size_t i = 0;
  for (const auto& [name, p] : model.named_parameters()) {
    EXPECT_TRUE(same_bits(grads[i++], p.grad().data())) << name;
  }
}

TEST(OutputLayer, LanguageModelsHoldTheirLogitsInPieces) {
  data::Batch batch = many_tokens();
  for (const char* name : {"gpt", "llama", "moe", "lstm"}) {
    for (bool tied : {true, false}) {
      SCOPED_TRACE(std::string(name) + (tied ? " tied" : ""));
      std::unique_ptr<Model> model = model_of(name, tied);
      Loss loss = model->loss(batch);
      EXPECT_EQ(maker_of(loss), "linear_cross_entropy");
      expect_bits_of_logits(*model, loss, batch);
    }
  }
}

class RunsAgain final : public BlockRunner {
 public:
  std::vector<Tensor> run(const Module&, const TensorFunction& forward,
                          const std::vector<Tensor>& inputs) override {
    return checkpoint(forward, inputs);
  }
};

TEST(OutputLayer, IsABlock) {
  data::Batch batch = many_tokens();
  std::unique_ptr<Model> model = model_of("llama", false);
  RunsAgain runner;
  model->set_block_runner(&runner);
  Loss loss = model->loss(batch);
  EXPECT_EQ(maker_of(loss), "linear_cross_entropy");
  expect_bits_of_logits(*model, loss, batch);
  model->set_block_runner(nullptr);
}

TEST(OutputLayer, ShowsItsLogitsToHooks) {
  data::Batch batch = many_tokens();
  std::unique_ptr<Model> model = model_of("llama", false);
  Dims seen;
  HookHandle handle = model->get<OutputLayer>("lm_head").register_forward_hook(
      [&](const Module&, const std::vector<Tensor>&, std::vector<Tensor>& outputs) {
        seen = outputs[0].shape();
      });
  Loss loss = model->loss(batch);
  EXPECT_EQ(seen, (Dims{20, 32, kVocabulary}));
  expect_bits_of_logits(*model, loss, batch);
}

}  // namespace
}  // namespace tessera::nn
