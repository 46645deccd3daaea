// What an agent tells its user: lines on standard error, between those of the ranks.
#pragma once

#include <string>

#include "launcher/agent/rank_output.h"
#include "proto/rendezvous.pb.h"

namespace tessera::agent {

namespace v1 = rendezvous::v1;

// Each reason of an order is told once.
class UserMessages {
 public:
  // The output must outlive it. host: of this node; tells_ends: a generation's end need not be the
  // job's, so it is worth a line.
  UserMessages(RankOutput& output, std::string host, bool tells_ends)
      : output_(output), host_(std::move(host)), tells_ends_(tells_ends) {}

  // "tessera launch: " and the text.
  void say(const std::string& text);
  // "tessera: " and the text.
  void say_error(const std::string& text);
  // Why ranks end or wait, if it is not known yet.
  void tell(const v1::Order& order);
  // What the job ended with, by a KIND_FINISH.
  void tell_end(const v1::Order& order);

 private:
  RankOutput& output_;
  std::string host_;
  bool tells_ends_;
  std::string told_;  // the last reason
};

}  // namespace tessera::agent
