#include "launcher/experiment/schema.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include "launcher/experiment/config_error.h"

namespace tessera::experiment {
namespace {

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

bool accepts(const Constraint& c, double value) {
  bool above = c.lowest_is_excluded ? value > c.lowest : value >= c.lowest;
  bool below = c.highest_is_excluded ? value < c.highest : value <= c.highest;
  return above && below;  // false for NaN
}

bool accepts(const Constraint& c, const std::string& value) {
  if (c.is_file_name) {
    return !value.empty() && value != "." && value != ".." && value.find('/') == std::string::npos;
  }
  return c.words.empty() || std::find(c.words.begin(), c.words.end(), value) != c.words.end();
}

bool accepts(const Constraint&, bool) { return true; }

bool accepts(const Constraint& c, int64_t value) { return accepts(c, static_cast<double>(value)); }

bool accepts(const Constraint& c, const AutoInt& value) {
  return !value.value || accepts(c, *value.value);
}

template <class T>
bool accepts(const Constraint& c, const std::optional<T>& value) {
  return !value || accepts(c, *value);
}

// "an integer of at least 1" for noun "an integer".
std::string expected_number(const char* noun, const Constraint& c) {
  bool has_lowest = std::isfinite(c.lowest);
  bool has_highest = std::isfinite(c.highest);
  const char* lowest_word = c.lowest_is_excluded ? "greater than" : "of at least";
  const char* highest_word = c.highest_is_excluded ? "below" : "of at most";
  if (has_lowest && c.lowest == c.highest) return fmt::format("{}", c.lowest);
  if (has_lowest && has_highest && !c.lowest_is_excluded && !c.highest_is_excluded) {
    return fmt::format("{} from {} to {}", noun, c.lowest, c.highest);
  }
  std::string text = noun;
  if (has_lowest) text += fmt::format(" {} {}", lowest_word, c.lowest);
  if (has_lowest && has_highest) text += " and";
  if (has_highest) text += fmt::format(" {} {}", highest_word, c.highest);
  return text;
}

template <class T>
std::string expected_of(const Constraint& c) {
  if constexpr (kIsOptional<T>) {
    return "null or " + expected_of<typename T::value_type>(c);
  } else if constexpr (std::is_same_v<T, AutoInt>) {
    return "auto or " + expected_number("an integer", c);
  } else if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return expected_number("an integer", c);
  } else if constexpr (std::is_same_v<T, double>) {
    return expected_number("a number", c);
  } else {
    if (c.is_file_name) return "a name without '/'";
    if (c.words.size() == 1) return quoted(c.words[0]);
    return c.words.empty() ? "a string" : fmt::format("one of {}", fmt::join(c.words, ", "));
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// text without its sign, where it has one.
std::string_view unsigned_part(std::string_view text) {
  return !text.empty() && (text[0] == '-' || text[0] == '+') ? text.substr(1) : text;
}

template <class T>
bool parse_all(std::string_view text, T& value) {
  if (text[0] == '+') text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// Each parses the text of a plain scalar; false if it is not one of the type, or does not fit.

bool parse(std::string_view text, bool& value) {
  value = text == "true";
  return value || text == "false";
}

// Decimal. A leading zero is refused because YAML 1.1 means octal by it.
bool parse(std::string_view text, int64_t& value) {
  std::string_view digits = unsigned_part(text);
  bool is_decimal = !digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit);
  if (!is_decimal || (digits.size() > 1 && digits[0] == '0')) return false;
  return parse_all(text, value);
}

// The first test leaves out "inf" and "nan", which from_chars takes.
bool parse(std::string_view text, double& value) {
  std::string_view digits = unsigned_part(text);
  if (digits.empty() || !(is_digit(digits[0]) || digits[0] == '.')) return false;
  return parse_all(text, value) && std::isfinite(value);
}

bool parse(std::string_view text, AutoInt& value) {
  if (text == "auto") return true;
  int64_t number = 0;
  if (!parse(text, number)) return false;
  value.value = number;
  return true;
}

template <class T>
bool from_node(const YamlNode& node, T& value) {
  if constexpr (kIsOptional<T>) {
    value.reset();
    return node.kind == YamlNode::Kind::null || from_node(node, value.emplace());
  } else if constexpr (std::is_same_v<T, std::string>) {
    value = node.text;
    return node.kind == YamlNode::Kind::scalar;
  } else {
    return node.kind == YamlNode::Kind::scalar && !node.is_quoted && parse(node.text, value);
  }
}

std::string write(bool value) { return value ? "true" : "false"; }
std::string write(int64_t value) { return fmt::format("{}", value); }
std::string write(const std::string& value) { return yaml_scalar(value); }
std::string write(const AutoInt& value) { return value.value ? write(*value.value) : "auto"; }

std::string write(double value) {
  TESSERA_CHECK(std::isfinite(value), "a config cannot hold the number {}", value);
  return fmt::format("{}", value);  // the shortest text that reads back as the same double
}

template <class T>
std::string write(const std::optional<T>& value) {
  return value ? write(*value) : "null";
}

}  // namespace

Constraint Constraint::because(std::string text) && {
  reason = std::move(text);
  return std::move(*this);
}

Constraint at_least(double lowest) {
  Constraint c;
  c.lowest = lowest;
  return c;
}

Constraint greater_than(double lowest) {
  Constraint c = at_least(lowest);
  c.lowest_is_excluded = true;
  return c;
}

Constraint in_range(double lowest, double highest) {
  Constraint c = at_least(lowest);
  c.highest = highest;
  return c;
}

Constraint at_least_and_below(double lowest, double highest) {
  Constraint c = in_range(lowest, highest);
  c.highest_is_excluded = true;
  return c;
}

Constraint one_of(std::initializer_list<const char*> words) {
  Constraint c;
  c.words.assign(words.begin(), words.end());
  return c;
}

Constraint file_name() {
  Constraint c;
  c.is_file_name = true;
  return c;
}

std::string expected(const Field& field) {
  return std::visit(
      [&](auto* value) {
        return expected_of<std::remove_pointer_t<decltype(value)>>(field.constraint);
      },
      field.value);
}

void read_field(const Field& field, const YamlNode& node, const std::string& place) {
  auto read = [&](auto* value) {
    std::remove_pointer_t<decltype(value)> result{};
    bool has_type = from_node(node, result);
    if (has_type && accepts(field.constraint, result)) {
      *value = std::move(result);
      return;
    }
    const std::string& reason = field.constraint.reason;
    bool is_string = std::is_convertible_v<decltype(result), std::optional<std::string>>;
    throw ConfigError(fmt::format("{}: expected {}, got {}{}{}{}", place, expected(field),
                                  node.is_quoted && !is_string ? "the string " : "", describe(node),
                                  has_type && !reason.empty() ? ": " : "", has_type ? reason : ""));
  };
  std::visit(read, field.value);
}

std::string write_field(const Field& field) {
  return std::visit([](auto* value) { return write(*value); }, field.value);
}

void check_default(const Field& field, const std::string& section) {
  bool is_accepted =
      std::visit([&](auto* value) { return accepts(field.constraint, *value); }, field.value);
  TESSERA_CHECK(is_accepted, "the default of {}.{} is {}, expected {}", section, field.key,
                write_field(field), expected(field));
}

}  // namespace tessera::experiment
