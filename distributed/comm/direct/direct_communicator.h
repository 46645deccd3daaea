// DirectCommunicator: every collective as a direct exchange between all ranks of a Transport.
#pragma once

#include <vector>

#include "distributed/comm/checked_communicator.h"
#include "distributed/comm/direct/collective_steps.h"

namespace tessera {

// The owner of a slice takes every peer's piece of it, reduces in rank order and hands the result
// to all: as many bytes as a ring moves, in one step. First ranks compare what they called, Calls
// of 128 bytes (exchange.h): that finds mismatches before data moves, and is all of a barrier.
//
// Pieces in memory that ranks share (allocate) are used where they lie. For others a reduction
// takes up to 16 MiB of scratch memory besides the arrays.
class DirectCommunicator : public CheckedCommunicator {
 public:
  // All ranks of the transport. Made by every rank, in the same order.
  DirectCommunicator(std::shared_ptr<Transport> transport, CommOptions options);
  // The ranks of a group, whose first context none of them has used before.
  DirectCommunicator(std::shared_ptr<Transport> transport, Group group, CommOptions options);

  int rank() const override { return engine_->rank(); }
  int size() const override { return engine_->size(); }
  Device device() const override { return {DeviceType::cpu}; }
  bool reduces_in_rank_order() const override { return true; }
  Array allocate(Dims shape, DType dtype) override;
  std::unique_ptr<Communicator> split(int color, int key, CallSite site = {}) override;
  void abort(const std::string& message) override;

 private:
  bool takes(Device device) const override { return device.type == DeviceType::cpu; }
  Work move(Calls calls, Arrays sends, Arrays recvs) override;
  Work reduce_to_shards(Calls calls, Arrays sends, const Array& recv, ReduceKind kind) override;
  Work reduce_for_all(Calls calls, const Array& array, ReduceKind kind) override;
  Work point_to_point(const Call& call, const Array& array, int peer, int tag) override;

  Collective collective(Calls calls, Arrays offers) const;
  Work start(const std::shared_ptr<Operation>& op);

  std::shared_ptr<Engine> engine_;
  bool all_met_ = false;  // whether every rank has every other as a neighbour
};

}  // namespace tessera
