#include "launcher/rendezvous/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "core/boot_clock.h"
#include "core/error.h"

namespace tessera::rendezvous {
namespace {

constexpr int kBacklog = 4096;
// At most so many descriptors, of which the process needs some for other things.
constexpr rlim_t kMaxDescriptors = 1 << 18;
constexpr int kReserve = 128;
// How often it looks before it refuses, since gRPC may just be closing many that hung up; and for
// how long it then refuses without, so that those who stay do not hold up everybody.
constexpr int kLooks = 10;
constexpr int kPeekMs = 20;
constexpr int64_t kRefusingMs = 200;
// After so many in a row, other things get their turn.
constexpr int kAtOnce = 256;
// Where the system has no descriptor, how long to wait for one.
constexpr int kPauseMs = 50;

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Addresses addresses_of(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  TESSERA_CHECK(error == 0, "rendezvous: cannot listen on {}: {}", host, gai_strerror(error));
  return {found, &freeaddrinfo};
}

void set_port(sockaddr_storage& address, int port) {
  uint16_t number = htons(static_cast<uint16_t>(port));
  if (address.ss_family == AF_INET) reinterpret_cast<sockaddr_in&>(address).sin_port = number;
  if (address.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(address).sin6_port = number;
}

int port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET ? reinterpret_cast<sockaddr_in&>(address).sin_port
                                            : reinterpret_cast<sockaddr_in6&>(address).sin6_port);
}

// None, with errno, where it cannot be.
Descriptor listen_at(const addrinfo& info, int port, bool v6_only) {
  Descriptor socket(
      ::socket(info.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol));
  if (!socket.is_open()) return socket;
  int yes = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (info.ai_family == AF_INET6) {
    int only = v6_only ? 1 : 0;
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
  }
  sockaddr_storage address{};
  std::copy_n(reinterpret_cast<const char*>(info.ai_addr), info.ai_addrlen,
              reinterpret_cast<char*>(&address));
  set_port(address, port);
  if (bind(socket.get(), reinterpret_cast<sockaddr*>(&address), info.ai_addrlen) != 0 ||
      listen(socket.get(), kBacklog) != 0) {
    return {};
  }
  return socket;
}

// A machine without IPv6 may still give its name such an address.
bool is_of_no_use(int error) { return error == EAFNOSUPPORT || error == EADDRNOTAVAIL; }

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// The highest number that a connection may have: descriptors get the lowest that is free. Raises
// the process's limit as far as it may be.
int most_descriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kReserve;
  rlimit more{std::min(kMaxDescriptors, limit.rlim_max), limit.rlim_max};
  if (limit.rlim_cur < more.rlim_cur && setrlimit(RLIMIT_NOFILE, &more) == 0) limit = more;
  int most = static_cast<int>(std::min(limit.rlim_cur, kMaxDescriptors));
  return most > 2 * kReserve ? most - kReserve : most / 2;
}

// As gRPC names it.
std::string name_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("ipv4:{}:{}", text.data(), ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  uint16_t port = ntohs(v6.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
    return fmt::format("ipv4:{}:{}", text.data(), port);
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return fmt::format("ipv6:%5B{}%5D:{}", text.data(), port);
}

}  // namespace

Listener::Listener(const std::string& host, int port)
    : port_(port),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      most_descriptors_(most_descriptors()) {
  TESSERA_CHECK(stop_.is_open(), "rendezvous: cannot make an event: {}",
                std::generic_category().message(errno));
  Addresses addresses = addresses_of(host, port);
  // An IPv4 address of the same name has a socket of its own; "::" alone stands for both.
  bool several = addresses->ai_next != nullptr;
  int error = 0;
  for (const addrinfo* each = addresses.get(); each; each = each->ai_next) {
    Descriptor socket = listen_at(*each, port_, several);
    if (!socket.is_open()) {
      error = errno;
      if (is_of_no_use(error)) continue;
      sockets_.clear();
      break;
    }
    port_ = port_of(socket.get());
    sockets_.push_back(std::move(socket));
  }
  TESSERA_CHECK(!sockets_.empty(), "rendezvous: cannot listen on {}:{}: {}", host, port,
                std::generic_category().message(error));
}

Listener::~Listener() { stop(); }

void Listener::start(std::function<void(Descriptor)> take) {
  handing_over_ = std::thread([this, take = std::move(take)] { hand_over(take); });
  accepting_ = std::thread([this] { accept_all(); });
}

void Listener::stop() {
  if (!accepting_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  // While strangers are watched: gRPC may be busy there with one that does not stop sending.
  handing_over_.join();
  eventfd_write(stop_.get(), 1);
  accepting_.join();
  sockets_.clear();
  accepted_.clear();
}

void Listener::accept_all() {
  std::vector<pollfd> polled{{stop_.get(), POLLIN, 0}};
  for (const Descriptor& socket : sockets_) polled.push_back({socket.get(), POLLIN, 0});
  while (true) {
    poll(polled.data(), polled.size(), strangers_.until_watch());
    if (polled[0].revents != 0) return;
    strangers_.watch();
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents != 0) accept_some(polled[i].fd);
    }
  }
}

void Listener::accept_some(int socket) {
  for (int i = 0; i < kAtOnce; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Descriptor connection(accept4(socket, reinterpret_cast<sockaddr*>(&address), &size,
                                  SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.is_open()) {
      // It waits, and is found again; anything else was the fault of the one that has just gone.
      if (is_shortage(errno)) poll(nullptr, 0, kPauseMs);
      return;
    }
    std::string peer = name_of(address);
    if (!add(peer, connection.get()) && !add_after_wait(peer, connection.get())) {
      ++num_refused_;
      continue;
    }
    int yes = 1;
    setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    hand_on(std::move(connection));
  }
}

bool Listener::add(const std::string& peer, int descriptor) {
  return descriptor < most_descriptors_ && strangers_.add(peer, descriptor);
}

bool Listener::add_after_wait(const std::string& peer, int descriptor) {
  if (boot_ms() - waited_at_ms_ < kRefusingMs) return false;
  for (int i = 0; i < kLooks; ++i) {
    poll(nullptr, 0, kPeekMs);
    strangers_.watch();
    if (add(peer, descriptor)) return true;
  }
  waited_at_ms_ = boot_ms();
  return false;
}

void Listener::hand_on(Descriptor connection) {
  {
    std::lock_guard lock(mutex_);
    accepted_.push_back(std::move(connection));
  }
  changed_.notify_all();
}

void Listener::hand_over(const std::function<void(Descriptor)>& take) {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stopped_ || !accepted_.empty(); });
    if (stopped_) return;
    Descriptor connection = std::move(accepted_.front());
    accepted_.pop_front();
    lock.unlock();
    take(std::move(connection));
    lock.lock();
  }
}

}  // namespace tessera::rendezvous
