// What a request to join must look like, whoever else is there.
#pragma once

#include <optional>
#include <string>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

// The most nodes that a job may name.
inline constexpr int kMaxNodes = 100'000;

// What is wrong with the request by itself: its secret, its node, its job, in that order.
std::optional<Refusal> trouble_with(const v1::JoinRequest& request);

// Why an agent of that job cannot join this one; nothing if it can.
std::optional<Refusal> difference_of(const v1::Job& job, const v1::Job& agents);

}  // namespace tessera::rendezvous
