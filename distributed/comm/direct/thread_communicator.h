// Ranks as threads of one process: for tests, debuggers, and a run of one rank.
#pragma once

#include "distributed/comm/communicator.h"

namespace tessera {

class ThreadHub;

// num_ranks ranks that share this process. Communicators keep what they need of it alive.
//
// A message is copied once, from the sender's array to the receiver's, by the receiver. Waiters
// sleep on a condition variable. A rank that destroys its communicator while another waits for it
// is gone, and the waiter fails at once.
class ThreadGroup {
 public:
  static std::shared_ptr<ThreadGroup> make(int num_ranks, CommOptions options = {});

  int size() const { return num_ranks_; }
  // The communicator of one rank, for the thread of that rank alone. This may be called from any
  // thread; a second call for a rank gives its end of a second communicator, and so on.
  std::unique_ptr<Communicator> rank(int rank);

 private:
  ThreadGroup(int num_ranks, CommOptions options);

  std::shared_ptr<ThreadHub> hub_;
  int num_ranks_;
  CommOptions options_;
};

// A group of this rank alone: every operation is the identity, at once. No threads, no MPI.
std::unique_ptr<Communicator> make_self_communicator();

}  // namespace tessera
