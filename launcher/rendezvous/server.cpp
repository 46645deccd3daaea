#include "launcher/rendezvous/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "launcher/rendezvous/call_watch.h"
#include "launcher/rendezvous/calls.h"
#include "launcher/rendezvous/channel.h"
#include "launcher/rendezvous/grpc_log.h"
#include "launcher/rendezvous/listener.h"
#include "launcher/rendezvous/worker.h"
#include "proto/rendezvous.grpc.pb.h"

namespace tessera::rendezvous {
namespace {

constexpr size_t kMaxServerBytes = size_t{256} << 20;
constexpr int kMaxStreamsPerConnection = 256;
// Connections without a good call yet, besides one of every node. A TLS handshake that does not go
// on keeps 70 KB.
constexpr size_t kMaxStrangers = 320;
constexpr int kHandshakeMs = 5000;
constexpr size_t kMaxCalls = 50'000;
constexpr size_t kMaxEventStreams = 64;
// Of one stream, in beats a second, and how many at once. An agent sends two a second, and one for
// every change.
constexpr double kBeatRate = 50;
constexpr double kBeatBurst = 200;
// Of all calls but beats, over all callers.
constexpr double kCallRate = 20'000;
constexpr double kCallBurst = 40'000;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Finds reactors by number while they live.
template <class Reactor>
class Registry {
 public:
  void add(CallId id, std::weak_ptr<Reactor> reactor) {
    std::lock_guard lock(mutex_);
    reactors_[id] = std::move(reactor);
  }
  // Whether there was room for one more.
  bool add(CallId id, std::weak_ptr<Reactor> reactor, size_t most) {
    std::lock_guard lock(mutex_);
    if (reactors_.size() >= most) return false;
    reactors_[id] = std::move(reactor);
    return true;
  }
  void remove(CallId id) {
    std::lock_guard lock(mutex_);
    reactors_.erase(id);
  }
  std::shared_ptr<Reactor> find(CallId id) const {
    std::lock_guard lock(mutex_);
    auto found = reactors_.find(id);
    return found == reactors_.end() ? nullptr : found->second.lock();
  }
  std::vector<std::shared_ptr<Reactor>> all() const {
    std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<Reactor>> out;
    for (const auto& [id, reactor] : reactors_) {
      if (auto alive = reactor.lock()) out.push_back(std::move(alive));
    }
    return out;
  }
  size_t size() const {
    std::lock_guard lock(mutex_);
    return reactors_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<CallId, std::weak_ptr<Reactor>> reactors_;
};

// For calls that are refused before anything is read.
class RefusedBeats : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit RefusedBeats(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};
class RefusedEvents : public grpc::ServerWriteReactor<v1::Event> {
 public:
  explicit RefusedEvents(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

// Every method by its messages, but for Heartbeat: its orders are sent as bytes.
using S = v1::Rendezvous;
using Unary = S::WithCallbackMethod_Join<S::WithCallbackMethod_Leave<
    S::WithCallbackMethod_Fence<S::WithCallbackMethod_Put<S::WithCallbackMethod_Get<
        S::WithCallbackMethod_Status<S::WithCallbackMethod_Drain<S::Service>>>>>>>;
using Service = S::WithRawCallbackMethod_Heartbeat<S::WithCallbackMethod_Events<Unary>>;

}  // namespace

class Server::Impl : public Service, private Worker::Outlet {
 public:
  explicit Impl(ServerOptions options)
      : options_(checked(std::move(options))),
        worker_(options_.settings, options_.journal, *this),
        listener_(options_.host, options_.port) {
    serve();
    worker_.start();
    allow_connections();
    listener_.start([this](Descriptor connection) {
      grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
      parameters.fd = connection.release();
      acceptor_->HandleNewConnection(&parameters);
    });
  }
  ~Impl() override {
    listener_.stop();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(200));
    worker_.stop();
    server_->Wait();
    print_counted_errors();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  int port() const { return listener_.port(); }
  Worker& worker() { return worker_; }
  v1::StatusReply status() const {
    v1::StatusReply reply = worker_.status();
    reply.set_refused(refused_ + listener_.num_refused());
    return reply;
  }

