#include "core/json_text.h"

#include <nlohmann/json.hpp>

#include "core/printable.h"

namespace tessera {

using nlohmann::json;

std::optional<std::string> json_string(std::string_view text) {
  try {
    return json(text).dump();
  } catch (const json::type_error&) {
    return std::nullopt;
  }
}

std::string excerpt(std::string_view text) {
  constexpr size_t kLongest = 100;
  auto start = json(text.substr(0, kLongest)).dump(-1, ' ', false, json::error_handler_t::replace);
  return printable(start) + (text.size() > kLongest ? "..." : "");
}

}  // namespace tessera
