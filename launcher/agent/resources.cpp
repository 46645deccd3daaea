#include "launcher/agent/resources.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "core/error.h"

namespace tessera::agent {
namespace {

// What gRPC's server and client and this project take, with room for connections; four of a rank
// are the ends of its pipes, and four more are there while they are made.
constexpr rlim_t kDescriptors = 96;
constexpr rlim_t kDescriptorsPerRank = 8;
// Those that gRPC starts at once, two for every core of a small machine, and our own.
constexpr unsigned kThreads = 16;
constexpr unsigned kMostThreads = 64;
// Beside their stacks.
constexpr size_t kMemory = size_t{256} << 20;

void require_descriptors(int num_ranks) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  rlim_t needed = kDescriptors + kDescriptorsPerRank * static_cast<rlim_t>(num_ranks);
  if (limit.rlim_cur < needed && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min(needed, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  TESSERA_CHECK(limit.rlim_cur >= needed,
                "this process may have {} descriptors open (ulimit -n), and {} are needed",
                limit.rlim_cur, needed);
}

// How many of so many threads there can be at once.
unsigned try_threads(unsigned count) {
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  threads.reserve(count);
  try {
    while (threads.size() < count) threads.emplace_back([&over] { over.wait(false); });
  } catch (const std::system_error&) {
    // As many as there are.
  }
  over = true;
  over.notify_all();
  for (std::thread& each : threads) each.join();
  return static_cast<unsigned>(threads.size());
}

// glibc reserves 64 MiB of addresses for every thread's own heap.
void share_heap_where_addresses_are_few() {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    mallopt(M_ARENA_MAX, 1);
  }
}

void require_threads() {
  unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  unsigned count = std::min(kThreads + 2 * cores, kMostThreads);
  void* memory = mmap(nullptr, kMemory, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  TESSERA_CHECK(memory != MAP_FAILED,
                "this process may not have {} MiB more of memory (ulimit -v): {}", kMemory >> 20,
                std::strerror(errno));
  bool enough = try_threads(count) == count;
  munmap(memory, kMemory);
  TESSERA_CHECK(
      enough,
      "this process cannot have {} threads at once: the user's processes (ulimit -u), its "
      "memory (ulimit -v) or a control group is too small",
      count);
}

}  // namespace

void require_resources(int num_ranks) {
  require_descriptors(num_ranks);
  share_heap_where_addresses_are_few();
  require_threads();
}

}  // namespace tessera::agent