  grpc::ServerUnaryReactor* Join(grpc::CallbackServerContext* context,
                                 const v1::JoinRequest* request, v1::JoinReply* reply) override {
    return hold<JoinCall>(context, *request, *reply);
  }
  grpc::ServerUnaryReactor* Leave(grpc::CallbackServerContext* context,
                                  const v1::LeaveRequest* request, v1::LeaveReply* reply) override {
    return hold<LeaveCall>(context, *request, *reply);
  }
  grpc::ServerUnaryReactor* Fence(grpc::CallbackServerContext* context,
                                  const v1::FenceRequest* request, v1::FenceReply* reply) override {
    return hold<FenceCall>(context, *request, *reply);
  }
  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const v1::PutRequest* request,
                                v1::PutReply* reply) override {
    return hold<PutCall>(context, *request, *reply);
  }
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::GetReply* reply) override {
    return hold<GetCall>(context, *request, *reply);
  }
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request, v1::DrainReply* reply) override {
    return hold<DrainCall>(context, *request, *reply);
  }
  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context, const v1::StatusRequest*,
                                   v1::StatusReply* reply) override {
    grpc::Status admitted = admit(*context);
    if (admitted.ok()) *reply = status();
    auto* reactor = context->DefaultReactor();
    reactor->Finish(admitted);
    return reactor;
  }
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Heartbeat(
      grpc::CallbackServerContext* context) override;
  grpc::ServerWriteReactor<v1::Event>* Events(grpc::CallbackServerContext* context,
                                              const v1::EventsRequest* request) override;

 private:
  // Before a journal is touched.
  static ServerOptions checked(ServerOptions options) {
    check_may_bind(options.host, options.credentials);
    bool bracketed = options.host.size() > 2 && options.host.front() == '[';
    if (bracketed) options.host = options.host.substr(1, options.host.size() - 2);
    return options;
  }
  void serve();
  void allow_connections() {
    listener_.allow(kMaxStrangers + static_cast<size_t>(worker_.max_nodes()));
  }
  grpc::Status admit(const grpc::CallbackServerContext& context);
  grpc::Status trouble_with(const grpc::CallbackServerContext& context);
  grpc::Status refuse(grpc::StatusCode code, const std::string& text) {
    ++refused_;
    return {code, text};
  }

  template <class Call, class Request, class Reply>
  grpc::ServerUnaryReactor* hold(grpc::CallbackServerContext* context, const Request& request,
                                 Reply& reply) {
    grpc::Status admitted = admit(*context);
    if (!admitted.ok()) {
      auto* reactor = context->DefaultReactor();
      reactor->Finish(admitted);
      return reactor;
    }
    CallId id = ++last_id_;
    auto fill = [&reply](const Answer& answer) {
      if (const auto* got = std::get_if<Reply>(&answer.reply)) reply = *got;
    };
    auto held = std::make_shared<HeldCall>(fill, [this, id] {
      held_.remove(id);
      worker_.put(Abandoned{id});
    });
    held->keep();
    held_.add(id, held);
    if (!worker_.put(Call{id, request})) {
      held->end(refuse(grpc::StatusCode::UNAVAILABLE, "the server has too much to do, or stops"));
    }
    return held.get();
  }

  void answer(const Answer& answer) override {
    if (std::holds_alternative<Refusal>(answer.reply)) ++refused_;
    if (std::holds_alternative<v1::JoinReply>(answer.reply)) allow_connections();
    if (auto call = held_.find(answer.call)) call->answer(answer);
  }
  void order(const SendOrder& order) override {
    if (order.order.kind() == v1::Order::KIND_FENCED) ++refused_;
    auto stream = streams_.find(order.stream);
    if (stream) stream->send(order.order, order.plan ? plans_.of(order.plan) : grpc::Slice());
  }
  void happened(const Happened& happened) override {
    v1::Event event;
    event.set_time_ms(wall_ms());
    event.set_generation(happened.generation);
    event.set_text(happened.text);
    log_.add(std::move(event));
    for (const auto& stream : event_streams_.all()) stream->wake();
  }
  void failed() override {
    grpc::Status status(grpc::StatusCode::UNAVAILABLE, "the server has failed");
    for (const auto& call : held_.all()) call->end(status);
    for (const auto& stream : streams_.all()) stream->end(status);
    for (const auto& stream : event_streams_.all()) stream->end(status);
  }

