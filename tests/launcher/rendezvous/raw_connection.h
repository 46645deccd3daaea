// A bare TCP connection, with which anything may be done to a server.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "core/descriptor.h"

namespace tessera::rendezvous {

// Whether this machine has an IPv6 loopback.
inline bool has_ipv6() {
  Descriptor probe(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  return probe.is_open() &&
         bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

// host: a literal address.
inline Descriptor connect_to(int port, const std::string& host = "127.0.0.1") {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  v4.sin_port = v6.sin6_port = htons(static_cast<uint16_t>(port));
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  bool is_v4 = inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1;
  EXPECT_TRUE(is_v4 || inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) << host;
  Descriptor connection(socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto* address =
      is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
  EXPECT_EQ(connect(connection.get(), address, size), 0);
  return connection;
}

}  // namespace tessera::rendezvous
