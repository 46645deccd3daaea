// The models that configs can name, against PyTorch (scripts/make_models_golden.py) and against
// themselves on more ranks.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "autograd/context.h"
#include "core/digest.h"
#include "core/io/safetensors.h"
#include "distributed/train_step.h"
#include "launcher/experiment/components/components.h"
#include "launcher/experiment/plan.h"
#include "nn/optim/adamw.h"
#include "nn/optim/sgd.h"
#include "tests/support/error_of.h"
#include "tests/support/made_values.h"
#include "tests/support/ranks.h"

namespace tessera::experiment {
namespace {

using test::close_to;
using test::contains;
using test::doubles;

// What scripts/make_models_golden.py calls its streams.
constexpr uint64_t kImages = 1000;
constexpr uint64_t kTokens = 1001;
constexpr uint64_t kTargets = 1002;

Config config_of(const std::string& section) {
  return load_config("model: " + section, "test.yaml", {}, builtin_catalog());
}

std::unique_ptr<nn::Model> model_of(const std::string& section) {
  return config_of(section).model.as<ModelSection>().make();
}

// A golden file.
class Golden {
 public:
  explicit Golden(const std::string& name)
      : file_(load_safetensors(fmt::format("{}/models/{}.safetensors", TESSERA_GOLDEN_DIR, name))) {
  }
  const std::string& about(const std::string& key) const { return file_.metadata.at(key); }
  std::vector<double> values(const std::string& name) const {
    for (const auto& [key, array] : file_.tensors) {
      if (key == name) return doubles(array);
    }
    return {};
  }
  // The batch; of another `leaf`, other samples of the same shape.
  data::Batch batch(uint64_t leaf = 0) const {
    bool images = file_.metadata.contains("images");
    Dims shape;
    for (int64_t size : nlohmann::json::parse(about(images ? "images" : "tokens"))) {
      shape.push_back(size);
    }
    int64_t kinds = std::stoll(about("kinds"));
    uint64_t at = 10 * leaf;
    if (!images) {
      return {.tokens = test::made_integers(shape, kTokens + at, kinds),
              .targets = test::made_integers(shape, kTargets + at, kinds)};
    }
    return {.images = test::made_array(shape, kImages + at, 2),
            .targets = test::made_integers({shape[0]}, kTargets + at, kinds)};
  }

 private:
  SafetensorsFile file_;
};

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TESSERA_GOLDEN_DIR "/models")) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class GoldenModel : public testing::TestWithParam<std::string> {};

