// Runs kernels, block after block, each thread of a block as a fiber.
#pragma once

#include <vector_types.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cuda_emulation/fiber.h"
#include "tests/cuda_emulation/internal.h"
#include "tests/cuda_emulation/prelude.h"
#include "tests/cuda_emulation/shared_arrays.h"

namespace tessera::emulation {

// A kernel's launch. args points to its parameters.
struct Launch {
  const void* function;
  const KernelInfo* kernel;
  void** args;
  dim3 grid;
  dim3 block;
  uint64_t seed;
};

// Of one stream: the fibers of two streams share no history in ThreadSanitizer's eyes. Blocks, and
// the threads of a block that can go on, are picked in an order that the seed decides, so that
// missing barriers show.
class Executor {
 public:
  // What went wrong; "" when nothing did. A thread of the host runs one kernel at a time.
  std::string run(const Launch& launch);

  // What kernels call, on the fiber of the thread that runs.
  void barrier(const char* file, int line);
  const uint64_t* warp_collect(unsigned mask, int kind, uint64_t value, const char* file, int line);
  void* shared_array(const void* site, size_t bytes, const char* name);
  [[noreturn]] void fail_here(std::string_view what, const char* file, int line);
  unsigned lane() const { return running_->number % 32; }

 private:
  enum class State : uint8_t { ready, at_barrier, in_warp, done };

  struct Thread {
    Fiber* fiber;
    uint3 index;
    unsigned number;
    State state;
    // Where it last waited.
    const char* file;
    int line;
  };

  // Lanes of a warp that wait for each other.
  struct Meeting {
    unsigned mask = 0;
    unsigned arrived = 0;
    unsigned generation = 0;
    int kind = 0;
    const char* file = nullptr;
    int line = 0;
    uint64_t in[32];
    // Two of them: a fast lane may meet again before a slow one has read.
    uint64_t out[2][32];
    char token[2];
  };

  struct Warp {
    std::array<Meeting, 32> meetings;  // by the lowest lane of the mask
    unsigned exited = 0;
  };

  static void body(void* executor);
  void run_block(const Launch& launch, uint32_t block);
  void begin_block(const Launch& launch, uint32_t block);
  void run_thread();
  void wait(State state);
  void open_barrier();
  void release_lanes(Meeting& meeting, unsigned first_thread);
  std::string where(const Thread& thread) const;
  std::string deadlock() const;

  Rng rng_{1};
  const Launch* launch_ = nullptr;
  std::string error_;
  std::deque<Fiber> fibers_;
  SharedArrays shared_;
  // Of the block that runs.
  uint3 block_{};
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Thread*> ready_;
  Thread* running_ = nullptr;
  size_t live_ = 0;
  size_t at_barrier_ = 0;
  unsigned barrier_generation_ = 0;
  const char* barrier_file_ = nullptr;
  int barrier_line_ = 0;
  // What ThreadSanitizer orders accesses by.
  char launch_token_ = 0;
  char done_token_ = 0;
  char barrier_token_[2] = {};
};

}  // namespace tessera::emulation
