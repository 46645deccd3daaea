#include "tests/launcher/experiment/run_matrix.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/digest.h"
#include "core/parallel.h"
#include "distributed/checkpoint/checkpoint_folder.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "launcher/job/exit_codes.h"
#include "tests/support/pairwise.h"

namespace tessera::test {
namespace {

using namespace experiment;

bool whole_product() { return std::getenv("TESSERA_TEST_WHOLE_PRODUCT") != nullptr; }
const int kSteps = whole_product() ? 40 : 10;
// More than ranks, and no multiple of them: leaves are accumulated everywhere, in other numbers.
constexpr int kLeaves = 5;

// What a new model needs to be in the tests: a line here. Dropout where there is some.
const std::map<std::string, std::pair<std::string, std::string>> kModels{
    {"gpt",
     {"layers: 2, heads: 2, width: 16, context: 8, dropout: 0.1",
      "layers: 3, heads: 4, width: 96, context: 64, dropout: 0.1"}},
    {"mlp",
     {"inputs: 144, hidden1: 12, hidden2: 8, classes: 3",
      "inputs: 144, hidden1: 512, hidden2: 512, classes: 3"}},
    {"cnn",
     {"size: 12, width: 2, hidden: 8, classes: 3", "size: 12, width: 32, hidden: 256, classes: 3"}},
    {"resnet", {"size: 12, width: 2, classes: 3", "size: 12, width: 16, classes: 3"}},
    {"lenet", {"size: 12, classes: 3", "size: 12, classes: 3"}},
    {"vit",
     {"size: 12, patch: 4, width: 16, depth: 2, heads: 2, classes: 3, dropout: 0.1, "
      "attention_dropout: 0.1",
      "size: 12, patch: 2, width: 96, depth: 3, heads: 4, classes: 3, dropout: 0.1"}},
    {"llama",
     {"layers: 2, heads: 2, kv_heads: 1, width: 16, hidden: 24, context: 8, qk_norm: true",
      "layers: 3, heads: 4, kv_heads: 2, width: 96, hidden: 256, context: 64, qk_norm: true"}},
    {"lstm",
     {"layers: 2, width: 8, hidden: 12, context: 8, dropout: 0.1",
      "layers: 2, width: 128, hidden: 160, context: 32, dropout: 0.1"}},
    {"moe",
     {"layers: 2, heads: 2, width: 16, hidden: 12, context: 8, experts: 4",
      "layers: 2, heads: 4, width: 96, hidden: 128, context: 64, experts: 4"}},
    {"vae", {"inputs: 144, hidden: 12, latent: 4", "inputs: 144, hidden: 1024, latent: 32"}},
    {"unet", {"size: 12, width: 2, levels: 2", "size: 12, width: 24, levels: 2"}},
};

// With which an optimizer finds its way in 16 bits, too.
const std::map<std::string, std::string> kOptions{{"lbfgs", ", lr: 0.1, max_iter: 3"}};

// Beside every optimizer as it is.
const std::vector<OptimizerCase> kMoreOptimizers{
    {"sgd_nesterov", "name: sgd, lr: 0.01, momentum: 0.9, nesterov: true"},
    {"adam_amsgrad_swa", "name: adam, amsgrad: true, swa_start: 5, swa_every: 3"},
    {"adamw_ema_groups", "name: adamw, ema: 0.9, groups: '*weight: beta1=0.5, lr=0.002'"},
    {"rmsprop_clip_value", "name: rmsprop, momentum: 0.5, centered: true, clip_value: 0.01"},
    {"lion_skip_outliers", "name: lion, skip_outliers: 1, outlier_window: 4"},
};

const std::vector<std::string> kBackends{"thread", "thread", "mpi"};

Layout layout_of(int strategy, int ranks, int threads, int recompute) {
  return {static_cast<Strategy>(strategy), 1 + ranks, 1 + threads, recompute == 1};
}

// The levels of everything that a setting has.
const std::vector<int>& factors() {
  static const std::vector<int> all{static_cast<int>(model_cases().size()),
                                    static_cast<int>(optimizer_cases().size()),
                                    static_cast<int>(kBackends.size()),
                                    5,
                                    4,
                                    2,
                                    2,
                                    2,
                                    5,
                                    4,
                                    2};
  return all;
}

RunSetting setting_of(const Levels& at) {
  return {.model = model_cases()[static_cast<size_t>(at[0])],
          .optimizer = optimizer_cases()[static_cast<size_t>(at[1])],
          .bf16 = at[6] == 1,
          .backend = kBackends[static_cast<size_t>(at[2])],
          .first = layout_of(at[3], at[4], at[5], at[7]),
          .then = layout_of(at[8], at[9], 0, at[10])};
}

// Of the product of the first six, each with levels of the others that go on counting.
std::vector<Levels> dealt_product() {
  std::vector<int> first(factors().begin(), factors().begin() + 6);
  first[2] = 2;
  std::vector<Levels> all;
  int number = 0;
  for (Levels levels : product(first)) {
    // From one that is "thread" and one that is "mpi".
    levels[2] = levels[2] == 0 ? 0 : static_cast<int>(kBackends.size()) - 1;
    int left = number++ * 7;
    for (size_t i = first.size(); i < factors().size(); ++i) {
      levels.push_back(left % factors()[i]);
      left /= factors()[i];
    }
    all.push_back(std::move(levels));
  }
  return all;
}

std::string text_of(const Layout& layout) {
  return fmt::format("{} ranks={} threads={} recompute={}", name(layout.strategy), layout.ranks,
                     layout.threads, layout.recompute);
}

}  // namespace

const std::vector<ModelCase>& model_cases() {
  static const std::vector<ModelCase> all = [] {
    std::vector<ModelCase> cases;
    for (const Option& model : builtin_catalog().model) {
      TESSERA_CHECK(kModels.contains(model.name),
                    "the model '{}' is in no run of the tests: kModels in "
                    "tests/launcher/experiment/run_matrix.cpp has no sizes for it",
                    model.name);
      const auto& [tiny, small] = kModels.at(model.name);
      cases.push_back({model.name, tiny, small});
    }
    return cases;
  }();
  return all;
}

const std::vector<OptimizerCase>& optimizer_cases() {
  static const std::vector<OptimizerCase> all = [] {
    std::vector<OptimizerCase> cases;
    for (const Option& optimizer : builtin_catalog().optim) {
      auto section = optimizer.make();
      bool constant = dynamic_cast<const OptimSection&>(*section).replaces_schedule();
      std::string keys = "name: " + optimizer.name;
      if (auto more = kOptions.find(optimizer.name); more != kOptions.end()) keys += more->second;
      cases.push_back({optimizer.name, keys, constant ? "constant" : "cosine"});
    }
    cases.insert(cases.end(), kMoreOptimizers.begin(), kMoreOptimizers.end());
    return cases;
  }();
  return all;
}

std::string refusal_of(const ModelCase& model, const OptimizerCase& optimizer) {
  bool no_matrices = model.name == "unet" && optimizer.name == "muon";
  return no_matrices ? "of the model, no matrix is left for muon to update" : "";
}

void make_data(const std::string& folder) {
  std::minstd_rand random(1);
  std::ofstream text(folder + "/text");
  for (int i = 0; i < 600; ++i) text << "abcdefghijklmnopqrst"[random() % 20] << "aeiou \n"[i % 7];
  constexpr unsigned char kSize = 12;
  for (auto [split, count] : {std::pair{"train", '\50'}, {"t10k", '\10'}}) {
    std::string images{0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, kSize, 0, 0, 0, kSize};
    std::string labels{0, 0, 8, 1, 0, 0, 0, count};
    for (int i = 0; i < count; ++i) {
      for (int pixel = 0; pixel < kSize * kSize; ++pixel) {
        images += static_cast<char>(random() % 200 + static_cast<unsigned>(i % 3) * 25);
      }
      labels += static_cast<char>(i % 3);
    }
    std::string path = folder + "/" + split;
    std::ofstream(path + "-images-idx3-ubyte", std::ios::binary) << images;
    std::ofstream(path + "-labels-idx1-ubyte", std::ios::binary) << labels;
  }
}

std::string yaml_of(const std::string& model, const std::string& keys,
                    const OptimizerCase& optimizer, const std::string& data) {
  std::string section = fmt::format("model: {{name: {}, {}}}\n", model, keys);
  Config config = load_config(section, "model", {}, builtin_catalog());
  bool tokens = config.model.as<ModelSection>().contract().samples ==
                tessera::data::DataContract::Samples::tokens;
  return section + fmt::format(
                       "data: {{name: {}, path: {}, micro_batch: 2}}\noptim: {{{}}}\nschedule: "
                       "{{name: {}}}\n",
                       tokens ? "text" : "idx", tokens ? data + "/text" : data, optimizer.section,
                       optimizer.schedule);
}

std::string to_string(const RunSetting& setting) {
  return fmt::format("{} {} {} {}: {}, then {}", setting.model.name, setting.optimizer.name,
                     setting.bf16 ? "bf16" : "f32", setting.backend, text_of(setting.first),
                     text_of(setting.then));
}

const std::vector<RunSetting>& run_settings() {
  static const std::vector<RunSetting> all = [] {
    std::vector<RunSetting> settings;
    for (const Levels& levels : whole_product() ? dealt_product() : pairwise(factors())) {
      settings.push_back(setting_of(levels));
    }
    return settings;
  }();
  return all;
}

void MatrixRuns::train(const RunSetting& setting, const Layout& layout, const TrainRanks& train,
                       const std::string& run, int exit_code) {
  // Two replicas where that can be.
  int group = layout.ranks % 2 == 0 ? layout.ranks / 2 : layout.ranks;
  std::string yaml =
      yaml_of(setting.model.name, setting.model.tiny, setting.optimizer, folder_) +
      fmt::format(
          "run: {{steps: {}, eval_batches: 1, {}}}\ncompute: {{dtype: {}, threads: "
          "{}, recompute: {}}}\nparallel: {{strategy: {}, group: {}}}\nlog: {{every: {}}}\n",
          kSteps, run, setting.bf16 ? "bf16" : "f32", layout.threads,
          layout.recompute ? "blocks" : "none", name(layout.strategy), group, kSteps);
  std::vector<std::string> leaves{fmt::format("data.leaves={}", kLeaves)};
  int code = train(layout.ranks, [&] {
    set_num_threads(layout.threads);
    return std::make_unique<Trainer>(
        load_config(yaml, to_string(setting), leaves, builtin_catalog()));
  });
  TESSERA_CHECK(code == exit_code, "{}: expected exit code {}, got {}", to_string(setting),
                exit_code, code);
}

// Of every tensor in the last checkpoint of the run in that folder, which is removed.
std::string MatrixRuns::digest_of_end(const std::string& name) {
  std::string run = folder_ + "/" + name;
  CheckpointReader reader(CheckpointFolder(run + "/checkpoints").checkpoint(kSteps));
  std::vector<std::pair<std::string, Array>> arrays;
  for (const TensorInfo& tensor : reader.tensors()) {
    arrays.emplace_back(tensor.name, reader.read(tensor));
  }
  std::filesystem::remove_all(run);
  return digest(arrays);
}

void MatrixRuns::begin(const RunSetting& setting) {
  train(setting, setting.first, train_,
        fmt::format("dir: {}/parts, stop_after: {}", folder_, kSteps / 2),
        job::exit_codes::kStopped);
}

std::string MatrixRuns::end(const RunSetting& setting) {
  train(setting, setting.then, train_threads, fmt::format("dir: {}/parts, resume: auto", folder_),
        0);
  return digest_of_end("parts");
}

const std::string& MatrixRuns::expected(const RunSetting& setting) {
  std::string& known =
      expected_[fmt::format("{} {} {}", setting.model.name, setting.optimizer.name, setting.bf16)];
  if (known.empty()) {
    auto alone = [](int, const MakeTrainer& make) {
      return train_rank(*make_self_communicator(), make);
    };
    train(setting, {}, alone, fmt::format("dir: {}/whole", folder_), 0);
    known = digest_of_end("whole");
  }
  return known;
}

}  // namespace tessera::test
