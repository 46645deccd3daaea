#include "launcher/bench/benchmark.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "launcher/bench/interrupt.h"

namespace tessera::bench {
namespace {

// Of sorted values, between neighbours in proportion.
double quantile(const std::vector<double>& sorted, double q) {
  double place = q * static_cast<double>(sorted.size() - 1);
  auto below = static_cast<size_t>(place);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

double spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double middle = quantile(values, 0.5);
  return middle == 0 ? 0 : (quantile(values, 0.75) - quantile(values, 0.25)) / middle;
}

}  // namespace

bool more_is_better(std::string_view unit) {
  static constexpr std::array<std::string_view, 5> kCosts{"ns", "us", "ms", "s", "bytes"};
  return std::find(kCosts.begin(), kCosts.end(), unit) == kCosts.end();
}

double median(std::vector<double> values) {
  TESSERA_ASSERT(!values.empty(), "[median] no values");
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

Measured in_turns(const Settings& settings, int repetitions, const Trial& trial) {
  if (settings.repetitions > 0) repetitions = settings.repetitions;
  if (settings.quick) repetitions = 1;
  if (trial.warm_up && !settings.quick) {
    if (trial.reference) trial.reference();
    trial.value();
  }
  std::vector<double> values;
  std::vector<double> references;
  for (int i = 0; i < repetitions; ++i) {
    throw_if_interrupted();
    if (trial.reference) references.push_back(trial.reference());
    values.push_back(trial.value());
  }
  Measured out{.value = median(values), .spread = spread_of(values), .repetitions = repetitions};
  if (trial.reference) {
    out.reference = median(references);
    out.reference_spread = spread_of(references);
    out.reference_name = trial.reference_name;
  }
  return out;
}

double seconds_of(const std::function<void()>& fn) {
  auto start = std::chrono::steady_clock::now();
  fn();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Sample milliseconds_of(std::function<void()> fn, std::function<void()> before) {
  return [fn = std::move(fn), before = std::move(before)] {
    if (before) before();
    return seconds_of(fn) * 1e3;
  };
}

Sample rate_of(double amount, std::function<void()> fn, std::function<void()> before) {
  return [=, fn = std::move(fn), before = std::move(before)] {
    if (before) before();
    return amount / seconds_of(fn);
  };
}

}  // namespace tessera::bench
