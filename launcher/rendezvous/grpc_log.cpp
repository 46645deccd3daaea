#include "launcher/rendezvous/grpc_log.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>
#include <string_view>

namespace tessera::rendezvous {
namespace {

// Standard error may be closed, which must not end a server.
void write_line(const std::string& text) { std::fputs((text + "\n").c_str(), stderr); }

// OpenSSL's word on a handshake.
bool is_noise(std::string_view message) { return message.starts_with("Handshake failed"); }

void print(gpr_log_func_args* line) {
  bool asked_for_more = gpr_should_log(GPR_LOG_SEVERITY_INFO) != 0;
  if (is_noise(line->message) && !asked_for_more) return;
  write_line(fmt::format("gRPC: {}:{}: {}", line->file, line->line, line->message));
}

using Clock = std::chrono::steady_clock;

// libprotobuf's handler is a plain function.
struct BadText {
  std::mutex mutex;
  int64_t count = 0;
  Clock::time_point since;

  // The caller holds the mutex.
  void tell() {
    if (count == 0) return;
    write_line(fmt::format("rendezvous: {} field{} of calls held text that is not UTF-8", count,
                           count == 1 ? "" : "s"));
    count = 0;
  }
};

BadText& bad_text() {
  static auto* instance = new BadText;
  return *instance;
}

void take(google::protobuf::LogLevel level, const char* file, int line, const std::string& text) {
  if (text.find("invalid UTF-8") == std::string::npos) {
    if (level >= google::protobuf::LOGLEVEL_WARNING) {
      write_line(fmt::format("Protobuf: {}:{}: {}", file, line, text));
    }
    return;
  }
  BadText& bad = bad_text();
  std::lock_guard lock(bad.mutex);
  if (bad.count > 0 && Clock::now() - bad.since > std::chrono::minutes(1)) bad.tell();
  if (bad.count++ == 0) bad.since = Clock::now();
}

}  // namespace

void print_grpc_errors() {
  gpr_set_log_function(print);
  google::protobuf::SetLogHandler(take);
}

void print_counted_errors() {
  std::lock_guard lock(bad_text().mutex);
  bad_text().tell();
}

}  // namespace tessera::rendezvous
