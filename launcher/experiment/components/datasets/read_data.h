// How a section reads its files.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "launcher/experiment/config/config_error.h"

namespace tessera::experiment {

// What read() gives, or its error with the key and the folder that a relative path starts from.
template <class Read>
auto read_data(const std::string& path, Read&& read) {
  try {
    return read();
  } catch (const ConfigError&) {
    throw;
  } catch (const Error& error) {
    std::error_code none;
    std::string from = path.starts_with('/')
                           ? ""
                           : fmt::format("; data.path is relative to {}",
                                         std::filesystem::current_path(none).string());
    throw Error(fmt::format("data.path: {}{}", error.what(), from));
  }
}

}  // namespace tessera::experiment
