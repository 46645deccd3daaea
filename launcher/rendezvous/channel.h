// Channels to a rendezvous, for agents and for those who ask.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "launcher/rendezvous/credentials.h"
#include "launcher/rendezvous/step_types.h"

namespace tessera::rendezvous {

// Where a server is.
struct Endpoint {
  std::string host;
  int port = 0;
};
// HOST:PORT, an address of version 6 in brackets; an Error that names the text where it is none.
Endpoint parse_endpoint(const std::string& text);
std::string text_of(const Endpoint& endpoint);

// What a server takes as one message: a fence's data of one node fits into it.
inline constexpr int kMaxRequestBytes = 4 << 20;
// What one attempt to connect may take, with its TLS handshake, while a thousand others make
// theirs.
inline constexpr Millis kConnectMs = 5000;
// A connection of its own, which tries again soon when it is lost.
std::shared_ptr<grpc::Channel> make_channel(const Endpoint& endpoint,
                                            const Credentials& credentials,
                                            Millis connect_ms = kConnectMs);
// For one call: with the job's token, and at most timeout_ms long. 0: without an end.
std::unique_ptr<grpc::ClientContext> make_context(const Credentials& credentials,
                                                  Millis timeout_ms);

}  // namespace tessera::rendezvous
