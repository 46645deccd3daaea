// How text from outside is shown in a message.
#pragma once

#include <string>
#include <string_view>

namespace tessera::job {

// text in single quotes, fit for one line of a message (core/printable.h), and long text cut, at a
// character's boundary, with "..." after the quote.
std::string in_quotes(std::string_view text);

}  // namespace tessera::job