TEST_P(GoldenModel, HasTheStateOfPyTorchs) {
  Golden golden(GetParam());
  std::vector<std::string> lines;
  for (const auto& [name, value] : model_of(golden.about("model"))->named_state()) {
    std::string sizes;
    for (int64_t size : value.shape())
      sizes += fmt::format("{}{}", sizes.empty() ? "" : ", ", size);
    lines.push_back(fmt::format("{} [{}]", name, sizes));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  EXPECT_EQ(text, golden.about("state"));
}

TEST_P(GoldenModel, TrainsAsInPyTorch) {
  Golden golden(GetParam());
  manual_seed(1);
  auto model = model_of(golden.about("model"));
  test::fill_with_made_values(*model);
  data::Batch batch = golden.batch();
  auto logits = [&] {
    model->eval();
    const NoGrad constants;
    return doubles((*model)(batch).data());
  };
  EXPECT_TRUE(close_to(logits(), golden.values("before"), 1e-4, 1e-4));
  optim::AdamW optimizer({{model->parameters(), 0.1}},
                         {.beta1 = 0.9, .beta2 = 0.95, .eps = std::stod(golden.about("eps"))});
  std::vector<double> losses;
  for (size_t step = 0; step < golden.values("losses").size(); ++step) {
    model->train(golden.about("mode") == "train");
    nn::Loss loss = model->loss(batch);
    optimizer.zero_grad();
    loss.sum.backward();
    optimizer.step(std::stod(golden.about("lr")), Array::scalar(1 / loss.weight, DType::f64));
    losses.push_back(loss.sum.item<double>() / loss.weight);
  }
  EXPECT_TRUE(close_to(losses, golden.values("losses"), 0, 1e-4));
  EXPECT_LT(losses.back(), losses.front());
  EXPECT_TRUE(close_to(logits(), golden.values("after"), 2e-3, 2e-3));
}

TEST_P(GoldenModel, EvaluatesItsLossWithMetrics) {
  Golden golden(GetParam());
  manual_seed(1);
  auto model = model_of(golden.about("model"));
  model->eval();
  const NoGrad constants;
  auto drawing_alike = [&](auto&& run) {
    context().random.begin(1, 2, 3);
    return run();
  };
  nn::Evaluation all = drawing_alike([&] { return model->evaluate(golden.batch()); });
  nn::Loss loss = drawing_alike([&] { return model->loss(golden.batch()); });
  EXPECT_EQ(all.loss.sum.item<double>(), loss.sum.item<double>());
  EXPECT_EQ(all.loss.weight, loss.weight);
  EXPECT_FALSE(model->metrics().empty());
}

// The losses of three steps in that dtype, and the norms of their gradients. By Adam's rule noise
// would count as much as what is noisy.
std::pair<std::vector<double>, std::vector<double>> steps_in(DType dtype,
                                                             const std::string& section,
                                                             const data::Batch& batch) {
  manual_seed(1);
  auto model = model_of(section);
  optim::Sgd optimizer({{model->parameters()}}, {});
  auto comm = make_self_communicator();
  Mesh mesh(*comm);
  StepOptions options{.clip_norm = 1};
  if (dtype != DType::f32) options.dtype = dtype;
  if (dtype == DType::f16) options.loss_scale = LossScaleOptions{.init_scale = 256};
  TrainStep step(*model, optimizer, mesh, options);
  data::Batch cast = data::with_images_of(batch, dtype);
  std::vector<double> losses;
  std::vector<double> norms;
  for (int i = 0; i < 3; ++i) {
    StepResult result = step.run(0.01, [&](Leaf) { return model->loss(cast); });
    EXPECT_FALSE(result.skipped()) << section << " " << dtype << " " << i;
    losses.push_back(result.loss());
    norms.push_back(result.grad_norm());
  }
  return {losses, norms};
}

void expect_alike_in_16_bits(const std::string& section, const data::Batch& batch) {
  auto [losses, norms] = steps_in(DType::f32, section, batch);
  EXPECT_NE(losses[2], losses[0]);
  for (DType dtype : {DType::bf16, DType::f16}) {
    SCOPED_TRACE(fmt::format("{} {}", section, dtype));
    double tolerance = dtype == DType::f16 ? 0.02 : 0.05;
    auto [losses16, norms16] = steps_in(dtype, section, batch);
    EXPECT_NEAR(losses16[0], losses[0], tolerance * losses[0]);
    EXPECT_NEAR(norms16[0], norms[0], 3 * tolerance * norms[0]);
    // Behind the first, batch norms of few numbers go apart: most of all in 50 layers.
    EXPECT_TRUE(close_to(losses16, losses, 0, 3 * tolerance));
    EXPECT_NE(losses16, losses) << "it is computed in f32";
  }
}

TEST_P(GoldenModel, TrainsIn16Bits) {
  Golden golden(GetParam());
  expect_alike_in_16_bits(golden.about("model"), golden.batch());
}

TEST(Models, WithoutGoldenValuesTrainIn16Bits) {
  Tensor targets = test::made_integers({4}, kTargets, 3);
  expect_alike_in_16_bits("{name: mlp, inputs: 36, hidden1: 8, hidden2: 6, classes: 3}",
                          {.images = test::made_array({4, 36}, kImages, 2), .targets = targets});
  expect_alike_in_16_bits(
      "{name: cnn, size: 6, width: 4, hidden: 8, classes: 3}",
      {.images = test::made_array({4, 1, 6, 6}, kImages, 2), .targets = targets});
  expect_alike_in_16_bits("{name: gpt, layers: 2, heads: 2, width: 16, context: 8, vocabulary: 32}",
                          {.tokens = test::made_integers({2, 8}, kTokens, 32),
                           .targets = test::made_integers({2, 8}, kTargets, 32)});
}

// The digest after two steps over four leaves, with clipping.
std::string digest_of(Communicator& comm, const Golden& golden, Strategy strategy) {
  manual_seed(3);
  auto model = model_of(golden.about("model"));
  optim::AdamW optimizer({{model->parameters(), 0.1}}, {});
  Mesh mesh(comm);
  TrainStep step(*model, optimizer, mesh,
                 {.leaves = 4,
                  .clip_norm = 0.5,
                  .strategy = strategy,
                  .bucket_bytes = 1 << 16,
                  .recompute = strategy == Strategy::zero3});
  for (int i = 0; i < 2; ++i) {
    step.run(0.01, [&](Leaf leaf) {
      return model->loss(golden.batch(static_cast<uint64_t>(leaf.step * 4 + leaf.index)));
    });
  }
  return digest(step.state());
}

TEST_P(GoldenModel, HasOneDigestForAnyRanksAndStrategy) {
  Golden golden(GetParam());
  std::string expected = digest_of(*make_self_communicator(), golden, Strategy::ddp);
  for (Strategy strategy : {Strategy::ddp, Strategy::zero3}) {
    test::run_ranks(
        2, [&](Communicator& comm) { EXPECT_EQ(digest_of(comm, golden, strategy), expected); });
  }
}

// A batch that every plan may look at.
class GoldenData final : public DataSection {
 public:
  explicit GoldenData(data::Batch batch) : batch_(std::move(batch)) {}
  DataSets open(const ModelSection&) const override { throw_error("there are no data"); }
  Example example(const ModelSection&) const override {
    return {data::to(batch_, Device{DeviceType::meta}), 0};
  }

 private:
  data::Batch batch_;
};

TEST_P(GoldenModel, CanBePlanned) {
  Golden golden(GetParam());
  Catalog catalog = builtin_catalog();
  catalog.data = {{"golden", "", [&] { return std::make_unique<GoldenData>(golden.batch()); }}};
  Config config = load_config("model: " + golden.about("model") + "\ndata: {leaves: 2}",
                              "test.yaml", {}, catalog);
  Plan plan = make_plan(config, {.ranks = 2});
  EXPECT_GT(plan.num_parameters, 0);
  for (const StrategyPlan& strategy : plan.strategies) {
    EXPECT_EQ(strategy.refusal, "") << strategy.strategy;
    EXPECT_GT(strategy.flops, 0) << strategy.strategy;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel, testing::ValuesIn(golden_names()),
                         [](const auto& param) { return param.param; });

TEST(Models, AllHaveGoldenValuesButThoseThatHaveThemElsewhere) {
  std::set<std::string> covered{"gpt", "mlp", "cnn"};
  for (const std::string& name : golden_names()) {
    covered.insert(config_of(Golden(name).about("model")).model.name);
  }
  for (const Option& entry : builtin_catalog().model) {
    EXPECT_TRUE(covered.contains(entry.name)) << entry.name;
  }
}

struct Refused {
  std::string section;
  std::string error;  // part of it
};

TEST(Models, RefuseSizesThatDoNotFit) {
  const std::vector<Refused> all{
      {"{name: resnet, depth: 20}", "model.depth: expected 18, 34 or 50, got 20"},
      {"{name: resnet, depth: 101}", "model.depth"},
      {"{name: resnet, stem: tall}", "imagenet, cifar"},
      {"{name: lenet, size: 11}", "model.size"},
      {"{name: vit, size: 30, patch: 16}", "model.patch: patches of 16 x 16 do not divide"},
      {"{name: vit, heads: 5}", "model.heads: 5 heads do not divide a width of 64"},
      {"{name: vit, width: 12, heads: 12, mlp_ratio: 0.05}", "model.mlp_ratio"},
      {"{name: llama, heads: 4, kv_heads: 3}", "model.kv_heads: 3 do not divide 4 heads"},
      {"{name: llama, heads: 3}", "model.heads: 3 heads do not divide a width of 128"},
      {"{name: llama, head_dim: 5}", "model.head_dim: rotary positions need an even one, got 5"},
      {"{name: llama, rope_factor: 0.5}", "model.rope_factor"},
      {"{name: llama, rope_low_freq_factor: 4}", "model.rope_low_freq_factor"},
      {"{name: llama, rope_beta_fast: 1}", "model.rope_beta_slow"},
      {"{name: llama, head_dim: 2, rope_scaling: ntk}", "model.rope_scaling"},
      {"{name: moe, experts: 2, top_k: 3}",
       "model.top_k: there are 2 experts, and a token meets 3"},
      {"{name: moe, kv_heads: 3}", "model.kv_heads: 3 do not divide 4 heads"},
      {"{name: unet, size: 28, levels: 3}", "model.levels: images of 28 x 28 cannot be halved 3"},
      {"{name: vae, latent: 0}", "model.latent"},
      {"{name: lstm, tied: true}", "model.tied: hidden must be width, got 256 and 128"},
  };
  for (const Refused& refused : all) {
    std::string error;
    try {
      model_of(refused.section);
    } catch (const ConfigError& e) {
      error = e.what();
    }
    EXPECT_TRUE(contains(error, refused.error)) << refused.section;
  }
}

}  // namespace
}  // namespace tessera::experiment
