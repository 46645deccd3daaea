#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <span>

#include "launcher/agent/pmix_server/server.h"

namespace {

namespace agent = tessera::agent;

agent::Options adopt(std::span<char* const> arguments) {
  agent::Options options = agent::parse_options(arguments);
  agent::adopt_descriptors(options);
  return options;
}

int serve(std::span<char* const> arguments) {
  try {
    return agent::Server(adopt(arguments)).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "tessera-pmix: {}\nIt is started by tessera's agents only.\n", error.what());
    return 2;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int code = serve(std::span(argv, static_cast<size_t>(argc)).subspan(1));
  std::fflush(nullptr);
  _exit(code);
}
