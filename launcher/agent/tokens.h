// Secrets of a launch: of a member, and of a rendezvous that a plain launch keeps to its user.
#pragma once

#include <string>

namespace tessera::agent {

// 256 random bits.
std::string random_secret();
// 256 random bits in hex.
std::string make_token();

// Under which name an agent keeps the token of the rendezvous at that port in its PrivateFolders.
std::string token_name(int port);
// The token that an agent of this user keeps for the rendezvous at that port; empty: none does.
std::string find_token(int port);

}  // namespace tessera::agent
