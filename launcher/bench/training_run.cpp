#include "launcher/bench/training_run.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "launcher/bench/benchmark.h"

namespace tessera::bench {
namespace {

constexpr int64_t kPixels = int64_t{28} * 28;
constexpr int64_t kClasses = 10;

void write_file(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  out.close();
  TESSERA_CHECK(out, "cannot write {}", path);
}

// The same numbers each time (Knuth's MMIX generator).
class Numbers {
 public:
  uint32_t next() {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<uint32_t>(state_ >> 33);
  }

 private:
  uint64_t state_ = 1;
};

// Two megabytes of words of a few letters.
std::string make_text() {
  constexpr size_t kBytes = 2'000'000;
  std::string text;
  Numbers numbers;
  while (text.size() < kBytes) {
    for (uint32_t left = 2 + numbers.next() % 7; left > 0; --left) {
      text += static_cast<char>('a' + numbers.next() % 26);
    }
    text += numbers.next() % 10 == 0 ? '\n' : ' ';
  }
  return text;
}

// An IDX file of bytes (nn/data/image_dataset.h).
std::string idx(const std::vector<uint32_t>& sizes, uint32_t limit) {
  std::string out{'\0', '\0', '\b', static_cast<char>(sizes.size())};
  size_t count = 1;
  for (uint32_t size : sizes) {
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
    count *= size;
  }
  Numbers numbers;
  // The highest label is there for certain.
  out += static_cast<char>(limit - 1);
  for (size_t i = 1; i < count; ++i) out += static_cast<char>(numbers.next() % limit);
  return out;
}

// A path as YAML takes it, whatever is in it.
std::string quoted(const std::string& path) { return nlohmann::json(path).dump(); }

}  // namespace

double flops_of_token(const GptSizes& s) {
  auto width = static_cast<double>(s.width);
  double weights = 12 * static_cast<double>(s.layers) * width * width +
                   static_cast<double>(s.vocabulary) * width;
  double pairs = static_cast<double>(s.layers) * 2 * width * static_cast<double>(s.context) / 2;
  return 6 * (weights + pairs);
}

double flops_of_image(const MlpSizes& s) {
  return 6 *
         static_cast<double>(kPixels * s.hidden1 + s.hidden1 * s.hidden2 + s.hidden2 * kClasses);
}

// Of a convolution of 3 x 3 every pixel is a product with all its weights. The first has no
// gradient of its input.
double flops_of_image(const CnnSizes& s) {
  auto first = static_cast<double>(9 * s.width * kPixels);
  auto second = static_cast<double>(9 * s.width * 2 * s.width * kPixels / 4);
  auto linear = static_cast<double>(2 * s.width * kPixels / 16 * s.hidden + s.hidden * kClasses);
  return 4 * first + 6 * (second + linear);
}

std::string TrainingRuns::text() {
  if (text_.empty()) {
    text_ = scratch_ / "text.txt";
    write_file(text_, make_text());
  }
  return text_;
}

std::string TrainingRuns::images() {
  if (images_.empty()) {
    images_ = scratch_ / "images";
    std::filesystem::create_directory(images_);
    auto add = [&](const char* part, uint32_t count) {
      write_file(fmt::format("{}/{}-images-idx3-ubyte", images_, part), idx({count, 28, 28}, 256));
      write_file(fmt::format("{}/{}-labels-idx1-ubyte", images_, part), idx({count}, kClasses));
    };
    add("train", 4096);
    add("t10k", 512);
  }
  return images_;
}

Words TrainingRuns::with(const std::string& yaml, const Words& overrides) {
  std::string path = scratch_ / fmt::format("config-{}.yaml", num_configs_++);
  write_file(path, yaml);
  Words arguments{"train", path, "run.eval_batches=1"};
  arguments.insert(arguments.end(), overrides.begin(), overrides.end());
  return arguments;
}

Words TrainingRuns::train(const GptSizes& s, int64_t leaves, int64_t steps,
                          const Words& overrides) {
  return with(fmt::format(R"(run: {{name: bench, steps: {}, seed: 1}}
model: {{name: gpt, layers: {}, heads: {}, width: {}, context: {}, vocabulary: {}, dropout: 0}}
data: {{name: text, path: {}, micro_batch: {}, leaves: {}, valid: 0.1}}
optim: {{name: adamw, lr: 1.0e-3, weight_decay: 0.1, clip_norm: 1.0}}
schedule: {{name: cosine, warmup: 100}}
)",
                          steps, s.layers, s.heads, s.width, s.context, s.vocabulary,
                          quoted(text()), s.micro_batch, leaves),
              overrides);
}

