#include "launcher/status/status_text.h"

#include <algorithm>

#include "core/error.h"
#include "core/printable.h"
#include "proto/rendezvous.grpc.pb.h"

namespace tessera::status {
namespace {

namespace v1 = rendezvous::v1;

constexpr rendezvous::Millis kTimeout = 3000;

std::string name_of(v1::Phase phase) {
  std::string name = v1::Phase_Name(phase).substr(6);  // without PHASE_
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string line_of(const v1::StatusReply::Member& member) {
  std::string place = member.node_rank() < 0 ? "-" : std::to_string(member.node_rank());
  return fmt::format("node {:<4} {:<28} {:>3} ranks  {:<9}  heard of {:.1f} s ago\n", place,
                     printable(member.node().host()), member.node().slots(),
                     name_of(member.phase()), static_cast<double>(member.silent_ms()) / 1e3);
}

std::string line_of(const v1::Progress& progress) {
  return fmt::format("  rank {:<4} process {:<8} step {:<8} {:.0f} a second  {}\n", progress.rank(),
                     progress.process(), progress.step(), progress.throughput(),
                     printable(progress.collective()));
}

}  // namespace

std::string text_of(const v1::StatusReply& reply) {
  std::string text =
      fmt::format("job {}: {}, generation {}, {} restart{} of {}\n", printable(reply.job_id()),
                  printable(reply.state()), reply.generation(), reply.restarts(),
                  reply.restarts() == 1 ? "" : "s", reply.job().max_restarts());
  if (!reply.reason().empty()) text += printable(reply.reason()) + "\n";
  std::vector<const v1::StatusReply::Member*> members;
  for (const auto& member : reply.members()) members.push_back(&member);
  std::stable_sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
    return static_cast<unsigned>(a->node_rank()) < static_cast<unsigned>(b->node_rank());
  });
  for (const auto* member : members) {
    text += line_of(*member);
    for (const v1::Progress& progress : member->progress()) text += line_of(progress);
  }
  if (reply.refused() > 0)
    text += fmt::format("{} calls and connections were refused\n", reply.refused());
  return text;
}

std::string fetch_status_text(const rendezvous::Endpoint& server,
                              const rendezvous::Credentials& credentials) {
  auto stub = v1::Rendezvous::NewStub(rendezvous::make_channel(server, credentials));
  auto context = rendezvous::make_context(credentials, kTimeout);
  v1::StatusReply reply;
  grpc::Status status = stub->Status(context.get(), {}, &reply);
  TESSERA_CHECK(status.ok(), "rendezvous {}: {}", rendezvous::text_of(server),
                printable(status.error_message()));
  return text_of(reply);
}

}  // namespace tessera::status
