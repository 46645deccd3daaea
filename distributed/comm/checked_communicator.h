// CheckedCommunicator: what every communicator does with a call before anything moves.
#pragma once

#include <vector>

#include "distributed/comm/call.h"

namespace tessera {

// Checks arguments and says in Calls what was called; the collectives come down to three, which a
// derived class supplies: moving, and two kinds of reducing.
class CheckedCommunicator : public Communicator {
 public:
  Work all_reduce(const Array& array, ReduceKind kind = ReduceKind::sum,
                  CallSite site = {}) override;
  Work reduce_scatter(std::span<const Array> send_per_rank, const Array& recv,
                      ReduceKind kind = ReduceKind::sum, CallSite site = {}) override;
  Work all_gather(const Array& send, std::span<const Array> recv_per_rank,
                  CallSite site = {}) override;
  Work broadcast(const Array& array, int root, CallSite site = {}) override;
  Work gather(const Array& send, std::span<const Array> recv_per_rank, int root,
              CallSite site = {}) override;
  Work scatter(std::span<const Array> send_per_rank, const Array& recv, int root,
               CallSite site = {}) override;
  Work all_to_all(std::span<const Array> send_per_rank, std::span<const Array> recv_per_rank,
                  CallSite site = {}) override;
  Work send(const Array& array, int peer, int tag = 0, CallSite site = {}) override;
  Work recv(const Array& array, int peer, int tag = 0, CallSite site = {}) override;
  Work barrier(CallSite site = {}) override;
  void set_where(Where where) override { where_ = std::move(where); }

 protected:
  using Calls = std::vector<Call>;  // calls[p] is what rank p is told
  using Arrays = std::vector<Array>;

  virtual bool takes(Device device) const = 0;
  // recvs[p] = rank p's sends[rank()]. Lists of one array per rank; undefined: nothing.
  virtual Work move(Calls calls, Arrays sends, Arrays recvs) = 0;
  // recv = reduction of every rank's sends[rank()].
  virtual Work reduce_to_shards(Calls calls, Arrays sends, const Array& recv, ReduceKind kind) = 0;
  virtual Work reduce_for_all(Calls calls, const Array& array, ReduceKind kind) = 0;
  // Sends the array to the peer or receives it, as the call says.
  virtual Work point_to_point(const Call& call, const Array& array, int peer, int tag) = 0;

  // An all_gather by another name.
  Work gather_for_all(CommOp op, const Array& send, std::span<const Array> recvs, CallSite site);
  const Where& where() const { return where_; }
  void set_observer(std::function<void(const std::string&)> on_call) {
    on_call_ = std::move(on_call);
  }

 private:
  // Takes the next sequence number. same_shapes: those that are to be equal on all ranks.
  Call next_call(CommOp op, DType dtype, int64_t elements, std::span<const Array> same_shapes = {});
  // The calls of a gather or scatter between root's list and every rank's own array.
  Calls rooted_calls(CommOp op, const Array& own, std::span<const Array> per_rank, int root);
  Work to_or_from(CommOp op, const Array& array, int peer, int tag);
  template <class T>
  std::vector<T> same_for_all(const T& value) const {
    return std::vector<T>(static_cast<size_t>(size()), value);
  }
  Arrays only_at(int rank, const Array& array) const;
  void require(CommOp op, const Array& array) const;
  void require_like(CommOp op, const Array& array, DType dtype) const;
  void require_rank(CommOp op, int rank) const;
  void require_one_per_rank(CommOp op, std::span<const Array> arrays) const;

  int64_t num_collectives_ = 0;
  Where where_;
  std::function<void(const std::string&)> on_call_;
  CallSite site_{nullptr, 0};  // of the call under way
  int64_t num_point_to_point_ = 0;
};

}  // namespace tessera
