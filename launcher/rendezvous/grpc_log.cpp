#include "launcher/rendezvous/grpc_log.h"

#include <fmt/format.h>
#include <grpc/support/log.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace tessera::rendezvous {
namespace {

constexpr int kNothing = GPR_LOG_SEVERITY_ERROR + 1;

std::atomic<uint64_t> failed_handshakes = 0;
std::atomic<int> least_severity = GPR_LOG_SEVERITY_ERROR;

int chosen_severity() {
  const char* text = std::getenv("GRPC_VERBOSITY");
  std::string_view chosen = text ? text : "";
  if (chosen == "DEBUG") return GPR_LOG_SEVERITY_DEBUG;
  if (chosen == "INFO") return GPR_LOG_SEVERITY_INFO;
  return chosen == "NONE" ? kNothing : int{GPR_LOG_SEVERITY_ERROR};
}

// OpenSSL's word on a handshake, which comes before the server's own; whoever connects could fill
// the log with it.
bool is_noise(std::string_view message) { return message.starts_with("Handshake failed"); }

void take(gpr_log_func_args* line) {
  std::string_view message = line->message;
  if (message.starts_with("Handshaking failed")) ++failed_handshakes;
  int least = least_severity;
  bool asked_for = line->severity >= least;
  if (!asked_for || (least == GPR_LOG_SEVERITY_ERROR && is_noise(message))) return;
  fmt::print(stderr, "gRPC: {}:{}: {}\n", line->file, line->line, message);
}

}  // namespace

void watch_grpc_log() {
  static std::once_flag once;
  std::call_once(once, [] {
    least_severity = chosen_severity();
    gpr_set_log_function(take);
    // The servers' lines are of this severity.
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_DEBUG);
  });
}

uint64_t num_failed_handshakes() { return failed_handshakes; }

}  // namespace tessera::rendezvous
