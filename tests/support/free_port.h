// A port of this machine for a server that has to be told one.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace tessera::test {

// Free on the loopback now; the system gives such ports to others last.
inline int free_port() {
  int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bool found = probe >= 0 &&
               bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
               getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  int error = errno;
  if (probe >= 0) close(probe);
  if (!found) throw std::system_error(error, std::generic_category(), "no free port");
  return ntohs(address.sin_port);
}

}  // namespace tessera::test
