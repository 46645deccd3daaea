// Communicator: what ranks say to each other, in terms of Arrays.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/array.h"

namespace tessera {

// How the elements of all ranks become one. Sums and products of bf16 and f16 are taken in f32 and
// rounded once; integers wrap; min and max of a NaN are NaN; for bool, sum and max are "or",
// prod and min are "and". mean is the sum divided by the number of ranks, of floating dtypes only.
enum class ReduceKind : int32_t { sum, prod, min, max, mean };
std::string_view name(ReduceKind kind);

// Failed communication: a peer is gone, late, or called something else. Ranks are numbered as in
// the communicator that failed.
class CommError : public Error {
 public:
  // peer is -1 where the guilty rank is not known.
  CommError(std::string operation, int64_t sequence, int rank, int peer, const std::string& detail,
            bool found_by_peer = false);
  const std::string& operation() const { return operation_; }
  // Counts this rank's collectives on the communicator, or its sends and recvs, from 0.
  int64_t sequence() const { return sequence_; }
  int rank() const { return rank_; }
  int peer() const { return peer_; }
  // Whether a peer found the failure, or gave up, and told this rank: it knows more than this one.
  bool found_by_peer() const { return found_by_peer_; }

 private:
  std::string operation_;
  int64_t sequence_;
  int rank_;
  int peer_;
  bool found_by_peer_;
};

struct CommOptions {
  // The longest that any wait lasts. Long enough for a peer that writes a checkpoint or compiles.
  std::chrono::milliseconds timeout = std::chrono::seconds(300);
  // Whether processes of one node reach each other's memory; otherwise they send messages.
  bool share_memory = true;
  // Told of every call that this rank begins, as "all_reduce(sum, f32, 12 elements) in blocks.0".
  std::function<void(const std::string& call)> on_call = {};
  // Up to so many ranks tell each other directly what they called: one round of messages, and a
  // rank that is late is known to all. More compare it in rounds, with log2 of their number
  // messages each; then a rank that waits for a rank that waits itself may do so for half the
  // timeout more, from 0.5 to 5 s, before it gives up. The same on every rank.
  int direct_calls = 8;
};

// A transfer under way. Copies are handles of the same transfer; a default-constructed one is
// done. Until the transfer is done its arrays may be neither written nor, where they receive, read.
// It moves on inside calls and waits on any communicator of this rank and job, and peers may need
// this rank's part of it: so every Work is waited for, or a later one on the same communicator.
class Work {
 public:
  // What a backend supplies. Both may be called any number of times, in any order.
  class State {
   public:
    virtual ~State() = default;
    virtual void order_stream() = 0;
    virtual void join(std::chrono::milliseconds timeout) = 0;
    virtual std::chrono::milliseconds default_timeout() const = 0;
  };

  Work() = default;
  explicit Work(std::shared_ptr<State> state) : state_(std::move(state)) {}

  // Orders the current stream: what this thread enqueues on the device from here on comes after the
  // transfer. The host may not look at its arrays yet. The CPU's stream has no queue, so there the
  // call blocks as join() does.
  void wait() const {
    if (state_) state_->order_stream();
  }
  // Blocks the host until the transfer is done and its arrays can be read, and throws CommError
  // when a peer is gone, the communicator failed or the time is over; the latter fails the
  // communicator on every rank. The timeout is the communicator's unless given.
  void join() const {
    if (state_) state_->join(state_->default_timeout());
  }
  void join(std::chrono::milliseconds timeout) const {
    if (state_) state_->join(timeout);
  }

 private:
  std::shared_ptr<State> state_;
};

// A group of ranks, numbered from 0.
//
// Collectives are called by every rank of the group, in the same order. Arrays are contiguous, on
// the communicator's device, of any dtype, and of the same dtype (and, except where sizes are said
// to differ, the same shape) on every rank; any of them may have no elements. Their storage is
// kept alive by the transfer. An array passed as const Array& is written where it is named `recv`
// or `array`: Arrays are views.
//
// Every collective compares its operation, dtype and sizes with its peers' before any data moves,
// and a difference fails the communicator with an error naming both calls, where in the source they
// were made, and where in the model (set_where). An argument that is
// wrong by itself (not contiguous, a rank out of range) throws Error, sends nothing and leaves the
// communicator as it was; peers that were right then wait, so a rank that gives up calls abort.
//
// A failed communicator stays failed, on every rank: waiters wake, later calls throw the first
// failure. So do communicators split from it. After a failure, what a transfer was to receive is
// unspecified.
//
// A communicator belongs to one thread; only abort may be called from another. The destructor
// never talks to peers that it needs an answer from.
class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Where the arrays of its transfers are, and what it allocates.
  virtual Device device() const = 0;
  // Whether reductions are taken in rank order, ((r0 + r1) + r2) + ..., as one can do by hand;
  // otherwise in an order of the backend's own.
  virtual bool reduces_in_rank_order() const = 0;

