#include "launcher/agent/pmix_server/options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

#include "core/error.h"
#include "launcher/agent/pmix_server/system_error.h"

namespace tessera::agent {
namespace {

// More than any machine has processors; keeps descriptor numbers far from overflow.
constexpr size_t kMaxLocalRanks = 4096;

size_t parse_local_ranks(std::string_view text) {
  size_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 ||
      value > kMaxLocalRanks) {
    throw Error(fmt::format("--local-ranks: expected a number from 1 to {}, got '{}'",
                            kMaxLocalRanks, text));
  }
  return value;
}

// Paths are handed to ranks that run elsewhere, so they must not depend on a current folder.
std::string parse_dir(std::string_view option, std::string_view text) {
  if (!text.starts_with('/')) {
    throw Error(fmt::format("{}: expected an absolute path, got '{}'", option, text));
  }
  return std::string(text);
}

}  // namespace

Options parse_options(std::span<char* const> arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    std::string_view option = arguments[i];
    if (i + 1 == arguments.size()) throw Error(fmt::format("{}: expected a value", option));
    std::string_view value = arguments[i + 1];
    if (option == "--session-dir") {
      options.session_dir = parse_dir(option, value);
    } else if (option == "--shm-dir") {
      options.shm_dir = parse_dir(option, value);
    } else if (option == "--hostname") {
      options.hostname = value;
    } else if (option == "--local-ranks") {
      options.local_ranks = parse_local_ranks(value);
    } else if (option == "--agent-dir") {
      options.agent_dirs.push_back(parse_dir(option, value));
    } else {
      throw Error(fmt::format("unknown option '{}'", option));
    }
  }
  if (options.session_dir.empty() || options.shm_dir.empty() || options.hostname.empty() ||
      options.local_ranks == 0) {
    throw Error("expected --session-dir DIR --shm-dir DIR --hostname NAME --local-ranks N");
  }
  return options;
}

void adopt_descriptors(const Options& options) {
  int last = error_descriptor(options.local_ranks - 1);
  for (int descriptor = 0; descriptor <= last; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) < 0) {
      throw Error(
          fmt::format("expected open descriptors from 0 to {}, but {} is not", last, descriptor));
    }
  }
  if (close_range(kControlDescriptor, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    throw_system_error("make the inherited descriptors close on exec");
  }
}

}  // namespace tessera::agent
