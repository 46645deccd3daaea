#include "launcher/experiment/metrics/jsonl_sink.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "launcher/experiment/standard_streams.h"

namespace tessera::experiment {
namespace {

std::string json_line(const MetricRecord& record) {
  nlohmann::json line{{"step", record.step}};
  for (const Metric& metric : record.metrics) {
    std::visit([&](const auto& value) { line[metric.name] = value; }, metric.value);
  }
  if (record.kind == MetricRecord::Kind::stopped) line["stopped"] = true;
  if (record.kind == MetricRecord::Kind::final) line["final"] = true;
  // A name or text that is not UTF-8 must not cost the record.
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

JsonlSink::JsonlSink(const std::string& path, LineFileMode mode, std::string who)
    : path_(path), file_(path, mode, std::move(who)) {}

void JsonlSink::record(const MetricRecord& record) {
  std::string line = json_line(record);
  if (record.kind != MetricRecord::Kind::final) {
    file_.append(line);
    return;
  }
  // The result of the run: without it, there is none.
  file_.append_or_fail(line);
  if (int64_t lost = file_.num_lost(); lost > 0) {
    print_error(fmt::format("tessera: {}: {} record{} could not be written", path_, lost,
                            lost == 1 ? "" : "s"));
  }
}

}  // namespace tessera::experiment
