#include "distributed/comm/direct/thread_communicator.h"

#include "distributed/comm/direct/direct_communicator.h"
#include "distributed/comm/direct/thread_transport.h"

namespace tessera {

ThreadGroup::ThreadGroup(int num_ranks, CommOptions options)
    : hub_(std::make_shared<ThreadHub>(num_ranks)), num_ranks_(num_ranks), options_(options) {}

std::shared_ptr<ThreadGroup> ThreadGroup::make(int num_ranks, CommOptions options) {
  TESSERA_CHECK(num_ranks >= 1, "[ThreadGroup] expected at least 1 rank, got {}", num_ranks);
  return std::shared_ptr<ThreadGroup>(new ThreadGroup(num_ranks, options));
}

std::unique_ptr<Communicator> ThreadGroup::rank(int rank) {
  TESSERA_CHECK(rank >= 0 && rank < num_ranks_, "[ThreadGroup] expected a rank in [0, {}), got {}",
                num_ranks_, rank);
  return std::make_unique<DirectCommunicator>(std::make_shared<ThreadTransport>(hub_, rank),
                                              options_);
}

std::unique_ptr<Communicator> make_self_communicator() { return ThreadGroup::make(1)->rank(0); }

}  // namespace tessera
