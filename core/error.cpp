#include "core/error.h"

namespace tessera {

void throw_error(const std::string& message) { throw Error(message); }

void throw_internal_error(const char* condition, CallSite site, const std::string& message) {
  throw Error(fmt::format("internal error at {}:{}: '{}' does not hold{}{}", site.file, site.line,
                          condition, message.empty() ? "" : ": ", message));
}

}  // namespace tessera
