// Runs of `tessera train` in processes of their own, on data made for them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "launcher/bench/processes.h"

namespace tessera::bench {

// The sizes of a GPT that decide what a step computes.
struct GptSizes {
  int64_t layers, heads, width, context, micro_batch;
  int64_t vocabulary = 256;
};
// Of configs/gpt_char.yaml, and of configs/quickstart.yaml.
constexpr GptSizes kGptChar{6, 6, 384, 256, 12};
constexpr GptSizes kQuickstart{4, 4, 128, 128, 4};
// What a quick run takes in the place of both.
constexpr GptSizes kTinyGpt{1, 1, 16, 16, 1};

// The sizes of an MLP for images of 28 x 28, as of configs/mlp_fashion.yaml.
struct MlpSizes {
  int64_t hidden1, hidden2, micro_batch;
};
constexpr MlpSizes kMlp{256, 128, 32};
constexpr MlpSizes kTinyMlp{8, 8, 2};

// The sizes of a convolutional network for the same images, as of configs/cnn_fashion.yaml.
struct CnnSizes {
  int64_t width, hidden, micro_batch;
};
constexpr CnnSizes kCnn{32, 128, 32};
constexpr CnnSizes kTinyCnn{2, 4, 2};

// Floating point operations of a token's, or an image's, share of a step: two for each weight that
// it is multiplied with and each pair of it and a token that it sees, three times, as backward has
// two products for each of forward's. Half of the pairs are hidden.
double flops_of_token(const GptSizes& sizes);
double flops_of_image(const MlpSizes& sizes);
double flops_of_image(const CnnSizes& sizes);

// A folder with data, configs and the runs that are made of them.
class TrainingRuns {
 public:
  explicit TrainingRuns(const std::string& parent) : scratch_(parent) {}

  // The arguments of `tessera train`, without run.dir: a config of that many leaves and steps, and
  // further overrides.
  Words train(const GptSizes& sizes, int64_t leaves, int64_t steps, const Words& overrides = {});
  Words train(const MlpSizes& sizes, int64_t leaves, int64_t steps, const Words& overrides = {});
  Words train(const CnnSizes& sizes, int64_t leaves, int64_t steps, const Words& overrides = {});

  // The command line that runs this command with such arguments on some ranks; `launch` is told
  // `launch_options` where there is more than one rank, or any option.
  static Words command(int num_ranks, const Words& arguments, const Words& launch_options = {});

  // Runs it to its end in a folder of its own; the records of its metrics.jsonl.
  std::vector<nlohmann::json> run(int num_ranks, const Words& arguments);

  const Scratch& scratch() const { return scratch_; }
  // The records that are whole in a run's folder by now.
  static std::vector<nlohmann::json> records(const std::string& run_folder);

 private:
  std::string text();
  std::string images();
  Words with(const std::string& yaml, const Words& overrides);

  Scratch scratch_;
  int num_runs_ = 0;
  int num_configs_ = 0;
  std::string text_;
  std::string images_;
};

// The median of a key over a run's steps from `first` on, counted from 1: the steps before pay for
// fresh memory and for making kernels. An Error where there is none.
double median_of_steps(const std::vector<nlohmann::json>& records, const char* key, int64_t first);

}  // namespace tessera::bench
