// Numbers as people write them: in configs and on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::experiment {

struct Integer {
  bool is_negative = false;
  uint64_t magnitude = 0;
};

// All of text as a whole number in decimal digits, with a sign or without; nothing for anything
// else, and for what does not fit. A leading zero is refused, because YAML 1.1 means octal by it.
std::optional<Integer> parse_integer(std::string_view text);

// All of text as a finite number: 3, -0.5, 1e-3.
std::optional<double> parse_number(std::string_view text);

// "; in digits that is 1000" for what is a whole number, but not in digits alone, such as 1e3; else
// empty. Ends the message about a text that should have been an integer.
std::string in_digits(std::string_view text);

}  // namespace tessera::experiment
