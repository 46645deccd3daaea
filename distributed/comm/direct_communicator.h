// DirectCommunicator: every collective as a direct exchange of messages over a Transport.
#pragma once

#include <vector>

#include "distributed/comm/engine.h"

namespace tessera {

// The owner of a slice receives every peer's piece of it, reduces in rank order and sends the
// result to all: as many bytes as a ring moves, in one step. What goes to every peer first is a
// Call of 56 bytes: it finds mismatches before data moves, and is all of a barrier.
//
// Besides the arrays, a reduction takes up to 16 MiB of scratch memory.
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
  // Lists of one array per rank, held by steps.
  using Arrays = std::shared_ptr<const std::vector<Array>>;

  // Takes the next sequence number. same_shapes: those that are to be equal on all ranks.
  Call next_call(CommOp op, DType dtype, int64_t elements, std::span<const Array> same_shapes = {});
  // An operation that begins with the exchange of calls: one for all, or calls[p] for peer p.
  std::shared_ptr<Operation> collective(const Call& call) const;
  std::shared_ptr<Operation> collective(std::vector<Call> calls) const;
  Work start(const std::shared_ptr<Operation>& op);
  // Append the steps of one part of a collective.
  void add_gather(Operation& op, const Array& send, Arrays recvs) const;
  void add_reduce_scatter(Operation& op, Arrays sends, const Array& recv, ReduceKind kind) const;
  void add_small_all_reduce(Operation& op, const Array& array, ReduceKind kind) const;
  Work gather_all(CommOp op, const Array& send, std::span<const Array> recvs);
  // The calls of a gather or scatter between root's list and every rank's own array.
  std::shared_ptr<Operation> rooted(CommOp op, const Array& own, std::span<const Array> per_rank,
                                    int root);
  Work point_to_point(CommOp op, const Array& array, int peer, int tag);
  void require_rank(CommOp op, int rank) const;
  void require_one_per_rank(CommOp op, std::span<const Array> arrays) const;

  std::shared_ptr<Engine> engine_;
  int64_t num_collectives_ = 0;
  int64_t num_point_to_point_ = 0;
};

}  // namespace tessera
