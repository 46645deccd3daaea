// How outputs of a step are made.
#pragma once

#include <string>
#include <utility>

#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

inline void refuse(CallId call, Refused why, std::string text, Outputs& out) {
  out.emplace_back(Answer{call, Refusal{why, std::move(text)}});
}

inline void persist(v1::Record record, Outputs& out) {
  out.emplace_back(Persist{std::move(record)});
}

}  // namespace tessera::rendezvous
