#include "launcher/agent/pmix_server/relay.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/error.h"
#include "launcher/agent/pmix_server/pmix_info.h"

namespace tessera::agent {
namespace {

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

std::optional<FromPmix> Relay::report(Event event) {
  return std::visit([this](auto& alternative) { return on(alternative); }, event);
}

void Relay::finish(const to_pmix::FenceDone& order) {
  take(fences_, order.key, "fence_done")(order.status, order.data);
}

void Relay::finish(const to_pmix::ModexDone& order) {
  take(modexes_, order.id, "modex_data")(order.status, order.data);
}

void Relay::look_up(const to_pmix::LookUp& order) {
  if (order.asking_node >= static_cast<int64_t>(layout_.nodes.size())) {
    fail_frame(order.kType, "asking_node", fmt::format("one of {} nodes", layout_.nodes.size()),
               fmt::format("{}", order.asking_node));
  }
  bool own = order.rank < layout_.world_size() &&
             layout_.node_of[static_cast<size_t>(order.rank)] == layout_.node_index;
  if (!own) fail_frame(order.kType, "rank", "one of this node", fmt::format("{}", order.rank));
  look_up_modex(process_id(layout_.nspace, static_cast<pmix_rank_t>(order.rank)), order.id,
                order.asking_node, queue_);
}

std::optional<FromPmix> Relay::on(const ClientConnected& event) {
  return from_pmix::Connected{static_cast<int>(event.rank)};
}

std::optional<FromPmix> Relay::on(const ClientFinalized& event) {
  return from_pmix::Finalized{static_cast<int>(event.rank)};
}

std::optional<FromPmix> Relay::on(const ClientAborted& event) {
  return from_pmix::Aborted{static_cast<int>(event.rank), event.status, event.message};
}

std::optional<FromPmix> Relay::on(FenceCalled& event) {
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
  return from_pmix::Fence{key, {members.nodes.begin(), members.nodes.end()}, std::move(event.data)};
}

std::optional<FromPmix> Relay::on(const ModexWanted& event) {
  if (!is_member(event.owner) || event.owner.rank == PMIX_RANK_WILDCARD) {
    event.completion(PMIX_ERR_NOT_FOUND, "");
    return std::nullopt;
  }
  int64_t id = next_id_++;
  modexes_.emplace(id, event.completion);
  return from_pmix::ModexWanted{id, layout_.node_of[event.owner.rank], event.owner.rank};
}

std::optional<FromPmix> Relay::on(const ServiceWanted& event) {
  return from_pmix::NotServed{static_cast<int>(event.rank), event.call};
}

std::optional<FromPmix> Relay::on(ModexFound& event) {
  return from_pmix::ModexFound{std::move(event.id), event.asking_node, event.status,
                               std::move(event.data)};
}

bool Relay::is_member(const pmix_proc_t& id) const {
  return layout_.nspace == id.nspace &&
         (id.rank == PMIX_RANK_WILDCARD || id.rank < layout_.world_size());
}

}  // namespace tessera::agent
