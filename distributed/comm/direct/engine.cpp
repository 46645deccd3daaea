#include "distributed/comm/direct/engine.h"

#include <algorithm>

namespace tessera {
namespace {

// MPI counts in int; a longer piece travels as several messages, cut alike on both sides.
constexpr size_t kMaxMessageBytes = size_t{256} << 20;

// A rank that waits for a rank that waits for the late one leaves it to the latter, who knows whom
// it waits for, to say so first.
std::chrono::milliseconds grace(std::chrono::milliseconds timeout) {
  // Waits look at the clock every 80 ms or so, and a busy machine holds ranks up.
  constexpr std::chrono::milliseconds kLeast{500};
  constexpr std::chrono::milliseconds kMost{5000};
  return std::clamp(timeout / 2, kLeast, kMost);
}

}  // namespace

bool Operation::due_messages_arrived() {
  // All are asked, not only up to the first that is late: a receive may need to be asked for its
  // sender, who asks for ours, to go on.
  int late = -1;
  std::erase_if(messages_, [&](Pending& pending) {
    if (pending.due > next_step_) return false;
    waiting_for_ = pending.peer;
    if (pending.message->done()) return true;
    if (late < 0) late = pending.peer;
    return false;
  });
  waiting_for_ = late;
  return late < 0;
}

bool Operation::advance() {
  while (!done_ && due_messages_arrived()) {
    if (next_step_ == steps_.size()) {
      done_ = true;
      clear();
    } else {
      std::function<void()> step = std::move(steps_[next_step_++]);
      step();
    }
  }
  return done_;
}

void Operation::clear() {
  messages_.clear();
  steps_.clear();
  tell_ = nullptr;
}

Engine::Engine(std::shared_ptr<Transport> transport, Group group, CommOptions options)
    : transport_(std::move(transport)), group_(std::move(group)), options_(options) {
  transport_->progressing().push_back(this);
}

Engine::~Engine() {
  std::erase(transport_->progressing(), this);
  drop_all();
  transport_->leave(group_.contexts.front());
}

void Engine::send(Operation& op, int peer, int tag, std::span<const std::byte> bytes,
                  std::shared_ptr<const void> owner, size_t later) {
  Route route{group_.members[static_cast<size_t>(peer)], group_.contexts.front(), tag};
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kMaxMessageBytes))) {
    auto piece = bytes.first(std::min(bytes.size(), kMaxMessageBytes));
    op.add(peer, transport_->send(route, piece, owner), later);
  }
}

void Engine::receive(Operation& op, int peer, int tag, std::span<std::byte> bytes,
                     std::shared_ptr<const void> owner, size_t later) {
  Route route{group_.members[static_cast<size_t>(peer)], group_.contexts.front(), tag};
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kMaxMessageBytes))) {
    auto piece = bytes.first(std::min(bytes.size(), kMaxMessageBytes));
    op.add(peer, transport_->receive(route, piece, owner), later);
  }
}

void Engine::check(const Call& call) {
  if (failure_) throw CommError(*failure_);
  for (int context : group_.contexts) {
    std::optional<Failure> found = transport_->failure(context);
    if (!found) continue;
    auto member = std::find(group_.members.begin(), group_.members.end(), found->origin);
    int peer =
        member == group_.members.end() ? -1 : static_cast<int>(member - group_.members.begin());
    failure_.emplace(std::string(name(call.op)), call.sequence, rank(), peer, found->message,
                     /*found_by_peer=*/found->origin != transport_->rank());
    drop_all();
    throw CommError(*failure_);
  }
}

void Engine::check_peers(const Call& call) {
  // MPI's first look may only fetch what the second finds.
  for (int look = 0; look < 2; ++look) transport_->look_for_failures();
  check(call);
}

void Engine::start_collective(std::shared_ptr<Operation> op) {
  // Asking MPI takes as long as a small collective, and waits ask it as well.
  constexpr int64_t kEvery = 16;
  if (op->call().sequence % kEvery == 0) transport_->look_for_failures();
  check(op->call());
  collectives_.push_back(std::move(op));
  progress();
}

