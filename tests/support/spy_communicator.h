// A communicator that hands calls on to another one and notes them: for tests of what is called on
// which communicator, and of how the transfers are waited for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "distributed/comm/communicator.h"

namespace tessera::test {

// One call, and what was done with its Work.
struct SpiedCall {
  std::string op;
  int waited = 0;
  int joined = 0;
};

class SpyCommunicator final : public Communicator {
 public:
  using Log = std::vector<std::shared_ptr<SpiedCall>>;

  // `inner` outlives this.
  explicit SpyCommunicator(Communicator& inner, bool reduces_in_rank_order = true)
      : inner_(inner),
        reduces_in_rank_order_(reduces_in_rank_order),
        log_(std::make_shared<Log>()) {}

  // Of this one and those split from it, in the order of the calls.
  const Log& calls() const { return *log_; }
  void forget() { log_->clear(); }
  int64_t count(std::string_view op) const {
    int64_t count = 0;
    for (const auto& call : *log_) count += call->op == op ? 1 : 0;
    return count;
  }
  // Whether every transfer was waited for in one way alone.
  bool all_joined() const { return all(0, 1); }
  bool all_waited() const { return all(1, 0); }

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  Device device() const override { return inner_.device(); }
  bool reduces_in_rank_order() const override { return reduces_in_rank_order_; }
  Array allocate(Dims shape, DType dtype) override {
    return inner_.allocate(std::move(shape), dtype);
  }
  Work all_reduce(const Array& array, ReduceKind kind, CallSite site) override {
    return note("all_reduce", inner_.all_reduce(array, kind, site));
  }
  Work reduce_scatter(std::span<const Array> sends, const Array& recv, ReduceKind kind,
                      CallSite site) override {
    return note("reduce_scatter", inner_.reduce_scatter(sends, recv, kind, site));
  }
  Work all_gather(const Array& send, std::span<const Array> recvs, CallSite site) override {
    return note("all_gather", inner_.all_gather(send, recvs, site));
  }
  Work broadcast(const Array& array, int root, CallSite site) override {
    return note("broadcast", inner_.broadcast(array, root, site));
  }
  Work gather(const Array& send, std::span<const Array> recvs, int root, CallSite site) override {
    return note("gather", inner_.gather(send, recvs, root, site));
  }
  Work scatter(std::span<const Array> sends, const Array& recv, int root, CallSite site) override {
    return note("scatter", inner_.scatter(sends, recv, root, site));
  }
  Work all_to_all(std::span<const Array> sends, std::span<const Array> recvs,
                  CallSite site) override {
    return note("all_to_all", inner_.all_to_all(sends, recvs, site));
  }
  Work send(const Array& array, int peer, int tag, CallSite site) override {
    return note("send", inner_.send(array, peer, tag, site));
  }
  Work recv(const Array& array, int peer, int tag, CallSite site) override {
    return note("recv", inner_.recv(array, peer, tag, site));
  }
  Work barrier(CallSite site) override { return note("barrier", inner_.barrier(site)); }
  void set_where(Where where) override { inner_.set_where(std::move(where)); }
  std::unique_ptr<Communicator> split(int color, int key, CallSite site) override {
    auto inner = inner_.split(color, key, site);
    log_->push_back(std::make_shared<SpiedCall>(SpiedCall{"split", 0, 1}));
    if (!inner) return nullptr;
    return std::unique_ptr<Communicator>(
        new SpyCommunicator(std::move(inner), reduces_in_rank_order_, log_));
  }
  void abort(const std::string& message) override { inner_.abort(message); }

 private:
  SpyCommunicator(std::unique_ptr<Communicator> inner, bool in_rank_order, std::shared_ptr<Log> log)
      : owned_(std::move(inner)),
        inner_(*owned_),
        reduces_in_rank_order_(in_rank_order),
        log_(std::move(log)) {}

  class State : public Work::State {
   public:
    State(Work inner, std::shared_ptr<SpiedCall> call) : inner_(inner), call_(std::move(call)) {}
    void order_stream() override {
      ++call_->waited;
      inner_.wait();
    }
    void join(std::chrono::milliseconds timeout) override {
      ++call_->joined;
      inner_.join(timeout);
    }
    std::chrono::milliseconds default_timeout() const override { return std::chrono::seconds(30); }

   private:
    Work inner_;
    std::shared_ptr<SpiedCall> call_;
  };

  Work note(const char* op, Work work) {
    auto call = std::make_shared<SpiedCall>(SpiedCall{op});
    log_->push_back(call);
    return Work(std::make_shared<State>(std::move(work), std::move(call)));
  }
  bool all(int waited, int joined) const {
    for (const auto& call : *log_) {
      if (call->waited != waited || call->joined != joined) return false;
    }
    return true;
  }

  std::unique_ptr<Communicator> owned_;
  Communicator& inner_;
  bool reduces_in_rank_order_;
  std::shared_ptr<Log> log_;
};

}  // namespace tessera::test
