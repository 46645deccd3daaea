#include "launcher/experiment/config/schema.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <type_traits>

#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/nearest.h"
#include "launcher/experiment/config/number_text.h"

namespace tessera::experiment {
namespace {

// What stands for no value of an AutoInt.
constexpr const char* kAuto = "auto";

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

bool is_within(const Constraint& c, double value) {
  bool above = c.lowest_is_excluded ? value > c.lowest : value >= c.lowest;
  bool below = c.highest_is_excluded ? value < c.highest : value <= c.highest;
  return above && below;  // false for NaN
}

// Whether f32 can tell a number of the config from one that is out of range.
bool is_kept_by_f32(const Constraint& c, double value) {
  auto rounded = static_cast<float>(value);
  return std::isfinite(rounded) && (value == 0) == (rounded == 0) &&
         is_within(c, static_cast<double>(rounded));
}

bool accepts(const Constraint& c, double value) {
  return is_within(c, value) && (!c.is_kept_in_f32 || is_kept_by_f32(c, value));
}

bool has_control_characters(const std::string& value) {
  return std::any_of(value.begin(), value.end(),
                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return text;
}

// The one of words that value is in other letters; none if it is one of them.
std::optional<std::string> misspelt(const std::vector<std::string>& words,
                                    const std::string& value) {
  for (const std::string& word : words) {
    if (lower(value) == word && value != word) return word;
  }
  return std::nullopt;
}

bool accepts(const Constraint& c, const std::string& value) {
  if (c.is_file_name) {
    return !value.empty() && value != "." && value != ".." && !has_control_characters(value) &&
           value.find('/') == std::string::npos && value[0] != '~';
  }
  if (c.is_path) {
    bool other_home = value[0] == '~' && value.size() > 1 && value[1] != '/';
    return !value.empty() && !has_control_characters(value) && !other_home &&
           !misspelt(c.words, value);
  }
  return c.words.empty() || std::find(c.words.begin(), c.words.end(), value) != c.words.end();
}

bool accepts(const Constraint&, bool) { return true; }

bool accepts(const Constraint& c, int64_t value) { return accepts(c, static_cast<double>(value)); }

bool accepts(const Constraint& c, const AutoInt& value) {
  return !value.value || accepts(c, *value.value);
}

bool accepts(const Constraint&, const SwitchOrName&) { return true; }

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
    return fmt::format("{} or ", kAuto) + expected_number("an integer", c);
  } else if constexpr (std::is_same_v<T, SwitchOrName>) {
    return "true, false or a name";
  } else if constexpr (std::is_same_v<T, bool>) {
    return "true or false";
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return expected_number("an integer", c);
  } else if constexpr (std::is_same_v<T, double>) {
    return expected_number("a number", c);
  } else {
    if (c.is_file_name) return "a name without '/'";
    if (c.is_path && !c.words.empty()) return fmt::format("{} or a path", fmt::join(c.words, ", "));
    if (c.is_path) return "a path";
    if (c.words.size() == 1) return job::in_quotes(c.words[0]);
    return c.words.empty() ? "a string" : fmt::format("one of {}", fmt::join(c.words, ", "));
  }
}

// Each parses the text of a plain scalar; false if it is not one of the type, or does not fit.

bool parse(std::string_view text, bool& value) {
  value = text == "true";
  return value || text == "false";
}

bool parse(std::string_view text, int64_t& value) {
  auto integer = parse_integer(text);
  if (!integer || integer->magnitude > static_cast<uint64_t>(INT64_MAX)) return false;
  value = static_cast<int64_t>(integer->magnitude) * (integer->is_negative ? -1 : 1);
  return true;
}

bool parse(std::string_view text, double& value) {
  auto number = parse_number(text);
  value = number.value_or(0);
  return number.has_value();
}

bool parse(std::string_view text, AutoInt& value) {
  if (text == kAuto) return true;
  int64_t number = 0;
  if (!parse(text, number)) return false;
  value.value = number;
  return true;
}

bool parse(std::string_view text, SwitchOrName& value) {
  value.on = text != "false";
  if (text != "true" && value.on) value.name = text;
  return !text.empty();
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
std::string write(const AutoInt& value) { return value.value ? write(*value.value) : kAuto; }

std::string write(const SwitchOrName& value) {
  return value.name.empty() ? write(value.on) : yaml_scalar(value.name);
}

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

Constraint Constraint::in_f32() && {
  is_kept_in_f32 = true;
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

Constraint at_most(double highest) {
  Constraint c;
  c.highest = highest;
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

Constraint between(double lowest, double highest) {
  Constraint c = at_least_and_below(lowest, highest);
  c.lowest_is_excluded = true;
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

Constraint path(std::initializer_list<const char*> words) {
  Constraint c = one_of(words);
  c.is_path = true;
  return c;
}

size_t FieldVisitor::choose(const char* key, const char* doc, std::string word,
                            std::vector<std::string> words) {
  Constraint one;
  one.words = words;
  field({key, &word, doc, std::move(one)});
  return static_cast<size_t>(std::ranges::find(words, word) - words.begin());
}

std::string expected(const Field& field) {
  return std::visit(
      [&](auto* value) {
        return expected_of<std::remove_pointer_t<decltype(value)>>(field.constraint);
      },
      field.value);
}

namespace {

// What could have been meant by a text that a field does not accept: "; did you mean 'zero3'?".
template <class T>
std::string hint(const Constraint& c, const YamlNode& node) {
  if (node.kind != YamlNode::Kind::scalar) return "";
  if constexpr (kIsOptional<T>) {
    return hint<typename T::value_type>(c, node);
  } else if constexpr (std::is_same_v<T, bool>) {
    std::string word = lower(node.text);
    bool is_true = word == "true" || word == "yes" || word == "on" || word == "1";
    bool is_false = word == "false" || word == "no" || word == "off" || word == "0";
    return is_true ? "; did you mean true?" : is_false ? "; did you mean false?" : "";
  } else if constexpr (std::is_same_v<T, SwitchOrName>) {
    return "";
  } else if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, AutoInt>) {
    bool is_auto = std::is_same_v<T, AutoInt> && lower(node.text) == kAuto;
    return is_auto ? fmt::format("; did you mean {}?", kAuto) : in_digits(node.text);
  } else if constexpr (std::is_same_v<T, std::string>) {
    bool names_file = c.is_file_name || c.is_path;
    if (names_file && has_control_characters(node.text)) return ": it has control characters";
    if (names_file && node.text.starts_with("~")) return ": only ~/ is known, in paths";
    auto near = nearest(lower(node.text), c.words);
    return near ? fmt::format("; did you mean '{}'?", *near) : "";
  } else {
    auto value = parse_number(node.text);
    bool is_small = value && c.is_kept_in_f32 && is_within(c, *value);
    return is_small ? ": f32 cannot hold it" : "";
  }
}

// A path's leading ~ is the home folder, which the shell leaves alone after an equals sign.
void expand_home(const Constraint& c, std::string& path) {
  const char* home = std::getenv("HOME");
  if (c.is_path && home && *home && (path == "~" || path.starts_with("~/"))) {
    path.replace(0, 1, home);
  }
}
void expand_home(const Constraint& c, std::optional<std::string>& path) {
  if (path) expand_home(c, *path);
}
template <class T>
void expand_home(const Constraint&, T&) {}

}  // namespace

void read_field(const Field& field, const YamlNode& node, const std::string& place) {
  auto read = [&](auto* value) {
    using T = std::remove_pointer_t<decltype(value)>;
    T result{};
    bool has_type = from_node(node, result);
    if (has_type && accepts(field.constraint, result)) {
      expand_home(field.constraint, result);
      *value = std::move(result);
      return;
    }
    const std::string& reason = field.constraint.reason;
    bool is_string = std::is_convertible_v<T, std::optional<std::string>>;
    bool says_why = has_type && !reason.empty();
    throw ConfigError(fmt::format("{}: expected {}, got {}{}{}{}", place, expected(field),
                                  node.is_quoted && !is_string ? "the string " : "", describe(node),
                                  says_why ? ": " : "",
                                  says_why ? reason : hint<T>(field.constraint, node)));
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
