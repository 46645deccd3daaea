// A certificate authority of a job's own, for `tessera rendezvous init DIR`.
#pragma once

#include <string>

namespace tessera::rendezvous {

struct AuthorityOptions {
  // How long the certificates are valid, from 1 to 3,650.
  int days = 30;
  // When that time began, from -3,650 to 3,650. Tests make expired and future certificates with it.
  int not_before_days_ago = 0;
};

// A certificate and its private key, both PEM, of the curve P-256.
struct Identity {
  std::string certificate;
  std::string key;
};

// A self-signed CA that may sign nodes, but no further CAs. Two never have the same key.
Identity make_ca(const AuthorityOptions& options);
// A node's certificate, for servers and clients, with the DNS name kServerName. All validity
// begins an hour early, for nodes whose clocks are behind.
Identity make_node(const Identity& ca, const AuthorityOptions& options);

// Makes a CA, one node certificate for all nodes and a random token:
//   ca.crt, node.crt        as umask has it
//   ca.key, node.key, token mode 0600 (the token: 256 bits in hex)
// in a folder of mode 0700, which must be missing or empty; its parent must exist. Everything is on
// the disk at the return. Nodes need everything but ca.key. Throws Error naming the path and the
// reason, and then removes what it has made.
void make_authority(const std::string& folder, const AuthorityOptions& options = {});

}  // namespace tessera::rendezvous
