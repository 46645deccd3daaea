#include "launcher/bench/report.h"

#include <fmt/format.h>

#include <cmath>

#include "core/cpu/cpu.h"
#include "core/parallel.h"
#include "launcher/experiment/process_info.h"

namespace tessera::bench {
namespace {

std::string in_digits(double value) {
  return std::abs(value) >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

}  // namespace

nlohmann::json to_json(const Record& record) {
  nlohmann::json out{
      {"name", record.name}, {"value", nullptr},
      {"unit", record.unit}, {"reference", nullptr},
      {"ratio", nullptr},    {"better", more_is_better(record.unit) ? "higher" : "lower"}};
  if (!record.skipped.empty()) out["skipped"] = record.skipped;
  if (!record.error.empty()) out["error"] = record.error;
  if (!record.measured) return out;
  const Measured& measured = *record.measured;
  out["value"] = measured.value;
  out["repetitions"] = measured.repetitions;
  out["spread"] = measured.spread;
  if (!measured.reference) return out;
  out["reference"] = *measured.reference;
  out["reference_name"] = measured.reference_name;
  out["reference_spread"] = measured.reference_spread;
  if (*measured.reference != 0) out["ratio"] = measured.value / *measured.reference;
  return out;
}

Measured measured_from_json(const nlohmann::json& record) {
  Measured out{.value = record.at("value").get<double>(),
               .spread = record.at("spread").get<double>(),
               .repetitions = record.at("repetitions").get<int>()};
  if (record.at("reference").is_null()) return out;
  out.reference = record.at("reference").get<double>();
  out.reference_name = record.at("reference_name").get<std::string>();
  out.reference_spread = record.at("reference_spread").get<double>();
  return out;
}

nlohmann::json to_json(const std::vector<Record>& records, const Settings& settings) {
  nlohmann::json out{{"schema", 1},
                     {"build", experiment::build_id()},
                     {"instructions", cpu::instruction_set()},
                     {"cores", num_cores()},
                     {"threads", num_threads()},
                     {"quick", settings.quick},
                     {"records", nlohmann::json::array()}};
  for (const Record& record : records) out["records"].push_back(to_json(record));
  return out;
}

std::string table_head() {
  return fmt::format("{:<44} {:>10} {:<9} {:>7} {:>10} {:>6}  {}", "name", "value", "unit",
                     "spread", "reference", "ratio", "of the reference");
}

std::string table_row(const Record& record) {
  std::string head = fmt::format("{:<44} ", record.name);
  if (!record.skipped.empty()) return head + "skipped: " + record.skipped;
  if (!record.measured) return head + "failed: " + record.error;
  const Measured& m = *record.measured;
  std::string row = fmt::format("{}{:>10} {:<9} {:>6.1f}%", head, in_digits(m.value), record.unit,
                                100 * m.spread);
  if (!m.reference) return row;
  return fmt::format("{} {:>10} {:>6.2f}  {}", row, in_digits(*m.reference), m.value / *m.reference,
                     m.reference_name);
}

}  // namespace tessera::bench
