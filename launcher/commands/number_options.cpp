#include "launcher/commands/number_options.h"

#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/number_text.h"

namespace tessera::commands {
namespace {

bool is_between(const experiment::Integer& value, int64_t lowest, uint64_t highest) {
  if (value.is_negative) return lowest < 0 && value.magnitude <= uint64_t{0} - uint64_t(lowest);
  return value.magnitude <= highest && (lowest <= 0 || value.magnitude >= uint64_t(lowest));
}

}  // namespace

CLI::Validator integer(int64_t lowest, uint64_t highest) {
  auto check = [=](const std::string& text) -> std::string {
    auto value = experiment::parse_integer(text);
    if (value && is_between(*value, lowest, highest)) return "";
    return fmt::format("expected an integer from {} to {}, got {}{}", lowest, highest,
                       job::in_quotes(text), experiment::in_digits(text));
  };
  return {check, fmt::format("from {} to {}", lowest, highest)};
}

CLI::Validator number(double lowest, double highest) {
  auto check = [=](const std::string& text) -> std::string {
    auto value = experiment::parse_number(text);
    if (value && *value >= lowest && *value <= highest) return "";
    return fmt::format("expected a number from {} to {}, got {}", lowest, highest,
                       job::in_quotes(text));
  };
  return {check, fmt::format("from {} to {}", lowest, highest)};
}

}  // namespace tessera::commands
