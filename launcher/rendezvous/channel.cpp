#include "launcher/rendezvous/channel.h"

#include <charconv>
#include <chrono>
#include <limits>

#include "core/error.h"
#include "launcher/rendezvous/grpc_log.h"

namespace tessera::rendezvous {
namespace {

constexpr int kFirstRetryMs = 50;
constexpr int kLastRetryMs = 300;
// How long what was sent may wait for the other side to take it. A call does not end, whatever its
// deadline, before what it was sending is written or the connection is lost, and TCP tries for a
// quarter of an hour.
constexpr int kUnacknowledgedMs = 10'000;
// A fence's data of all nodes.
constexpr int kMaxReplyBytes = 64 << 20;

}  // namespace

Endpoint parse_endpoint(const std::string& text) {
  size_t colon = text.rfind(':');
  auto wrong = [&] { throw Error(fmt::format("expected HOST:PORT, got '{}'", text)); };
  if (colon == std::string::npos || colon == 0) wrong();
  Endpoint endpoint{text.substr(0, colon), 0};
  if (endpoint.host.front() == '[') {
    if (endpoint.host.size() < 3 || endpoint.host.back() != ']') wrong();
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  } else if (endpoint.host.find(':') != std::string::npos) {
    wrong();
  }
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data() + colon + 1, end, endpoint.port);
  if (error != std::errc() || stop != end || endpoint.port < 0 || endpoint.port > 65535) wrong();
  return endpoint;
}

std::string text_of(const Endpoint& endpoint) {
  bool v6 = endpoint.host.find(':') != std::string::npos;
  std::string host = v6 ? "[" + endpoint.host + "]" : endpoint.host;
  return fmt::format("{}:{}", host, endpoint.port);
}

std::shared_ptr<grpc::Channel> make_channel(const Endpoint& endpoint,
                                            const Credentials& credentials, Millis connect_ms) {
  print_grpc_errors();
  TESSERA_CHECK(credentials.secure() || is_loopback(endpoint.host),
                "rendezvous {}: without certificates only this machine's own can be reached; "
                "`tessera rendezvous init DIR` makes some",
                text_of(endpoint));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstRetryMs);
  // Which is how long an attempt may take, whatever its name says.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(connect_ms));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLastRetryMs);
  // TCP's user timeout comes with keepalive only; so the first ping comes in 24 days.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max() - 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kUnacknowledgedMs);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMaxReplyBytes);
  // Refused here at once, with the same code as there.
  arguments.SetMaxSendMessageSize(kMaxRequestBytes);
  set_server_name(credentials, arguments);
  return grpc::CreateCustomChannel(text_of(endpoint), channel_credentials(credentials), arguments);
}

std::unique_ptr<grpc::ClientContext> make_context(const Credentials& credentials,
                                                  Millis timeout_ms) {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!credentials.token.empty()) context->AddMetadata(kTokenMetadata, credentials.token);
  if (timeout_ms > 0) {
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
  }
  return context;
}

}  // namespace tessera::rendezvous
