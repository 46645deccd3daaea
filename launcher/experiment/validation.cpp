#include "launcher/experiment/validation.h"

#include <algorithm>
#include <set>

#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/nearest.h"

namespace tessera::experiment {
namespace {

// What stands for the validation loss in checkpoint.best.
constexpr const char* kLossMetric = "loss";

// While one lives, the model does not train.
class Evaluating {
 public:
  explicit Evaluating(nn::Model& model) : model_(model) { model.eval(); }
  ~Evaluating() { model_.train(); }
  Evaluating(const Evaluating&) = delete;
  Evaluating& operator=(const Evaluating&) = delete;

 private:
  nn::Model& model_;
};

}  // namespace

ValidationBatches::ValidationBatches(int64_t samples, int64_t batch_size, int64_t most)
    : samples_(samples), batch_size_(std::min(batch_size, samples)) {
  TESSERA_CHECK(samples >= 1 && batch_size >= 1 && most >= 0,
                "[validation] expected a sample and a batch of one at least, got {} and {}",
                samples, batch_size);
  int64_t all = (samples + batch_size_ - 1) / batch_size_;
  batches_ = most == 0 ? all : std::min(most, all);
  taken_ = batches_ == all ? samples : batches_ * batch_size_;
}

std::vector<int64_t> ValidationBatches::samples_of(int64_t batch) const {
  std::vector<int64_t> indices;
  int64_t end = std::min((batch + 1) * batch_size_, samples_);
  for (int64_t i = batch * batch_size_; i < end; ++i) {
    // i * samples / taken, whose product may be too large.
    indices.push_back(i * (samples_ / taken_) + i * (samples_ % taken_) / taken_);
  }
  return indices;
}

BestBy best_by(const SwitchOrName& best, const nn::Model& model) {
  if (best.name.empty() || best.name == kLossMetric) return {};
  std::vector<std::string> known{kLossMetric};
  for (const nn::MetricInfo& info : model.metrics()) {
    if (info.name == best.name) return {info.name, info.higher_is_better};
    known.push_back(info.name);
  }
  throw ConfigError(fmt::format("checkpoint.best: the model has no metric {}{}",
                                job::in_quotes(best.name), suggestion(best.name, known, "it has")));
}

std::vector<NamedNumber> Validation::numbers() const {
  std::vector<NamedNumber> numbers;
  for (const Metric& metric : metrics) {
    numbers.push_back({metric.name, std::get<double>(metric.value)});
  }
  return numbers;
}

std::vector<Metric> Validation::records() const {
  std::vector<Metric> records{{"valid_loss", loss}};
  for (Metric metric : metrics) {
    metric.name = "valid_" + metric.name;
    records.push_back(std::move(metric));
  }
  return records;
}

void check_metrics(const std::vector<nn::MetricInfo>& metrics) {
  std::set<std::string> names{"", "loss"};
  for (const nn::MetricInfo& metric : metrics) {
    TESSERA_CHECK(names.insert(metric.name).second,
                  "[validate] expected metrics of different names, none of them empty or 'loss', "
                  "got '{}'",
                  metric.name);
  }
}

Validation validate(TrainStep& step, nn::Model& model, const data::Dataset& data,
                    const ValidationBatches& batches, DType dtype) {
  std::vector<nn::MetricInfo> infos = model.metrics();
  check_metrics(infos);
  const Evaluating evaluating(model);
  std::vector<double> means = step.evaluate(batches.size(), 1 + infos.size(), [&](int64_t index) {
    data::Batch batch = data.batch(batches.samples_of(index));
    nn::Evaluation one = model.evaluate(data::with_images_of(batch, dtype), nn::kNowhere);
    std::vector<nn::Loss> sums{one.loss};
    sums.insert(sums.end(), one.metrics.begin(), one.metrics.end());
    return sums;
  });
  Validation out{means[0]};
  for (size_t i = 0; i < infos.size(); ++i) {
    const nn::MetricInfo& info = infos[i];
    double mean = means[i + 1];
    out.metrics.push_back({info.name, info.of_mean ? info.of_mean(mean) : mean, info.is_share});
  }
  return out;
}

}  // namespace tessera::experiment
