#include "launcher/rendezvous/fence_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace tessera::rendezvous {
namespace {

v1::FenceReply reply_of(const std::map<int, std::string>& data) {
  v1::FenceReply reply;
  for (const auto& [node, bytes] : data) reply.add_data(bytes);
  return reply;
}

// Why these cannot be the participants; empty if they can.
std::string trouble_with(const std::vector<int>& participants, int node, int num_nodes) {
  if (!std::is_sorted(participants.begin(), participants.end(), std::less_equal<>())) {
    return "expected participants in ascending order, each once";
  }
  if (participants.empty() || participants.front() < 0 || participants.back() >= num_nodes) {
    return fmt::format("expected participants from 0 to {}", num_nodes - 1);
  }
  if (!std::binary_search(participants.begin(), participants.end(), node)) {
    return fmt::format("node {} is not among the participants", node);
  }
  return "";
}

}  // namespace

void FenceTable::contribute(int node, int num_nodes, const FenceCall& call, Outputs& out) {
  const v1::FenceRequest& request = call.request;
  Key key{request.key(), {request.participants().begin(), request.participants().end()}};
  if (std::string trouble = trouble_with(key.second, node, num_nodes); !trouble.empty()) {
    out.emplace_back(Answer{call.call, Refusal{Refused::bad_argument, trouble}});
    return;
  }
  auto known = fences_.find(key);
  bool repeated = known != fences_.end() && known->second.data.contains(node);
  size_t bytes = repeated ? 0 : request.data().size();
  if (known == fences_.end()) bytes += request.key().size() + key.second.size() * sizeof(int);
  if (bytes > kMaxBytes - bytes_) {
    out.emplace_back(Answer{
        call.call, Refusal{Refused::exhausted, fmt::format("fences of one generation hold at most "
                                                           "{} bytes",
                                                           kMaxBytes)}});
    return;
  }
  bytes_ += bytes;
  Fence& fence = fences_[key];
  if (fence.data.try_emplace(node, request.data()).first->second != request.data()) {
    out.emplace_back(Answer{
        call.call, Refusal{Refused::conflict, "the same fence was entered with other data"}});
    return;
  }
  fence.waiting.push_back(call.call);
  if (fence.data.size() < key.second.size()) return;
  v1::FenceReply reply = reply_of(fence.data);
  for (CallId waiting : std::exchange(fence.waiting, {})) out.emplace_back(Answer{waiting, reply});
}

void FenceTable::abandon(CallId call) {
  for (auto& [key, fence] : fences_) std::erase(fence.waiting, call);
}

void FenceTable::clear(const std::string& reason, Outputs& out) {
  for (const auto& [key, fence] : fences_) {
    for (CallId call : fence.waiting) {
      out.emplace_back(Answer{call, Refusal{Refused::aborted, reason}});
    }
  }
  fences_.clear();
  bytes_ = 0;
}

}  // namespace tessera::rendezvous
