#include "launcher/rendezvous/members.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace tessera::rendezvous {

std::optional<MemberId> Members::find(MemberId id, const std::string& secret) const {
  auto found = members_.find(id);
  bool is_it = found != members_.end() && found->second.secret == secret;
  return is_it ? std::optional(id) : std::nullopt;
}

std::optional<MemberId> Members::with_secret(const std::string& secret) const {
  auto found = by_secret_.find(secret);
  return found == by_secret_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<MemberId> Members::silent_for_longer(Millis silence, Millis now) const {
  std::vector<MemberId> ids;
  for (const auto& [id, member] : members_) {
    if (now - member.last_seen > silence) ids.push_back(id);
  }
  return ids;
}

std::vector<MemberId> Members::choose(size_t most) const {
  std::vector<MemberId> ids;
  for (const auto& [id, member] : members_) {
    if (!member.leaving) ids.push_back(id);
  }
  if (ids.size() > most) ids.resize(most);
  auto key = [&](MemberId id) {
    int rank = members_.at(id).node.node_rank();
    return std::tuple(rank < 0, rank, id);
  };
  std::sort(ids.begin(), ids.end(), [&](MemberId a, MemberId b) { return key(a) < key(b); });
  return ids;
}

std::optional<Refusal> Members::trouble_with(const v1::Node& node) const {
  if (members_.size() >= kMax) {
    return Refusal{Refused::exhausted, fmt::format("a job has at most {} nodes", kMax)};
  }
  int rank = node.node_rank();
  bool taken = rank >= 0 && std::any_of(members_.begin(), members_.end(), [&](const auto& other) {
                 return other.second.node.node_rank() == rank;
               });
  if (taken) return Refusal{Refused::taken, fmt::format("node rank {} is taken", rank)};
  return std::nullopt;
}

MemberId Members::add(const v1::Node& node, const std::string& secret, Millis now) {
  v1::Record::Added added;
  added.set_member(next_);
  added.set_secret(secret);
  *added.mutable_node() = node;
  restore(added, now);
  return added.member();
}

bool Members::hear(MemberId id, const BeatCall& call, Millis now) {
  Member& member = members_.at(id);
  if (call.beat.sequence() <= member.sequence) return false;
  member.sequence = call.beat.sequence();
  member.last_seen = now;
  member.stream = call.stream;
  return true;
}

void Members::set_leaving(MemberId id) {
  Member& member = members_.at(id);
  if (member.leaving) return;
  member.leaving = true;
  ++num_leaving_;
}

void Members::remove(MemberId id) {
  auto found = members_.find(id);
  if (found == members_.end()) return;
  if (found->second.leaving) --num_leaving_;
  by_secret_.erase(found->second.secret);
  members_.erase(found);
}

void Members::skip(Millis pause) {
  for (auto& [id, member] : members_) member.last_seen += pause;
  last_join_ += pause;
}

void Members::restore(const v1::Record::Added& added, Millis now) {
  by_secret_[added.secret()] = added.member();
  Member& member = members_[added.member()];
  member.node = added.node();
  member.secret = added.secret();
  member.last_seen = now;
  last_join_ = now;
  retire(added.member());
}

void Members::retire(MemberId id) { next_ = std::max(next_, id + 1); }

void Members::resume(Millis now) {
  for (auto& [id, member] : members_) member.last_seen = now;
  last_join_ = now;
}

}  // namespace tessera::rendezvous
