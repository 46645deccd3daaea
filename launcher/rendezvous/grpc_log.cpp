#include "launcher/rendezvous/grpc_log.h"

#include <fmt/format.h>
#include <grpc/support/log.h>

#include <cstdio>
#include <string_view>

namespace tessera::rendezvous {
namespace {

// OpenSSL's word on a handshake.
bool is_noise(std::string_view message) { return message.starts_with("Handshake failed"); }

void print(gpr_log_func_args* line) {
  bool asked_for_more = gpr_should_log(GPR_LOG_SEVERITY_INFO) != 0;
  if (is_noise(line->message) && !asked_for_more) return;
  fmt::print(stderr, "gRPC: {}:{}: {}\n", line->file, line->line, line->message);
}

}  // namespace

void print_grpc_errors() { gpr_set_log_function(print); }

}  // namespace tessera::rendezvous
