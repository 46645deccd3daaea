// The gRPC calls that the server holds: who waits for an answer, who takes orders and events.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "launcher/rendezvous/step_types.h"
#include "proto/rendezvous.grpc.pb.h"

namespace tessera::rendezvous {

grpc::Status status_of(const Refusal& refusal);

// A bucket of tokens that fills at `rate` a second up to `burst`. Not for several threads.
class RateLimit {
 public:
  RateLimit(double rate, double burst) : rate_(rate), burst_(burst), tokens_(burst) {}
  bool take(double now_s);

 private:
  double rate_;
  double burst_;
  double tokens_;
  double last_s_ = 0;
};

// What a call and those who act on it share. gRPC says once, at the end, that it lets go of a
// reactor; until then it keeps itself, and afterwards whoever still has it may call it in vain.
template <class Reactor>
class Kept : public Reactor, public std::enable_shared_from_this<Kept<Reactor>> {
 public:
  // on_end is called when gRPC has let go.
  explicit Kept(std::function<void()> on_end) : on_end_(std::move(on_end)) {}
  void keep() { self_ = this->shared_from_this(); }

 private:
  void OnDone() override {
    on_end_();
    self_.reset();
  }

  std::function<void()> on_end_;
  std::shared_ptr<Kept> self_;
};

// A call that is answered later, from any thread, once: by the answer, or by its end.
class HeldCall : public Kept<grpc::ServerUnaryReactor> {
 public:
  using Fill = std::function<void(const Answer&)>;
  // fill puts an answer into the reply.
  HeldCall(Fill fill, std::function<void()> on_end)
      : Kept(std::move(on_end)), fill_(std::move(fill)) {}

  void answer(const Answer& answer);
  void end(const grpc::Status& status);

 private:
  void OnCancel() override { end({grpc::StatusCode::CANCELLED, "cancelled"}); }

  Fill fill_;
  std::atomic<bool> finished_ = false;
};

// How a stream's writes and its end take turns: one write at a time, and the end after the last.
class Turns {
 public:
  // Whether to begin a write now, for which `take` says what, if there is something.
  bool begin_write(const std::function<bool()>& take);
  // After a write; the status to finish with, if the end has come meanwhile.
  std::optional<grpc::Status> end_write();
  // Whether to finish at once; else end_write() will tell.
  bool begin_end(const grpc::Status& status);

 private:
  std::mutex mutex_;
  bool writing_ = false;
  bool ended_ = false;
  std::optional<grpc::Status> status_;
};

// Turns plans into bytes, each once for all orders that have it: a thousand copies of the plan of a
// thousand nodes take seconds. Not for several threads.
class PlanBytes {
 public:
  // Such that an order's own bytes and then these are the order with the plan.
  const grpc::Slice& of(const std::shared_ptr<const v1::Plan>& plan);

 private:
  std::shared_ptr<const v1::Plan> plan_;
  grpc::Slice bytes_;
};

// A member's stream: gives beats on, and sends orders. Of orders that wait to be sent, a later one
// replaces an earlier one of its kind.
class BeatStream : public Kept<grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>> {
 public:
  // on_beat: whether the stream may go on after what came, which is a beat if all is well.
  BeatStream(std::function<grpc::Status(grpc::ByteBuffer&)> on_beat, std::function<void()> on_end)
      : Kept(std::move(on_end)), on_beat_(std::move(on_beat)) {}

  void start() { StartRead(&received_); }
  // plan_bytes: as PlanBytes has them; empty without a plan.
  void send(const v1::Order& order, const grpc::Slice& plan_bytes);
  void end(const grpc::Status& status);

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override { end({grpc::StatusCode::CANCELLED, "cancelled"}); }
  void write_next();

  struct Waiting {
    v1::Order::Kind kind;
    grpc::ByteBuffer bytes;
  };

  std::function<grpc::Status(grpc::ByteBuffer&)> on_beat_;
  grpc::ByteBuffer received_;
  Turns turns_;
  std::mutex mutex_;
  std::deque<Waiting> waiting_;
  grpc::ByteBuffer writing_;
};

class EventLog;

// Reads the events from a number on.
class EventStream : public Kept<grpc::ServerWriteReactor<v1::Event>> {
 public:
  EventStream(EventLog& log, uint64_t from, bool follow, std::function<void()> on_end);
  // Sends what there is and was not sent yet.
  void wake();
  void end(const grpc::Status& status);

 private:
  void OnWriteDone(bool ok) override;
  void OnCancel() override { end({grpc::StatusCode::CANCELLED, "cancelled"}); }

  EventLog& log_;
  uint64_t next_;
  bool follow_;
  Turns turns_;
  v1::Event event_;
};

// The newest events.
class EventLog {
 public:
  static constexpr size_t kMaxEvents = 4096;
  void add(v1::Event event);
  // The first event from that number on, if there is one.
  bool next(uint64_t from, v1::Event& event) const;

 private:
  mutable std::mutex mutex_;
  std::deque<v1::Event> events_;
  uint64_t last_ = 0;
};

}  // namespace tessera::rendezvous
