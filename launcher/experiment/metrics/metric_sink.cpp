#include "launcher/experiment/metrics/metric_sink.h"

#include <algorithm>

#include "core/allocator.h"
#include "launcher/experiment/process_info.h"

namespace tessera::experiment {

std::optional<double> MetricRecord::number(std::string_view name) const {
  auto found = std::ranges::find(metrics, name, &Metric::name);
  if (found == metrics.end()) return std::nullopt;
  if (const auto* value = std::get_if<double>(&found->value)) return *value;
  if (const auto* value = std::get_if<int64_t>(&found->value)) return static_cast<double>(*value);
  return std::nullopt;
}

MetricRecord step_record(int64_t steps_done, const StepResult& result, double lr, double seconds,
                         int64_t units, const std::string& unit) {
  MetricRecord record{
      .step = steps_done,
      .metrics = {{"loss", result.loss()},
                  {"grad_norm", result.grad_norm()},
                  {"lr", lr},
                  {unit + "_per_second", static_cast<double>(units) / seconds},
                  {"step_ms", seconds * 1e3},
                  {"memory_bytes", static_cast<int64_t>(allocator::stats().peak_bytes)},
                  {"since_start_s", seconds_since_process_start()}}};
  if (result.loss_scale()) record.metrics.push_back({"loss_scale", *result.loss_scale()});
  if (result.skipped()) record.metrics.push_back({"skipped", true});
  return record;
}

}  // namespace tessera::experiment
