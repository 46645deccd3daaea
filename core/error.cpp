#include "core/error.h"

#include "core/call_place.h"

namespace tessera {

std::string place_text() {
  const CallPlace& here = call_place;
  std::string text;
  if (here.module_path && !here.module_path->empty()) {
    text += fmt::format(", in module '{}'", *here.module_path);
  }
  if (here.calls > 0 && here.site.file) {
    text += fmt::format(", called at {}:{}", here.site.file, here.site.line);
  }
  return text;
}

// A message that goes on from another error's may have the place already.
void throw_error(const std::string& message) {
  std::string place = place_text();
  throw Error(message.ends_with(place) ? message : message + place);
}

void throw_internal_error(const char* condition, CallSite site, const std::string& message) {
  throw Error(fmt::format("internal error at {}:{}: '{}' does not hold{}{}{}", site.file, site.line,
                          condition, message.empty() ? "" : ": ", message, place_text()));
}

}  // namespace tessera
