#include "launcher/experiment/config/number_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tessera::experiment {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// text without its sign, where it has one.
std::string_view unsigned_part(std::string_view text) {
  return !text.empty() && (text[0] == '-' || text[0] == '+') ? text.substr(1) : text;
}

template <class T>
std::optional<T> parse_all(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Integer> parse_integer(std::string_view text) {
  std::string_view digits = unsigned_part(text);
  bool is_decimal = !digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit);
  if (!is_decimal || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
  auto magnitude = parse_all<uint64_t>(digits);
  if (!magnitude) return std::nullopt;
  return Integer{text[0] == '-' && *magnitude > 0, *magnitude};
}

// The first test leaves out "inf" and "nan", which from_chars takes.
std::optional<double> parse_number(std::string_view text) {
  std::string_view digits = unsigned_part(text);
  if (digits.empty() || !(is_digit(digits[0]) || digits[0] == '.')) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  auto value = parse_all<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string in_digits(std::string_view text) {
  constexpr double kExact = 9007199254740992;  // up to 2^53 every whole number is a double
  auto value = parse_number(text);
  bool is_whole = value && *value == std::trunc(*value) && std::abs(*value) <= kExact;
  if (!is_whole || parse_integer(text)) return "";
  return fmt::format("; in digits that is {}", static_cast<int64_t>(*value));
}

}  // namespace tessera::experiment
