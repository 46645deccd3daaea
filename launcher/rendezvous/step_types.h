// What goes into a step of the coordinator and comes out of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "proto/rendezvous.pb.h"

namespace tessera::rendezvous {

// Of a clock that never goes back; only differences mean something.
using Millis = int64_t;
using MemberId = uint64_t;
// Who waits for an answer, as the coordinator's caller numbers them.
using CallId = uint64_t;

// What a caller did wrong, or what it has to live with. As gRPC's codes of the same names.
enum class Refused {
  bad_argument,
  not_a_member,
  not_found,
  conflict,
  taken,  // perhaps not for long
  exhausted,
  aborted,
  timed_out
};

struct Refusal {
  Refused why;
  std::string text;
};

// A beat, and the stream on which it came, which orders for its member go to.
struct BeatCall {
  CallId stream;
  v1::Beat beat;
};
// Calls. A malformed one is answered by a Refusal and changes nothing.
struct JoinCall {
  CallId call;
  v1::JoinRequest request;
};
struct LeaveCall {
  CallId call;
  v1::LeaveRequest request;
};
struct FenceCall {
  CallId call;
  v1::FenceRequest request;
};
struct PutCall {
  CallId call;
  v1::PutRequest request;
};
struct GetCall {
  CallId call;
  v1::GetRequest request;
};
struct DrainCall {
  CallId call;
  v1::DrainRequest request;
};
// The caller of that call is gone; nobody waits any more.
struct Abandoned {
  CallId call;
};
// Nothing but the passing of time.
struct Tick {};

using Input = std::variant<Tick, BeatCall, JoinCall, LeaveCall, FenceCall, PutCall, GetCall,
                           DrainCall, Abandoned>;

struct Answer {
  CallId call;
  std::variant<Refusal, v1::JoinReply, v1::LeaveReply, v1::FenceReply, v1::PutReply, v1::GetReply,
               v1::DrainReply>
      reply;
};
struct SendOrder {
  CallId stream;
  v1::Order order;
  // What belongs into the order's plan, where there is one; thousands of orders share it.
  std::shared_ptr<const v1::Plan> plan;
};
// Must be on the disk before any other output of the same step leaves.
struct Persist {
  v1::Record record;
};
struct Happened {
  int64_t generation;
  std::string text;
};

using Output = std::variant<Answer, SendOrder, Persist, Happened>;
using Outputs = std::vector<Output>;

}  // namespace tessera::rendezvous
