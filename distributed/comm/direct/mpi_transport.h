// The transport of ranks that are MPI processes.
#pragma once

#include <atomic>
#include <condition_variable>

// The C++ bindings, removed from MPI 3, warn when compiled.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "distributed/comm/direct/shared_windows.h"
#include "distributed/comm/direct/transport.h"

namespace tessera {

// Throws Error naming the call and MPI's reason unless the code is MPI_SUCCESS.
void check_mpi(int code, const char* call);

// Context and tag share MPI's tag, which leaves 32767 contexts to a process. Failures travel as
// messages of their own, which waiters look for.
//
// MPI moves messages on only when it is called. Where some rank shares no memory with this one, as
// on another node, a thread, the mover, calls it while messages are under way, so that they
// travel during whatever else this rank does.
class MpiTransport : public Transport, public std::enable_shared_from_this<MpiTransport> {
 public:
  // comm stays the caller's and outlives this; its errors are returned (MPI_ERRORS_RETURN).
  // Shares memory with the ranks of this node unless told not to. A collective.
  MpiTransport(MPI_Comm comm, bool shares_memory);
  ~MpiTransport() override;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::unique_ptr<Message> send(Route route, std::span<const std::byte> bytes,
                                std::shared_ptr<const void> owner) override;
  std::unique_ptr<Message> receive(Route route, std::span<std::byte> bytes,
                                   std::shared_ptr<const void> owner) override;
  void fail(int context, std::span<const int> members, const std::string& message) override;
  std::optional<Failure> failure(int context) override;
  void look_for_failures() override;
  void leave(int context) override;
  void idle(int round) override;
  Neighbours* neighbours() override { return windows_.get(); }
  int take_world() override;
  int next_split() override;
  void take_split(int number) override;

  // Whether some ranks share no memory: the same answer on all ranks. Then start_mover() is called
  // once, before the first message.
  bool needs_mover() const { return needs_mover_; }
  void start_mover();

  // MPI is not called any more.
  void close();
  // Before the transport goes and MPI goes on: what MPI may still read or write after a failure is
  // left to it, for good.
  void leave_to_mpi();

 private:
  friend class MpiMessage;
  int mpi_tag(const Route& route) const;
  void meet_neighbours();
  void keep_moving();
  void count_messages(int more);  // under the mutex

  MPI_Comm comm_;
  int rank_ = 0;
  int size_ = 0;
  int max_tag_ = 0;
  bool needs_mover_ = false;
  std::unique_ptr<SharedWindows> windows_;

  std::mutex mutex_;  // for MPI and all below
  bool closed_ = false;
  int num_worlds_ = 0;
  int next_split_ = 0;
  std::map<int, Failure> failures_;       // by context
  std::atomic<bool> any_failure_{false};  // whether failures_ has one
  // MPI may still read these.
  std::vector<std::unique_ptr<std::vector<std::byte>>> sent_failures_;
  std::vector<std::shared_ptr<const void>> given_up_;
  int under_way_ = 0;             // messages
  std::condition_variable wake_;  // the thread: there is something to do
  std::thread mover_;             // none where all ranks are neighbours
};

}  // namespace tessera
