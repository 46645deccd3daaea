// Text as JSON strings, for file headers and for messages.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

// text between quotation marks, escaped; bytes above ASCII stay as they are. Nothing when text is
// not valid UTF-8.
std::optional<std::string> json_string(std::string_view text);

// text from outside, made fit for a message: escaped, and cut where it is long.
std::string excerpt(std::string_view text);

}  // namespace tessera