  // Memory that peers can map, where the communicator has such; ordinary memory otherwise. Its
  // content is unspecified. Any array may be sent; those from here may travel faster.
  virtual Array allocate(Dims shape, DType dtype) = 0;

  // array = reduction of every rank's array. The same bits on every rank, but dependent on the
  // number of ranks and, unless reduces_in_rank_order(), on the implementation.
  virtual Work all_reduce(const Array& array, ReduceKind kind = ReduceKind::sum,
                          CallSite site = {}) = 0;

  // recv = reduction, as all_reduce, of every rank's send_per_rank[rank()]. Shards may be uneven,
  // but send_per_rank[p] has one size on all ranks. recv may be send_per_rank[rank()] itself.
  virtual Work reduce_scatter(std::span<const Array> send_per_rank, const Array& recv,
                              ReduceKind kind = ReduceKind::sum, CallSite site = {}) = 0;

  // recv_per_rank[p] = rank p's send, which may be of another size on each rank. send may be
  // recv_per_rank[rank()] itself.
  virtual Work all_gather(const Array& send, std::span<const Array> recv_per_rank,
                          CallSite site = {}) = 0;

  // array = root's array.
  virtual Work broadcast(const Array& array, int root, CallSite site = {}) = 0;

  // On root recv_per_rank[p] = rank p's send, which may be of another size on each rank; elsewhere
  // recv_per_rank is empty. root's send may be recv_per_rank[root] itself.
  virtual Work gather(const Array& send, std::span<const Array> recv_per_rank, int root,
                      CallSite site = {}) = 0;

  // recv = root's send_per_rank[rank()], each of its own size; elsewhere send_per_rank is empty.
  // root's recv may be send_per_rank[root] itself.
  virtual Work scatter(std::span<const Array> send_per_rank, const Array& recv, int root,
                       CallSite site = {}) = 0;

  // recv_per_rank[p] = rank p's send_per_rank[rank()]. Sizes agree pairwise only. No recv overlaps
  // a send.
  virtual Work all_to_all(std::span<const Array> send_per_rank,
                          std::span<const Array> recv_per_rank, CallSite site = {}) = 0;

  // One array to one peer (itself included). A send is met by the recv with the same peer, tag,
  // dtype and number of elements; those of one pair and tag meet in the order of their calls.
  // 0 <= tag <= kMaxTag. A send may, but need not, be done before its recv is called.
  static constexpr int kMaxTag = 0x7fff;
  virtual Work send(const Array& array, int peer, int tag = 0, CallSite site = {}) = 0;
  virtual Work recv(const Array& array, int peer, int tag = 0, CallSite site = {}) = 0;

  // Done when every rank has called it.
  virtual Work barrier(CallSite site = {}) = 0;

  // What to say of a call besides its place in the source: where in the model it is made. Asked at
  // each call; communicators split from this one ask it too. Its result need not outlive the next.
  using Where = std::function<std::string_view()>;
  virtual void set_where(Where where) = 0;

  // A communicator of the ranks with the same color, ordered by key, then by rank here. A
  // collective that blocks; color -1 gives a null pointer. It has this one's options, and may
  // outlive it.
  virtual std::unique_ptr<Communicator> split(int color, int key, CallSite site = {}) = 0;

  // The communicator of `members`, ranks here, in this order. Every rank of this one calls it with
  // the members of the group that it is in. A collective that blocks.
  virtual std::unique_ptr<Communicator> subgroup(std::span<const int> members, CallSite site = {});

  // Fails the communicator on every rank, with this message. Needs no peer, and returns at once.
  virtual void abort(const std::string& message) = 0;
};

}  // namespace tessera
