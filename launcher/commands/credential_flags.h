// The flags that say who may talk to a rendezvous, for every subcommand that does.
#pragma once

#include <CLI/CLI.hpp>

#include "launcher/rendezvous/credentials.h"

namespace tessera::commands {

inline void add_credential_flags(CLI::App& command, rendezvous::CredentialFiles& files) {
  command.add_option("--tls", files.folder, "Certificates and token made by `rendezvous init`")
      ->type_name("DIR");
  command.add_option("--tls-ca", files.ca, "Or your own: the authority's certificate")
      ->type_name("FILE");
  command.add_option("--tls-cert", files.certificate, "this node's certificate")->type_name("FILE");
  command.add_option("--tls-key", files.key, "its private key")->type_name("FILE");
  command.add_option("--tls-name", files.server_name, "the name in the server's certificate")
      ->type_name("NAME");
  command.add_option("--token-file", files.token_file, "A file with the job's token")
      ->type_name("FILE");
}

}  // namespace tessera::commands
