// What the nodes of a job prove themselves to each other with: certificates for mutual TLS, and a
// token.
//
// No function here puts a key, a token or a part of one into an error.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <memory>
#include <string>
#include <string_view>

namespace tessera::rendezvous {

// The name in the certificates that `tessera rendezvous init` makes.
inline constexpr const char* kServerName = "tessera-rendezvous";
// Calls carry the job's token under this name.
inline constexpr const char* kTokenMetadata = "tessera-token";

// Default constructed: no TLS, for loopback only.
struct Credentials {
  // PEM: the certificates to trust; this node's, followed by intermediate ones if it has any; its
  // private key.
  std::string ca{};
  std::string certificate{};
  std::string key{};
  // Printable ASCII without white space; empty: none.
  std::string token{};
  // The name that the server's certificate must have; empty: the host that is connected to.
  std::string server_name{};

  // Whether ca, certificate and key are all there.
  bool secure() const { return !ca.empty() && !certificate.empty() && !key.empty(); }
};

// Where credentials are read from: a folder made by `tessera rendezvous init` and nothing else, or
// own files, of which ca, certificate and key come together. token_file may stand alone. Nothing at
// all is the insecure default.
struct CredentialFiles {
  // ca.crt, node.crt, node.key and token are read, and the server's name is kServerName.
  std::string folder{};

  std::string ca{};
  std::string certificate{};
  std::string key{};
  std::string token_file{};
  // Not a file: Credentials::server_name.
  std::string server_name{};
};

// Reads and checks the files, each of at most 64 KiB. Throws Error naming the file and the reason:
// one that is missing, unreadable or no regular file; a key or token that group or others may
// access; what is not PEM; an encrypted key; a key of another certificate; a certificate that the
// CA has not signed, that has expired or is not valid yet; a token under 32 or over 4,096
// characters or not as in Credentials. Newlines at a token's end are dropped.
Credentials load_credentials(const CredentialFiles& files);

// Whether a and b are equal, in a time that depends on their lengths only. Two empty ones are.
bool same_secret(std::string_view a, std::string_view b);

// Mutual TLS: clients without a certificate that the CA has signed are refused. Insecure when all
// of ca, certificate and key are empty; an Error when only some are, here and for the channel.
std::shared_ptr<grpc::ServerCredentials> server_credentials(const Credentials& credentials);
std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const Credentials& credentials);
// Makes a channel with these arguments expect credentials.server_name, if there is one, in the
// server's certificate.
void set_server_name(const Credentials& credentials, grpc::ChannelArguments& arguments);

// Whether only this machine can reach host: "localhost", an address of 127.0.0.0/8 or ::1 (also in
// brackets, also IPv4 mapped into IPv6), or gRPC's "unix:..." and "unix-abstract:...". No name is
// looked up; what is not understood, a port included, is not loopback.
bool is_loopback(const std::string& host);
// An Error that says how to get certificates when others can reach host and credentials are not
// secure.
void check_may_bind(const std::string& host, const Credentials& credentials);

}  // namespace tessera::rendezvous
