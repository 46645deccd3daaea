// One rank that stands for many: for plans and dry runs.
#pragma once

#include "distributed/comm/checked_communicator.h"

namespace tessera {

// Rank `rank` of `size`, of which no other exists: every operation is done at once. Arrays may be
// of any device, meta included. Where they have data, the other ranks' arrays count as copies of
// this rank's; what has no like here, such as another rank's shard of another size, arrives as
// zeros, and so does what is received from a peer. What root alone has stays as it is elsewhere.
//
// It counts the bytes that this rank would send if every one travelled, and lists what was called:
// ranks that work together list the same.
class FakeCommunicator : public CheckedCommunicator {
 public:
  // What it allocates is on `device`.
  FakeCommunicator(int rank, int size, Device device = {});

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  Device device() const override { return device_; }
  bool reduces_in_rank_order() const override { return true; }
  Array allocate(Dims shape, DType dtype) override;
  // Counted and listed here too, under this communicator.
  std::unique_ptr<Communicator> split(int color, int key, CallSite site = {}) override;
  std::unique_ptr<Communicator> subgroup(std::span<const int> members, CallSite site = {}) override;
  // Throws nothing and tells nobody; later calls throw CommError.
  void abort(const std::string& message) override;

  int64_t sent_bytes() const { return log_->sent_bytes; }
  // In the order of the calls; those of split communicators among them.
  const std::vector<Call>& calls() const { return log_->calls; }
  // Of each call, a number for the ranks that it is a call of: equal where these are the same ones.
  const std::vector<uint64_t>& groups() const { return log_->groups; }

 private:
  struct Log {
    int64_t sent_bytes = 0;
    std::vector<Call> calls;
    std::vector<uint64_t> groups;
  };
  // `ranks` are its members as the first communicator numbers them.
  FakeCommunicator(int rank, std::vector<int> ranks, Device device, std::shared_ptr<Log> log);

  bool takes(Device) const override { return true; }
  Work move(Calls calls, Arrays sends, Arrays recvs) override;
  Work reduce_to_shards(Calls calls, Arrays sends, const Array& recv, ReduceKind kind) override;
  Work reduce_for_all(Calls calls, const Array& array, ReduceKind kind) override;
  Work point_to_point(const Call& call, const Array& array, int peer, int tag) override;
  void note(const Call& call);

  int rank_;
  int size_;
  std::vector<int> ranks_;  // empty: all, of the first communicator
  uint64_t group_ = 0;
  Device device_;
  std::shared_ptr<Log> log_;
  std::string aborted_;
};

}  // namespace tessera
