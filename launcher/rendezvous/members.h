// Who has joined a job and not gone again.
//
// Invariants: an id is given once, so a member that went never comes back under it; a secret
// belongs to one member at a time; nothing here knows of generations.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

struct Member {
  v1::Node node;
  std::string secret;
  Millis last_seen = 0;
  uint64_t sequence = 0;  // of its last beat
  CallId stream = 0;      // where orders go; 0: it has none yet
  bool leaving = false;   // has asked to go
};

class Members {
 public:
  static constexpr size_t kMax = 100'000;
  using Map = std::map<MemberId, Member>;

  explicit Members(Millis now) : last_join_(now) {}

  // --- who there is
  const Map& all() const { return members_; }
  size_t size() const { return members_.size(); }
  // Those that have not asked to go.
  size_t num_staying() const { return members_.size() - num_leaving_; }
  bool any_leaving() const { return num_leaving_ > 0; }
  Millis last_join() const { return last_join_; }
  // None of that id, or it has another secret: nothing.
  std::optional<MemberId> find(MemberId id, const std::string& secret) const;
  std::optional<MemberId> with_secret(const std::string& secret) const;
  const Member& at(MemberId id) const { return members_.at(id); }
  // In order of their ids.
  std::vector<MemberId> silent_for_longer(Millis silence, Millis now) const;
  // Up to `most` of those that stay, the longest there first; in the order that their users'
  // numbers give them, and behind these by id.
  std::vector<MemberId> choose(size_t most) const;

  // --- what happens
  // Why there is no place for such a node; nothing if there is.
  std::optional<Refusal> trouble_with(const v1::Node& node) const;
  MemberId add(const v1::Node& node, const std::string& secret, Millis now);
  // Takes a beat's number and stream. False: a later one has overtaken it.
  bool hear(MemberId id, const BeatCall& call, Millis now);
  // A member that exists says that it wants to go.
  void set_leaving(MemberId id);
  void remove(MemberId id);
  // Nobody could be heard for so long, so nobody is lost for that.
  void skip(Millis pause);

  // --- after a restart
  void restore(const v1::Record::Added& added, Millis now);
  // Nobody may get that id, or one before it, any more.
  void retire(MemberId id);
  // Everyone gets the time to be heard again.
  void resume(Millis now);

 private:
  Map members_;
  std::map<std::string, MemberId> by_secret_;
  MemberId next_ = 1;
  size_t num_leaving_ = 0;
  Millis last_join_;
};

}  // namespace tessera::rendezvous