Words TrainingRuns::train(const MlpSizes& s, int64_t leaves, int64_t steps,
                          const Words& overrides) {
  return with(fmt::format(R"(run: {{name: bench, steps: {}, seed: 1}}
model: {{name: mlp, inputs: {}, hidden1: {}, hidden2: {}, classes: {}}}
data: {{name: idx, path: {}, micro_batch: {}, leaves: {}}}
optim: {{name: adamw, lr: 1.0e-3, weight_decay: 0.01, clip_norm: 0}}
schedule: {{name: cosine, warmup: 100}}
)",
                          steps, kPixels, s.hidden1, s.hidden2, kClasses, quoted(images()),
                          s.micro_batch, leaves),
              overrides);
}

Words TrainingRuns::train(const CnnSizes& s, int64_t leaves, int64_t steps,
                          const Words& overrides) {
  return with(
      fmt::format(R"(run: {{name: bench, steps: {}, seed: 1}}
model: {{name: cnn, channels: 1, size: 28, width: {}, hidden: {}, classes: {}}}
data: {{name: idx, path: {}, micro_batch: {}, leaves: {}}}
optim: {{name: adamw, lr: 1.0e-3, weight_decay: 0.01, clip_norm: 0}}
schedule: {{name: cosine, warmup: 100}}
)",
                  steps, s.width, s.hidden, kClasses, quoted(images()), s.micro_batch, leaves),
      overrides);
}

Words TrainingRuns::command(int num_ranks, const Words& arguments, const Words& launch_options) {
  Words out{own_command()};
  if (num_ranks > 1 || !launch_options.empty()) {
    out.insert(out.end(), {"launch", "-n", std::to_string(num_ranks)});
    out.insert(out.end(), launch_options.begin(), launch_options.end());
    out.insert(out.end(), {"--", own_command()});
  }
  out.insert(out.end(), arguments.begin(), arguments.end());
  return out;
}

std::vector<nlohmann::json> TrainingRuns::run(int num_ranks, const Words& arguments) {
  std::string folder = scratch_ / fmt::format("run-{}", num_runs_++);
  Words all = command(num_ranks, arguments);
  all.push_back("run.dir=" + folder);
  run_program(scratch_, all);
  std::vector<nlohmann::json> out = records(folder);
  // Checkpoints of many runs would fill the disk.
  std::filesystem::remove_all(folder);
  return out;
}

std::vector<nlohmann::json> TrainingRuns::records(const std::string& run_folder) {
  std::vector<nlohmann::json> out;
  std::ifstream file(run_folder + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    // The last line may still be under way.
    nlohmann::json record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_discarded()) out.push_back(std::move(record));
  }
  return out;
}

double median_of_steps(const std::vector<nlohmann::json>& records, const char* key, int64_t first) {
  std::vector<double> values;
  for (const nlohmann::json& record : records) {
    if (record.contains(key) && record.value("step", int64_t{0}) >= first) {
      values.push_back(record.at(key).get<double>());
    }
  }
  TESSERA_CHECK(!values.empty(), "a run has no step with {} from the {}. on", key, first);
  return median(values);
}

}  // namespace tessera::bench
