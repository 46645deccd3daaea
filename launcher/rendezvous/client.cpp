#include "launcher/rendezvous/client.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <optional>
#include <random>
#include <utility>

namespace tessera::rendezvous {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Long, because of a thousand that join at once; whoever gives up and tries again makes it worse.
constexpr Millis kJoinTimeout = 20'000;
constexpr Millis kRetry = 50;
// How often to look whether a stream is over.
constexpr Millis kLook = 100;
// Every beat is answered. After so long without an answer the connection counts as lost: a new one
// is through sooner than the old one, on which TCP waits longer with every attempt.
constexpr milliseconds kSilence{1200};
// For the same reason a member that connects again does not wait long for one attempt.
constexpr Millis kReconnect = 300;
// A connection that was good for so long does not share the blame for those before it.
constexpr milliseconds kLasting{10'000};

// After failures in a row a client is more patient: a server that cannot keep up with a thousand of
// them has the more to do, the sooner they come anew. Two silences fit into a lease of 4 s.
milliseconds silence_after(int failures) { return kSilence * (1 + std::min(failures, 2)); }
// A server that is not there is found out sooner than this; that is no failure of its own.
constexpr milliseconds kHanging{200};
// A node that was never a member does not try for longer.
constexpr std::chrono::minutes kPatience{10};
// Nothing of a new member runs yet that a late answer could end.
constexpr int kPatient = 2;
// When the lease has lapsed anyway: up to so long for every further failure, and at most kMaxPause.
constexpr Millis kPause = 1000;
constexpr Millis kMaxPause = 8000;
Millis pause_after(int failures) {
  if (failures <= kPatient + 1) return kRetry;
  static thread_local std::minstd_rand random{std::random_device()()};
  Millis most = std::min(kPause * (failures - kPatient - 1), kMaxPause);
  return std::uniform_int_distribution<Millis>(kRetry, most)(random);
}
// A node that is started anew finds its place taken until its former self is lost. Who has it for
// longer lives.
constexpr milliseconds kTaken{5000};

// The first ones stay short, for a network that is cut for less than a lease.
Millis connect_after(int failures) { return kReconnect << std::clamp(failures - 2, 0, 4); }

bool will_not_change(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::ABORTED: return true;
    default: return false;
  }
}

}  // namespace

// A fence's call. Its context holds on to the connection, which must not be released by one of
// gRPC's own threads: its end waits for them. So calls that are over wait for this client's.
struct Client::Call {
  std::unique_ptr<grpc::ClientContext> context;
  v1::FenceReply reply;
  bool over = false;
};

// One stream of beats and orders.
class Client::Stream : public grpc::ClientBidiReactor<v1::Beat, v1::Order> {
 public:
  // silence: how long it may take the server to answer; kSilence when it has lasted. on_broken:
  // called when no order will come any more.
  Stream(Mailbox<FromServer>& mailbox, std::unique_ptr<grpc::ClientContext> context,
         milliseconds silence, std::function<void()> on_broken)
      : mailbox_(mailbox),
        context_(std::move(context)),
        silence_(silence),
        on_broken_(std::move(on_broken)) {}

  bool has_lasted() const { return Clock::now() - opened_ > kLasting; }

  void start(Stub& stub) {
    stub.async()->Heartbeat(context_.get(), this);
    // Until stop(), which lets beats be written from outside of reactions.
    AddHold();
    StartRead(&order_);
    StartCall();
  }

  void send(const v1::Beat& beat) {
    {
      std::lock_guard lock(mutex_);
      if (stopped_) return;
      if (!unanswered_since_) unanswered_since_ = Clock::now();
      if (writing_) {
        waiting_ = beat;
        return;
      }
      writing_ = true;
      beat_ = beat;
    }
    StartWrite(&beat_);
  }

  enum class State { open, broken, silent };
  State state() {
    std::lock_guard lock(mutex_);
    if (broken_) return State::broken;
    milliseconds silence = has_lasted() ? kSilence : silence_;
    bool silent = unanswered_since_ && Clock::now() - *unanswered_since_ > silence;
    return silent ? State::silent : State::open;
  }
  // Whether it has hung until somebody gave up.
  bool was_in_vain() {
    if (state() == State::silent) return true;
    std::lock_guard lock(mutex_);
    return !answered_ && Clock::now() - opened_ > kHanging;
  }

