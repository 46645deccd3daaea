// Whole steps of training, by runs of `tessera train`: throughput is the median of the steps.
#include <cmath>
#include <memory>

#include "core/parallel.h"
#include "launcher/bench/families.h"
#include "launcher/bench/operands.h"
#include "launcher/bench/training_run.h"

namespace tessera::bench {
namespace {

using Records = std::vector<nlohmann::json>;

constexpr int kRunRepetitions = 3;
// The first two pay for fresh memory and for making kernels.
constexpr int64_t kFirst = 3;

int64_t num_steps(const Settings& settings) { return settings.quick ? 3 : 10; }

const GptSizes& gpt_char(const Settings& settings) { return settings.quick ? kTinyGpt : kGptChar; }

// A run's throughput, once its losses are seen to be numbers.
double rate_of_run(const Records& records, const char* unit) {
  TESSERA_CHECK(std::isfinite(median_of_steps(records, "loss", 1)), "a run's loss is no number");
  return median_of_steps(records, fmt::format("{}_per_second", unit).c_str(), kFirst);
}

// Products of 2,048 x 2,048 matrices by all threads, in FLOP/s: what this machine can compute.
Sample speed_of_products(const Settings& settings) {
  int64_t size = settings.quick ? 256 : 2048;
  manual_seed(1);
  Tensor a = random({size, size});
  Tensor b = random({size, size});
  double flops = 2 * std::pow(static_cast<double>(size), 3);
  return [=] {
    const NoGrad no_history;
    std::vector<double> seconds;
    for (int i = 0; i < 5; ++i) seconds.push_back(seconds_of([&] { matmul(a, b); }));
    return flops / median(seconds);
  };
}

constexpr const char* kAllProducts = "a step of products of (2048, 2048) matrices only";

Measured measure_gpt_f32(const Settings& settings) {
  TrainingRuns runs(settings.folder);
  const GptSizes& sizes = gpt_char(settings);
  Words arguments = runs.train(sizes, 1, num_steps(settings));
  Sample speed = speed_of_products(settings);
  return in_turns(settings, kRunRepetitions,
                  {.value = [&] { return rate_of_run(runs.run(1, arguments), "tokens"); },
                   .reference = [&] { return speed() / flops_of_token(sizes); },
                   .reference_name = kAllProducts,
                   .warm_up = false});
}

Measured measure_gpt_memory(const Settings& settings) {
  TrainingRuns runs(settings.folder);
  Words arguments = runs.train(gpt_char(settings), 1, 3);
  return in_turns(settings, 1,
                  {.value =
                       [&] {
                         Records records = runs.run(1, arguments);
                         TESSERA_CHECK(!records.empty(), "a run has no records");
                         return records.back().at("peak_rss_bytes").get<double>();
                       },
                   .warm_up = false});
}

// Of images: `steps` of one rank.
template <class Sizes>
Measured measure_images(const Settings& settings, const Sizes& sizes, int64_t steps) {
  TrainingRuns runs(settings.folder);
  Words arguments = runs.train(sizes, 4, settings.quick ? 3 : steps);
  Sample speed = speed_of_products(settings);
  return in_turns(settings, kRunRepetitions,
                  {.value = [&] { return rate_of_run(runs.run(1, arguments), "samples"); },
                   .reference = [&] { return speed() / flops_of_image(sizes); },
                   .reference_name = kAllProducts,
                   .warm_up = false});
}

// Such a step takes milliseconds.
Measured measure_mlp(const Settings& settings) {
  return measure_images(settings, settings.quick ? kTinyMlp : kMlp, 300);
}

Measured measure_cnn(const Settings& settings) {
  return measure_images(settings, settings.quick ? kTinyCnn : kCnn, 30);
}

// A run of gpt_char on some ranks, a leaf a rank.
struct Setting {
  int num_ranks = 1;
  Words overrides = {};
  double times = 1;  // its throughput, to compare
};

Measured compare(const Settings& settings, const Setting& value, const Setting& reference,
                 const std::string& reference_name) {
  TrainingRuns runs(settings.folder);
  auto sample = [&](const Setting& one) -> Sample {
    Words arguments =
        runs.train(gpt_char(settings), one.num_ranks, num_steps(settings), one.overrides);
    return [&runs, one, arguments] {
      return one.times * rate_of_run(runs.run(one.num_ranks, arguments), "tokens");
    };
  };
  return in_turns(settings, kRunRepetitions,
                  {.value = sample(value),
                   .reference = sample(reference),
                   .reference_name = reference_name,
                   .warm_up = false});
}

void add_compared(std::vector<Benchmark>& to, const char* name, const char* doc,
                  const Setting& value, const Setting& reference, const char* reference_name) {
  to.push_back({name, "tokens/s", doc, [=](const Settings& settings) {
                  return compare(settings, value, reference, reference_name);
                }});
}

// Two ranks of one thread each.
Setting two_ranks(const Words& overrides = {}) {
  Words all{"compute.threads=1"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  return {.num_ranks = 2, .overrides = all};
}

}  // namespace

void add_step(std::vector<Benchmark>& to) {
  to.push_back(
      {"step.gpt_char.f32", "tokens/s", "configs/gpt_char.yaml on other text", measure_gpt_f32});
  to.push_back({"step.gpt_char.f32.peak_rss", "bytes", "the most memory of its process",
                measure_gpt_memory});
  add_compared(to, "step.gpt_char.bf16", "the same in bf16 with f32 masters",
               {.overrides = {"compute.dtype=bf16"}}, {}, "f32");
  add_compared(to, "step.gpt_char.f16", "the same in f16 with f32 masters and a loss scale",
               {.overrides = {"compute.dtype=f16"}}, {}, "f32");
  to.push_back({"step.mlp", "samples/s", "configs/mlp_fashion.yaml on other images", measure_mlp});
  to.push_back({"step.cnn", "samples/s", "configs/cnn_fashion.yaml on other images", measure_cnn});
  add_compared(to, "step.weak_scaling_2", "gpt_char on 2 ranks of one thread", two_ranks(),
               {.overrides = {"compute.threads=1"}, .times = 2}, "twice one rank's");
  add_compared(to, "step.zero3_2", "the same under zero3", two_ranks({"parallel.strategy=zero3"}),
               two_ranks(), "ddp");
  add_compared(to, "step.exact_2", "the same with exact sums", two_ranks(),
               two_ranks({"parallel.reduction=fast"}), "reduction: fast");
}

}  // namespace tessera::bench
