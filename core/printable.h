// Text from outside, made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace tessera {

// text on one line, of which a terminal does nothing but show it: control characters, bytes that
// are not UTF-8 and characters that turn or hide what stands beside them become \xNN or \uNNNN.
std::string printable(std::string_view text);

// The same of text that has lines: newlines and tabs stay.
std::string printable_lines(std::string_view text);

}  // namespace tessera