  // Ends the stream, and returns when nothing of it is under way any more.
  void stop() {
    context_->TryCancel();
    {
      std::unique_lock lock(mutex_);
      stopped_ = true;
      ended_.wait(lock, [&] { return !writing_; });
    }
    RemoveHold();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return done_; });
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) {
      context_->TryCancel();
      {
        std::lock_guard lock(mutex_);
        broken_ = true;
      }
      on_broken_();
      return;
    }
    {
      std::lock_guard lock(mutex_);
      answered_ = true;
      unanswered_since_.reset();
    }
    mailbox_.put(std::exchange(order_, {}));
    StartRead(&order_);
  }

  void OnWriteDone(bool ok) override {
    {
      std::lock_guard lock(mutex_);
      writing_ = ok && waiting_ && !stopped_;
      if (!writing_) {
        ended_.notify_all();
        return;
      }
      beat_ = *std::exchange(waiting_, std::nullopt);
    }
    StartWrite(&beat_);
  }

  void OnDone(const grpc::Status&) override {
    std::lock_guard lock(mutex_);
    done_ = true;
    ended_.notify_all();
  }

  Mailbox<FromServer>& mailbox_;
  std::unique_ptr<grpc::ClientContext> context_;
  milliseconds silence_;
  std::function<void()> on_broken_;
  const Clock::time_point opened_ = Clock::now();
  v1::Order order_;
  v1::Beat beat_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<v1::Beat> waiting_;
  std::optional<Clock::time_point> unanswered_since_;
  bool writing_ = false;
  bool answered_ = false;
  bool broken_ = false;
  bool stopped_ = false;
  bool done_ = false;
};

Client::Client(const Endpoint& endpoint, Credentials credentials)
    : endpoint_(endpoint), credentials_(std::move(credentials)) {
  make_channel(endpoint_, credentials_);  // finds out whether it may
  thread_ = std::thread([this] { run(); });
}

Client::~Client() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    if (joining_) joining_->TryCancel();
  }
  changed_.notify_all();
  thread_.join();
}

void Client::join(v1::JoinRequest request) {
  std::lock_guard lock(mutex_);
  request_ = std::move(request);
  turned_away_ = false;
  ++wanted_;
  if (joining_) joining_->TryCancel();
  fences_.clear();
  changed_.notify_all();
}

void Client::beat(const v1::Beat& beat) {
  std::shared_ptr<Stream> stream;
  {
    std::lock_guard lock(mutex_);
    if (joined_ == wanted_) stream = stream_;
  }
  if (stream) stream->send(beat);
}

void Client::fence(v1::FenceRequest request) {
  auto fence = std::make_shared<Fence>();
  fence->request = std::move(request);
  std::shared_ptr<Stub> stub;
  {
    std::lock_guard lock(mutex_);
    fences_.push_back(fence);
    stub = stub_;
  }
  if (stub) send_fence(stub, fence);
}

void Client::forget_fences() {
  std::lock_guard lock(mutex_);
  fences_.clear();
}

void Client::leave(const std::string& reason, Millis wait_ms) {
  v1::LeaveRequest request;
  {
    std::lock_guard lock(mutex_);
    if (member_ == 0) return;
    request.set_member(member_);
    request.set_secret(request_.secret());
  }
  request.set_reason(reason);
  v1::LeaveReply reply;
  auto stub = v1::Rendezvous::NewStub(make_channel(endpoint_, credentials_));
  stub->Leave(make_context(credentials_, wait_ms).get(), request, &reply);
}

void Client::run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || (wanted_ > 0 && !turned_away_); });
      if (stopping_) return;
    }
    serve_connection();
    pause(pause_after(num_failures_));
  }
}

void Client::pause(Millis ms) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, milliseconds(ms), [&] { return stopping_; });
}

bool Client::is_current(uint64_t attempt) {
  std::lock_guard lock(mutex_);
  return !stopping_ && attempt == wanted_;
}

void Client::serve_connection() {
  bool member = false;
  {
    std::lock_guard lock(mutex_);
    member = joined_ == wanted_;
  }
  Millis connect = member ? connect_after(num_failures_) : kConnectMs;
  std::shared_ptr<Stub> stub =
      v1::Rendezvous::NewStub(make_channel(endpoint_, credentials_, connect));
  if (member || try_join(*stub)) hold_stream(stub);
}

bool Client::try_join(Stub& stub) {
  v1::JoinRequest request;
  uint64_t attempt = 0;
  auto context = make_context(credentials_, kJoinTimeout);
  // The first attempt finds out what the user should know.
  context->set_wait_for_ready(told_);
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return false;
    request = request_;
    attempt = wanted_;
    joining_ = context.get();
  }
  v1::JoinReply reply;
  auto answered = std::make_shared<std::promise<grpc::Status>>();
  // A call that blocks would make this thread poll all connections of the process.
  stub.async()->Join(context.get(), &request, &reply,
                     [answered](grpc::Status result) { answered->set_value(std::move(result)); });
  grpc::Status status = answered->get_future().get();
  std::lock_guard lock(mutex_);
  joining_ = nullptr;
  if (attempt != wanted_) return false;
  if (!status.ok()) {
    take_refusal(status);
    return false;
  }
  num_failures_ = kPatient;
  joined_ = attempt;
  member_ = reply.member();
  mailbox_.put(Joined{std::move(reply)});
  return true;
}

