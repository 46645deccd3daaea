// The state of a job, for people.
#pragma once

#include <string>

#include "launcher/rendezvous/channel.h"

namespace tessera::status {

std::string text_of(const rendezvous::v1::StatusReply& reply);
// Asks the rendezvous there; an Error where it does not answer.
std::string fetch_status_text(const rendezvous::Endpoint& server,
                              const rendezvous::Credentials& credentials);

}  // namespace tessera::status
