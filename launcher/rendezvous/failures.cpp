#include "launcher/rendezvous/failures.h"

#include <fmt/format.h>

#include <algorithm>

#include "launcher/job/exit_codes.h"

namespace tessera::rendezvous {
namespace {

constexpr int kMaxSignal = 64;
// A rank that sees its peer killed may report it before the agent of the killed one does.
constexpr int64_t kSignalLead = 500;

v1::Failure failure_of_nodes(v1::Failure::Kind kind, const std::string& host, std::string text) {
  v1::Failure failure;
  failure.set_kind(kind);
  failure.set_rank(-1);
  failure.set_host(host);
  failure.set_text(std::move(text));
  return failure;
}

}  // namespace

std::string text_of(const v1::Failure& failure) {
  if (!failure.text().empty()) return failure.text();
  return "a node ended its ranks";
}

int exit_code_of(const v1::Failure& failure) {
  switch (failure.kind()) {
    case v1::Failure::KIND_EXIT:
      return failure.value() > 0 && failure.value() < 256 ? failure.value()
                                                          : job::exit_codes::kFailed;
    case v1::Failure::KIND_SIGNAL:
      return failure.value() > 0 && failure.value() <= kMaxSignal
                 ? job::exit_codes::kSignalBase + failure.value()
                 : job::exit_codes::kFailed;
    default: return job::exit_codes::kFailed;
  }
}

std::tuple<int, int64_t, int> precedence(const v1::Failure& failure) {
  int64_t lead = failure.kind() == v1::Failure::KIND_SIGNAL ? kSignalLead : 0;
  int64_t order = std::max<int64_t>(failure.order(), 0) - lead;
  int kind = 1;
  if (failure.kind() == v1::Failure::KIND_LOST) kind = 0;
  if (failure.kind() == v1::Failure::KIND_LAPSED) kind = 2;
  return {kind, order, failure.rank()};
}

std::string shared_cause_of(const v1::Failure& failure) {
  constexpr int kKilled = 9;
  bool own = failure.kind() == v1::Failure::KIND_EXIT ||
             failure.kind() == v1::Failure::KIND_LAUNCH ||
             (failure.kind() == v1::Failure::KIND_SIGNAL && failure.value() != kKilled);
  return own ? fmt::format("{} {}", static_cast<int>(failure.kind()), failure.value()) : "";
}

v1::Failure loss_of(const std::string& host, Millis silent) {
  return failure_of_nodes(v1::Failure::KIND_LOST, host,
                          fmt::format("node {} was not heard of for {:.1f} s", host,
                                      static_cast<double>(silent) / 1e3));
}

v1::Failure departure_of(const std::string& host) {
  return failure_of_nodes(v1::Failure::KIND_LEFT, host, fmt::format("node {} left", host));
}

v1::Failure late_start(Millis limit) {
  return failure_of_nodes(
      v1::Failure::KIND_LAUNCH, "",
      fmt::format("not all nodes were ready for their ranks within {} s", limit / 1000));
}

}  // namespace tessera::rendezvous