void Client::take_refusal(const grpc::Status& status) {
  Clock::time_point now = Clock::now();
  bool taken = status.error_code() == grpc::StatusCode::ALREADY_EXISTS;
  if (!taken) taken_since_.reset();
  if (taken && !taken_since_) taken_since_ = now;
  if (!trying_since_) trying_since_ = now;
  bool taken_for_long = taken && now - *taken_since_ > kTaken;
  bool too_late = joined_ == 0 && now - *trying_since_ > kPatience;
  turned_away_ = taken_for_long || too_late || will_not_change(status.error_code());
  if (turned_away_) {
    mailbox_.put(TurnedAway{status.error_message()});
  } else if (!std::exchange(told_, true)) {
    mailbox_.put(NotYet{status.error_message()});
  }
}

void Client::hold_stream(const std::shared_ptr<Stub>& stub) {
  auto stream = std::make_shared<Stream>(mailbox_, make_context(credentials_, 0),
                                         silence_after(num_failures_), [this] {
                                           std::lock_guard lock(mutex_);
                                           changed_.notify_all();
                                         });
  stream->start(*stub);
  uint64_t attempt = 0;
  {
    std::lock_guard lock(mutex_);
    attempt = joined_;
    stream_ = stream;
    stub_ = stub;
    // A server that was started anew knows nothing of the fences, of those that have ended neither:
    // others may not have heard of it.
    for (const auto& fence : fences_) fence->answered = false;
  }
  mailbox_.put(Connected{});
  while (is_current(attempt) && stream->state() == Stream::State::open) {
    send_open_fences(stub);
    drop_ended_calls();
    std::unique_lock lock(mutex_);
    if (!stopping_) changed_.wait_for(lock, milliseconds(kLook));
  }
  if (stream->has_lasted()) num_failures_ = 0;
  if (stream->was_in_vain()) ++num_failures_;
  {
    std::unique_lock lock(mutex_);
    stream_.reset();
    stub_.reset();
    for (const auto& call : calls_) call->context->TryCancel();
    changed_.wait(lock, [&] {
      return std::all_of(calls_.begin(), calls_.end(), [](const auto& call) { return call->over; });
    });
  }
  drop_ended_calls();
  stream->stop();
}

void Client::send_fence(const std::shared_ptr<Stub>& stub, const std::shared_ptr<Fence>& fence) {
  auto owned = std::make_unique<Call>();
  Call* call = owned.get();
  call->context = make_context(credentials_, 0);
  {
    std::lock_guard lock(mutex_);
    // Of a connection that is over already: the next one takes it up.
    if (stub_ != stub || std::exchange(fence->under_way, true)) return;
    calls_.push_back(std::move(owned));
  }
  stub->async()->Fence(call->context.get(), &fence->request, &call->reply,
                       [this, call, fence](const grpc::Status& status) {
                         fence_answered(fence, status, call->reply);
                         std::lock_guard lock(mutex_);
                         fence->under_way = false;
                         call->over = true;
                         changed_.notify_all();
                       });
}

void Client::drop_ended_calls() {
  std::vector<std::unique_ptr<Call>> over;
  std::lock_guard lock(mutex_);
  auto end =
      std::partition(calls_.begin(), calls_.end(), [](const auto& call) { return !call->over; });
  over.assign(std::move_iterator(end), std::move_iterator(calls_.end()));
  calls_.erase(end, calls_.end());
}

// Also those that the server was too busy for.
void Client::send_open_fences(const std::shared_ptr<Stub>& stub) {
  std::vector<std::shared_ptr<Fence>> open;
  {
    std::lock_guard lock(mutex_);
    for (const auto& fence : fences_) {
      if (!fence->answered && !fence->under_way) open.push_back(fence);
    }
  }
  for (const auto& fence : open) send_fence(stub, fence);
}

void Client::fence_answered(const std::shared_ptr<Fence>& fence, const grpc::Status& status,
                            const v1::FenceReply& reply) {
  std::lock_guard lock(mutex_);
  // Otherwise the call was lost with its connection, or the server was too busy: it is made again.
  bool too_large = status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED;
  fence->answered = status.ok() || too_large || will_not_change(status.error_code());
  if (!fence->answered || std::exchange(fence->told, true)) return;
  FenceEnded message{fence->request.generation(), fence->request.key(), status.ok(), ""};
  for (const std::string& part : reply.data()) message.data += part;
  mailbox_.put(std::move(message));
}

}  // namespace tessera::rendezvous
