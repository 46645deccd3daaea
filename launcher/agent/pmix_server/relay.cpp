#include "launcher/agent/pmix_server/relay.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "core/error.h"
#include "launcher/agent/pmix_server/pmix_info.h"

namespace tessera::agent {
namespace {

pmix_status_t read_status(Fields& order) {
  return static_cast<pmix_status_t>(order.number("status", std::numeric_limits<int32_t>::min(),
                                                 std::numeric_limits<int32_t>::max()));
}

template <typename Key>
Completion take(std::map<Key, Completion>& pending, const Key& key, std::string_view what) {
  auto found = pending.find(key);
  if (found == pending.end()) {
    throw Error(fmt::format("[{}] expected one that is pending, got {}", what, key));
  }
  Completion completion = found->second;
  pending.erase(found);
  return completion;
}

struct Members {
  std::string name;
  std::set<uint32_t> nodes;
};

Members name_members(const JobLayout& layout, const std::vector<pmix_proc_t>& ids) {
  std::set<pmix_rank_t> ranks;
  for (const pmix_proc_t& id : ids) ranks.insert(id.rank);
  Members members;
  if (ranks.contains(PMIX_RANK_WILDCARD)) {
    members.name = "*";
    for (uint32_t node = 0; node < layout.nodes.size(); ++node) members.nodes.insert(node);
  } else {
    members.name = fmt::format("{}", fmt::join(ranks, ","));
    for (pmix_rank_t rank : ranks) members.nodes.insert(layout.node_of[rank]);
  }
  return members;
}

}  // namespace

std::optional<Frame> Relay::report(Event event) {
  return std::visit([this](auto& alternative) { return on(alternative); }, event);
}

void Relay::finish_fence(Fields order) {
  std::string key = order.text("key");
  pmix_status_t status = read_status(order);
  std::string data = order.bytes("data");
  order.end();
  take(fences_, key, "fence_done")(status, data);
}

void Relay::finish_modex(Fields order) {
  int64_t id = order.number("id", 0, std::numeric_limits<int64_t>::max());
  pmix_status_t status = read_status(order);
  std::string data = order.bytes("data");
  order.end();
  take(modexes_, id, "modex_data")(status, data);
}

void Relay::look_up(Fields order) {
  std::string id = order.text("id");
  int64_t asking_node =
      order.number("asking_node", 0, static_cast<int64_t>(layout_.nodes.size()) - 1);
  int64_t rank = order.number("rank", 0, layout_.world_size() - 1);
  order.end();
  if (layout_.node_of[static_cast<size_t>(rank)] != layout_.node_index) {
    order.fail("rank", "one of this node", fmt::format("{}", rank));
  }
  look_up_modex(process_id(layout_.nspace, static_cast<pmix_rank_t>(rank)), std::move(id),
                asking_node, queue_);
}

std::optional<Frame> Relay::on(const ClientConnected& event) {
  return Frame{FrameType::connected, {fmt::format("{}", event.rank)}};
}

std::optional<Frame> Relay::on(const ClientFinalized& event) {
  return Frame{FrameType::finalized, {fmt::format("{}", event.rank)}};
}

std::optional<Frame> Relay::on(const ClientAborted& event) {
  return Frame{FrameType::aborted,
               {fmt::format("{}", event.rank), fmt::format("{}", event.status), event.message}};
}

std::optional<Frame> Relay::on(FenceCalled& event) {
  bool known = std::all_of(event.members.begin(), event.members.end(),
                           [this](const pmix_proc_t& id) { return is_member(id); });
  if (!known) {
    // Ranks of other jobs, or groups that PMIx could name but no MPI of ours does.
    event.completion(PMIX_ERR_NOT_SUPPORTED, "");
    return std::nullopt;
  }
  Members members = name_members(layout_, event.members);
  // Counted also where it fails, so that the nodes' keys stay the same.
  std::string key = fmt::format("{}#{}", members.name, num_fences_[members.name]++);
  if (event.local_status != PMIX_SUCCESS) {
    event.completion(event.local_status, "");
    return std::nullopt;
  }
  fences_.emplace(key, event.completion);
  return Frame{FrameType::fence,
               {key, fmt::format("{}", fmt::join(members.nodes, ",")), std::move(event.data)}};
}

std::optional<Frame> Relay::on(const ModexWanted& event) {
  if (!is_member(event.owner) || event.owner.rank == PMIX_RANK_WILDCARD) {
    event.completion(PMIX_ERR_NOT_FOUND, "");
    return std::nullopt;
  }
  int64_t id = next_id_++;
  modexes_.emplace(id, event.completion);
  return Frame{FrameType::modex_request,
               {fmt::format("{}", id), fmt::format("{}", layout_.node_of[event.owner.rank]),
                fmt::format("{}", event.owner.rank)}};
}

std::optional<Frame> Relay::on(const ServiceWanted& event) {
  return Frame{FrameType::not_served, {fmt::format("{}", event.rank), event.call}};
}

std::optional<Frame> Relay::on(ModexFound& event) {
  return Frame{FrameType::modex_data,
               {std::move(event.id), fmt::format("{}", event.asking_node),
                fmt::format("{}", event.status), std::move(event.data)}};
}

bool Relay::is_member(const pmix_proc_t& id) const {
  return layout_.nspace == id.nspace &&
         (id.rank == PMIX_RANK_WILDCARD || id.rank < layout_.world_size());
}

}  // namespace tessera::agent