void Engine::start_point_to_point(std::shared_ptr<Operation> op) {
  transport_->look_for_failures();
  check(op->call());
  point_to_point_.push_back(std::move(op));
  progress();
}

void Engine::finish(const Operation& op, std::chrono::milliseconds timeout) {
  // So that adding it to the clock cannot overflow.
  constexpr std::chrono::milliseconds kForever = std::chrono::hours(24 * 365);
  std::optional<std::chrono::steady_clock::time_point> deadline;
  bool has_grace = true;
  for (int round = 0; !op.done(); ++round) {
    check(op.call());
    progress();
    if (op.done()) return;
    for (Progressing* other : transport_->progressing()) {
      if (other != this) other->move_on();
    }
    // Reading the clock takes longer than a small collective has to wait.
    if (round % 8 == 7 || round == 0) {
      auto now = std::chrono::steady_clock::now();
      if (!deadline) deadline = now + std::min(timeout, kForever);
      if (now >= *deadline && has_grace && in_the_way(op).waits_through_others()) {
        *deadline += grace(timeout);
        has_grace = false;
      }
      if (now >= *deadline) time_over(op, timeout);
    }
    transport_->idle(round);
  }
}

void Engine::move_on() noexcept {
  if (collectives_.empty() && point_to_point_.empty()) return;
  try {
    progress();
  } catch (const std::exception&) {
    // Kept as failure_.
  }
}

void Engine::progress() {
  // No slot of a line is for two collectives that are under way.
  size_t most = transport_->neighbours() ? Line::kSlots : SIZE_MAX;
  while (true) {
    while (num_told_ < std::min(collectives_.size(), most) &&
           attempt(*collectives_[num_told_], &Operation::tell)) {
      ++num_told_;
    }
    if (num_told_ == 0 || !attempt(*collectives_.front(), &Operation::advance)) break;
    collectives_.pop_front();
    --num_told_;
  }
  if (point_to_point_.empty()) return;
  std::erase_if(point_to_point_,
                [this](const auto& op) { return attempt(*op, &Operation::advance); });
}

bool Engine::attempt(Operation& op, bool (Operation::*step)()) {
  // A failure lets go of all operations, so what it needs of this one is copied first.
  Call call;
  int peer = -1;
  std::string detail;
  try {
    return (op.*step)();
  } catch (const PeerError& error) {
    call = op.call();
    peer = error.peer();
    detail = error.what();
  } catch (const Error& error) {
    call = op.call();
    peer = op.waiting_for();
    detail = error.what();
    check_peers(call);
  }
  fail(call, peer, detail);
}

// One that has not begun waits for those before it.
const Operation& Engine::in_the_way(const Operation& op) const {
  return op.waiting_for() < 0 && !collectives_.empty() ? *collectives_.front() : op;
}

void Engine::time_over(const Operation& op, std::chrono::milliseconds timeout) {
  const Operation& late = in_the_way(op);
  check_peers(op.call());
  fail(late.call(), late.waiting_for(),
       fmt::format("the peer{} did not answer {} within {} ms",
                   late.waits_through_others() ? ", or one that it waits for," : "",
                   describe(late.call()), timeout.count()));
}

void Engine::fail(const Call& call, int peer, const std::string& detail) {
  failure_.emplace(std::string(name(call.op)), call.sequence, rank(), peer, detail);
  // Peers learn it from here rather than by their own timeouts.
  transport_->fail(group_.contexts.front(), group_.members, failure_->what());
  drop_all();
  throw CommError(*failure_);
}

void Engine::drop_all() {
  for (const auto& op : collectives_) op->clear();
  for (const auto& op : point_to_point_) op->clear();
  collectives_.clear();
  num_told_ = 0;
  point_to_point_.clear();
}

}  // namespace tessera
