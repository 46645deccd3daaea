// Ranks as threads, for tests of what works on a Communicator.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "core/parallel.h"
#include "distributed/comm/direct/thread_communicator.h"

namespace tessera::test {

// fn(communicator) on every rank of a group, each in its own thread, on one core unless told
// otherwise. What fn throws fails the test.
inline void run_ranks(int num_ranks, const std::function<void(Communicator&)>& fn,
                      int threads_per_rank = 1) {
  auto group = ThreadGroup::make(num_ranks, {.timeout = std::chrono::seconds(30)});
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      set_num_threads(threads_per_rank);
      auto comm = group->rank(rank);
      try {
        fn(*comm);
      } catch (const std::exception& error) {
        ADD_FAILURE() << "rank " << rank << ": " << error.what();
        comm->abort(error.what());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace tessera::test
