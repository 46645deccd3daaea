// The rendezvous over gRPC.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "launcher/rendezvous/coordinator.h"
#include "launcher/rendezvous/credentials.h"

namespace tessera::rendezvous {

struct ServerOptions {
  // Without credentials it must be a loopback address.
  std::string host = "127.0.0.1";
  // 0: any free one.
  int port = 0;
  Credentials credentials;
  // Where a restarted server goes on from; none: a restart ends the job.
  std::string journal;
  Settings settings;
};

// Serves one job. The gRPC health service and reflection are there too.
class Server {
 public:
  // Serves when it returns; an Error where it cannot.
  explicit Server(ServerOptions options);
  // Ends all calls.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  int port() const;
  v1::StatusReply status() const;
  // What was wrong with the server itself (a full disk, say), after which it serves no more; empty
  // while all is well.
  std::string failure() const;
  // Waits until the job is over and its members have gone, or until wait_ms have passed. Whether
  // it is over.
  bool wait_for_end(Millis wait_ms);
  // Of the job that is over.
  v1::Record::Finished finish() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::rendezvous
