#include "launcher/agent/failures.h"

#include <fmt/format.h>

#include <cstring>

namespace tessera::agent {

v1::Failure rank_failure(const RankEnd& end) {
  v1::Failure failure;
  failure.set_kind(end.by_signal ? v1::Failure::KIND_SIGNAL : v1::Failure::KIND_EXIT);
  failure.set_rank(end.rank);
  failure.set_host(end.host);
  failure.set_value(end.value);
  failure.set_order(end.after_ms);
  failure.set_stderr_tail(end.stderr_tail);
  if (!end.launch_error.empty()) {
    failure.set_kind(v1::Failure::KIND_LAUNCH);
    failure.set_text(end.launch_error);
  } else if (end.by_signal) {
    failure.set_text(fmt::format("rank {} on {} was killed by signal {} ({})", end.rank, end.host,
                                 end.value, strsignal(end.value)));
  } else {
    failure.set_text(
        fmt::format("rank {} on {} ended with code {}", end.rank, end.host, end.value));
  }
  return failure;
}

v1::Failure hang_failure(const Hang& hang, int rank, const std::string& host,
                         const std::string& stderr_tail) {
  v1::Failure failure;
  failure.set_kind(v1::Failure::KIND_HANG);
  failure.set_rank(rank);
  failure.set_host(host);
  failure.set_order(hang.stopped ? -1 : hang.calls);
  failure.set_text(fmt::format("rank {} on {} {}", rank, host, hang.text));
  failure.set_stderr_tail(stderr_tail);
  return failure;
}

v1::Failure launch_failure(const std::string& host, const std::string& text) {
  v1::Failure failure;
  failure.set_kind(v1::Failure::KIND_LAUNCH);
  failure.set_rank(-1);
  failure.set_host(host);
  failure.set_text(fmt::format("{}: {}", host, text));
  return failure;
}

}  // namespace tessera::agent
