#include "launcher/experiment/outlier_watch.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace tessera::experiment {
namespace {

// Of the mean: what counts as a deviation where there is less.
constexpr double kLeastShare = 1e-3;

}  // namespace

std::string OutlierWatch::look(double loss, double grad_norm) {
  std::string reason;
  // Judges the value, and cuts what is kept of it: one enormous number must not hide others.
  auto judge = [&](const char* name, double Numbers::*number, double& value) {
    double mean = 0;
    for (const Numbers& numbers : seen_) mean += numbers.*number;
    mean /= static_cast<double>(window_);
    double variance = 0;
    for (const Numbers& numbers : seen_) variance += std::pow(numbers.*number - mean, 2);
    double deviation = std::sqrt(variance / static_cast<double>(window_));
    if (value <= mean + z_ * deviation) return;
    if (reason.empty()) {
      reason = fmt::format(
          "{} is {:.6g}, {:.6g} above the mean of the last {} steps, whose standard "
          "deviation is {:.6g}",
          name, value, value - mean, window_, deviation);
    }
    value = std::min(value, mean + 2 * z_ * std::max(deviation, kLeastShare * std::abs(mean)));
  };
  if (seen_.size() == window_) {
    judge("the loss", &Numbers::loss, loss);
    judge("the gradient's norm", &Numbers::grad_norm, grad_norm);
    seen_.erase(seen_.begin());
  }
  seen_.push_back({loss, grad_norm});
  return reason;
}

// Hexadecimal: every bit comes back.
std::string OutlierWatch::state() const {
  std::string text;
  for (const Numbers& numbers : seen_) {
    text += fmt::format("{:a} {:a} ", numbers.loss, numbers.grad_norm);
  }
  return text;
}

void OutlierWatch::restore(const std::string& text) {
  std::vector<double> numbers;
  const char* at = text.c_str();
  for (char* end = nullptr; *at != 0; at = *end == ' ' ? end + 1 : end) {
    double number = std::strtod(at, &end);
    TESSERA_CHECK(end != at && (*end == ' ' || *end == 0) && std::isfinite(number),
                  "[OutlierWatch] expected the numbers of steps, got '{}'", text);
    numbers.push_back(number);
  }
  TESSERA_CHECK(numbers.size() % 2 == 0, "[OutlierWatch] expected two numbers of each step, got {}",
                numbers.size());
  seen_.clear();
  size_t steps = numbers.size() / 2;
  for (size_t i = steps > window_ ? steps - window_ : 0; i < steps; ++i) {
    seen_.push_back({numbers[2 * i], numbers[2 * i + 1]});
  }
}

}  // namespace tessera::experiment
