#include "launcher/experiment/metrics/terminal_sink.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "launcher/experiment/process_info.h"
#include "launcher/experiment/standard_streams.h"

namespace tessera::experiment {
namespace {

constexpr std::string_view kRate = "_per_second";
constexpr std::string_view kValid = "valid_";
constexpr double kLong = 1e9;  // numbers with more digits before the point have an exponent

std::string with_decimals(double value, int decimals) {
  return std::abs(value) < kLong ? fmt::format("{:.{}f}", value, decimals)
                                 : fmt::format("{:.{}e}", value, decimals);
}

std::string in_words(const Metric& metric) {
  struct Writer {
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(int64_t value) const { return fmt::format("{}", value); }
    std::string operator()(double value) const {
      return is_share && std::isfinite(value) ? with_decimals(100 * value, 2) + "%"
                                              : loss_in_words(value);
    }
    std::string operator()(const std::string& value) const { return value; }
    bool is_share;
  };
  return fmt::format("{} {}", metric.name, std::visit(Writer{metric.is_share}, metric.value));
}

}  // namespace

std::string evaluation_in_words(const std::vector<Metric>& metrics) {
  std::string line;
  for (Metric metric : metrics) {
    if (metric.name == "valid_loss") metric.name = "validation loss";
    if (metric.name.starts_with(kValid)) metric.name.erase(0, kValid.size());
    line += (line.empty() ? "" : ", ") + in_words(metric);
  }
  return line;
}

std::string loss_in_words(double loss) { return std::isnan(loss) ? "nan" : with_decimals(loss, 4); }

TerminalSink::TerminalSink(TerminalOptions options)
    : options_(std::move(options)), terminal_(stdout_is_terminal()) {
  TESSERA_CHECK(options_.every >= 1, "[terminal] expected `every` of at least 1, got {}",
                options_.every);
}

void TerminalSink::record(const MetricRecord& record) {
  if (options_.silent) return;
  if (record.kind == MetricRecord::Kind::step) show_step(record);
  if (record.kind != MetricRecord::Kind::evaluation) return;
  say(fmt::format("step {}: {}", record.step, evaluation_in_words(record.metrics)));
}

std::string TerminalSink::step_line(const MetricRecord& record) const {
  std::string line = options_.steps > 0
                         ? fmt::format("step {:>{}}/{}", record.step,
                                       std::to_string(options_.steps).size(), options_.steps)
                         : fmt::format("step {}", record.step);
  if (auto loss = record.number("loss")) line += "  loss " + loss_in_words(*loss);
  if (auto norm = record.number("grad_norm")) line += "  grad_norm " + with_decimals(*norm, 3);
  if (auto lr = record.number("lr")) line += fmt::format("  lr {:.2e}", *lr);
  for (const Metric& metric : record.metrics) {
    auto rate = metric.name.ends_with(kRate) ? record.number(metric.name) : std::nullopt;
    if (!rate) continue;
    std::string unit = metric.name.substr(0, metric.name.size() - kRate.size());
    line += fmt::format("  {:.0f} {}/s", *rate, unit);
  }
  for (const std::string& name : options_.more) {
    for (const Metric& metric : record.metrics) {
      if (metric.name == name) line += "  " + in_words(metric);
    }
  }
  return line;
}

void TerminalSink::show_step(const MetricRecord& record) {
  bool last = record.step == options_.steps;
  bool due = record.step % options_.every == 0 || last || record.step == 1;
  if (!due && !terminal_) return;
  std::string line = step_line(record);
  if (!terminal_) {
    print(line + "\n");
    return;
  }
  if (options_.steps > 0) {
    double left = static_cast<double>(options_.steps - record.step);
    line += fmt::format("  {:.0f}%", 100 * (1 - left / static_cast<double>(options_.steps)));
  }
  line_open_ = !last;
  print(fmt::format("\r\x1b[K{}{}", line, line_open_ ? "" : "\n"));
}

void TerminalSink::say(const std::string& line) {
  if (options_.silent) return;
  print((line_open_ ? "\n" : "") + line + "\n");
  line_open_ = false;
}

void TerminalSink::print(const std::string& text) {
  Printed printed = try_print(text);
  options_.silent = printed == Printed::unread || printed == Printed::failed;
  if (printed == Printed::failed) {
    print_error("tessera: standard output cannot be written; the run goes on without it");
  }
}

}  // namespace tessera::experiment