  ServerOptions options_;
  std::atomic<CallId> last_id_ = 0;
  std::atomic<uint64_t> refused_ = 0;  // calls
  std::mutex rate_mutex_;
  RateLimit calls_{kCallRate, kCallBurst};
  EventLog log_;
  Registry<HeldCall> held_;
  Registry<BeatStream> streams_;
  Registry<EventStream> event_streams_;
  PlanBytes plans_;  // of the worker's thread
  Worker worker_;
  Listener listener_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

void Server::Impl::serve() {
  print_grpc_errors();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      server_credentials(options_.credentials));
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  grpc::ResourceQuota quota("rendezvous");
  quota.Resize(kMaxServerBytes);
  builder.SetResourceQuota(quota);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> watches;
  watches.push_back(
      std::make_unique<CallWatch>([this](const std::string& peer) { listener_.note_call(peer); },
                                  [this](const std::string& peer) {
                                    listener_.note_call(peer);
                                    ++refused_;
                                  }));
  builder.experimental().SetInterceptorCreators(std::move(watches));
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  TESSERA_CHECK(server_, "rendezvous: gRPC cannot serve");
}

grpc::Status Server::Impl::admit(const grpc::CallbackServerContext& context) {
  grpc::Status status = trouble_with(context);
  if (status.ok()) {
    listener_.admit(context.peer());
  } else {
    listener_.note_call(context.peer());
  }
  return status;
}

grpc::Status Server::Impl::trouble_with(const grpc::CallbackServerContext& context) {
  const std::string& token = options_.credentials.token;
  auto [begin, end] = context.client_metadata().equal_range(kTokenMetadata);
  bool one = begin != end && std::next(begin) == end;
  bool good = one && same_secret({begin->second.data(), begin->second.size()}, token);
  if (!token.empty() && !good) {
    return refuse(grpc::StatusCode::UNAUTHENTICATED, "expected the job's token");
  }
  {
    std::lock_guard lock(rate_mutex_);
    if (!calls_.take(seconds_now())) {
      return refuse(grpc::StatusCode::UNAVAILABLE, "too many calls");
    }
  }
  if (held_.size() + streams_.size() >= kMaxCalls) {
    return refuse(grpc::StatusCode::UNAVAILABLE, "too many calls at once");
  }
  return grpc::Status::OK;
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Server::Impl::Heartbeat(
    grpc::CallbackServerContext* context) {
  grpc::Status admitted = admit(*context);
  if (!admitted.ok()) return new RefusedBeats(admitted);
  CallId id = ++last_id_;
  auto limit = std::make_shared<RateLimit>(kBeatRate, kBeatBurst);
  auto on_beat = [this, id, limit](grpc::ByteBuffer& bytes) -> grpc::Status {
    v1::Beat beat;
    if (!grpc::SerializationTraits<v1::Beat>::Deserialize(&bytes, &beat).ok()) {
      return refuse(grpc::StatusCode::INVALID_ARGUMENT, "expected a beat");
    }
    if (!limit->take(seconds_now())) {
      return refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many beats");
    }
    if (!worker_.put(BeatCall{id, beat})) {
      return refuse(grpc::StatusCode::UNAVAILABLE, "the server has too much to do, or stops");
    }
    return grpc::Status::OK;
  };
  auto stream = std::make_shared<BeatStream>(on_beat, [this, id] { streams_.remove(id); });
  stream->keep();
  streams_.add(id, stream);
  stream->start();
  return stream.get();
}

grpc::ServerWriteReactor<v1::Event>* Server::Impl::Events(grpc::CallbackServerContext* context,
                                                          const v1::EventsRequest* request) {
  grpc::Status admitted = admit(*context);
  if (!admitted.ok()) return new RefusedEvents(admitted);
  CallId id = ++last_id_;
  auto stream = std::make_shared<EventStream>(log_, request->from(), request->follow(),
                                              [this, id] { event_streams_.remove(id); });
  if (!event_streams_.add(id, stream, kMaxEventStreams)) {
    return new RefusedEvents(
        refuse(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many readers of events"));
  }
  stream->keep();
  stream->wake();
  return stream.get();
}

Server::Server(ServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;
int Server::port() const { return impl_->port(); }
v1::StatusReply Server::status() const { return impl_->status(); }
std::string Server::failure() const { return impl_->worker().failure(); }
bool Server::wait_for_end(Millis wait_ms) { return impl_->worker().wait_for_end(wait_ms); }
v1::Record::Finished Server::finish() const { return impl_->worker().finish(); }

}  // namespace tessera::rendezvous
