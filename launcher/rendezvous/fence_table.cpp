#include "launcher/rendezvous/fence_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "launcher/rendezvous/outputs.h"

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
    return refuse(call.call, Refused::bad_argument, trouble, out);
  }
  auto known = fences_.find(key);
  bool repeated = known != fences_.end() && known->second.data.contains(node);
  size_t bytes = repeated ? 0 : request.data().size();
  if (known == fences_.end()) bytes += request.key().size() + key.second.size() * sizeof(int);
  if (bytes > kMaxBytes - bytes_) {
    return refuse(call.call, Refused::exhausted,
                  fmt::format("fences of one generation hold at most {} bytes", kMaxBytes), out);
  }
  bytes_ += bytes;
  Fence& fence = fences_[key];
  if (fence.data.try_emplace(node, request.data()).first->second != request.data()) {
    return refuse(call.call, Refused::conflict, "the same fence was entered with other data", out);
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
      refuse(call, Refused::aborted, reason, out);
    }
  }
  fences_.clear();
  bytes_ = 0;
}

}  // namespace tessera::rendezvous
