#include "launcher/experiment/skipped_steps.h"

#include <cmath>

#include "distributed/agreement.h"

namespace tessera::experiment {
namespace {

// The sign of a NaN says nothing.
std::string without_sign(double number) {
  return std::isnan(number) ? "nan" : fmt::format("{}", number);
}

}  // namespace

std::string SkippedSteps::look(int64_t done, const StepResult& result, const std::string& outlier) {
  if (result.finite()) in_a_row_ = 0;
  if (!result.skipped()) return {};
  if (result.finite()) return fmt::format("step {} is skipped: {}", done, outlier);
  std::string numbers = fmt::format("the loss is {} and the gradient's norm is {}",
                                    without_sign(result.loss()), without_sign(result.grad_norm()));
  if (!result.loss_scale()) throw SharedError(fmt::format("step {}: {}", done, numbers));
  std::string scaled = fmt::format("{} at the loss scale {:g}", numbers, *result.loss_scale());
  if (++in_a_row_ < kMostInARow) return fmt::format("step {} is skipped: {}", done, scaled);
  throw SharedError(fmt::format("step {}: {}, and {} steps in a row were skipped for that", done,
                                scaled, in_a_row_));
}

}  // namespace tessera::experiment
