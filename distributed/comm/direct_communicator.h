// DirectCommunicator: every collective as a direct exchange between all ranks of a Transport.
#pragma once

#include <vector>

#include "distributed/comm/collective_steps.h"

namespace tessera {

// The owner of a slice takes every peer's piece of it, reduces in rank order and hands the result
// to all: as many bytes as a ring moves, in one step. What is told to every peer first is a Call
// of 56 bytes: it finds mismatches before data moves, and is all of a barrier.
//
// Pieces in memory that ranks share (allocate) are used where they lie. For others a reduction
// takes up to 16 MiB of scratch memory besides the arrays.
class DirectCommunicator : public Communicator {
 public:
  // All ranks of the transport. Made by every rank, in the same order.
  DirectCommunicator(std::shared_ptr<Transport> transport, CommOptions options);
  // The ranks of a group, whose first context none of them has used before.
  DirectCommunicator(std::shared_ptr<Transport> transport, Group group, CommOptions options);

  int rank() const override { return engine_->rank(); }
  int size() const override { return engine_->size(); }
  Array allocate(Dims shape, DType dtype) override;
  Work all_reduce(const Array& array, ReduceKind kind) override;
  Work reduce_scatter(std::span<const Array> send_per_rank, const Array& recv,
                      ReduceKind kind) override;
  Work all_gather(const Array& send, std::span<const Array> recv_per_rank) override;
  Work broadcast(const Array& array, int root) override;
  Work gather(const Array& send, std::span<const Array> recv_per_rank, int root) override;
  Work scatter(std::span<const Array> send_per_rank, const Array& recv, int root) override;
  Work all_to_all(std::span<const Array> send_per_rank,
                  std::span<const Array> recv_per_rank) override;
  Work send(const Array& array, int peer, int tag) override;
  Work recv(const Array& array, int peer, int tag) override;
  Work barrier() override;
  std::unique_ptr<Communicator> split(int color, int key) override;
  void abort(const std::string& message) override;

 private:
  // Takes the next sequence number. same_shapes: those that are to be equal on all ranks.
  Call next_call(CommOp op, DType dtype, int64_t elements, std::span<const Array> same_shapes = {});
  Collective collective(std::vector<Call> calls, std::vector<Array> offers) const;
  Work start(const std::shared_ptr<Operation>& op);
  Work move(const Collective& collective, std::vector<Array> recvs);
  Work gather_all(CommOp op, const Array& send, std::span<const Array> recvs);
  // The calls of a gather or scatter between root's list and every rank's own array.
  std::vector<Call> rooted_calls(CommOp op, const Array& own, std::span<const Array> per_rank,
                                 int root);
  template <class T>
  std::vector<T> same_for_all(const T& value) const {
    return std::vector<T>(static_cast<size_t>(size()), value);
  }
  std::vector<Array> from_root(const Array& array, int root) const;
  Work point_to_point(CommOp op, const Array& array, int peer, int tag);
  void require_rank(CommOp op, int rank) const;
  void require_one_per_rank(CommOp op, std::span<const Array> arrays) const;

  std::shared_ptr<Engine> engine_;
  int64_t num_collectives_ = 0;
  int64_t num_point_to_point_ = 0;
};

}  // namespace tessera
