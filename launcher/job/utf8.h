// Is this text UTF-8?
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tessera::job {

// The index of the first byte that does not begin a well-formed character (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF); none if all of text is UTF-8.
std::optional<size_t> find_invalid_utf8(std::string_view text);

}  // namespace tessera::job
