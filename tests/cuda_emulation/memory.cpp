// Device memory of the emulated CUDA: one arena whose addresses are never used twice, closed to the
// host except while an operation of a stream runs. Pages without a live allocation are closed to
// all, so that an operation costs no more the longer a process runs.
#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>

#include "tests/cuda_emulation/internal.h"
#include "tests/cuda_emulation/prelude.h"
#ifdef TESSERA_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tessera::emulation {
namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kRedZone = 256;
constexpr size_t kPage = 4096;
// How the process ends when the host touches device memory.
constexpr int kExitCode = 86;

uintptr_t page_end(uintptr_t address) { return (address + kPage - 1) / kPage * kPage; }

struct Allocation {
  size_t bytes;
  bool live;
};

struct Arena {
  char* base = nullptr;
  size_t capacity = 0;
  size_t used = 0;
  int open = 0;  // operations that are running
  std::map<uintptr_t, Allocation> allocations;
  std::map<uintptr_t, uintptr_t> live;  // where each live allocation begins and ends

  // The allocation that begins last at or before the pointer.
  std::pair<const uintptr_t, Allocation>* find(const void* pointer) {
    auto after = allocations.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    return after == allocations.begin() ? nullptr : &*--after;
  }
  // Of the pages with live allocations, one call for each run of them.
  void protect(int protection) const {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    auto protect_run = [&] {
      if (end > begin) mprotect(reinterpret_cast<void*>(begin), end - begin, protection);
    };
    for (auto [first, last] : live) {
      if (first / kPage * kPage > end) {
        protect_run();
        begin = first / kPage * kPage;
      }
      end = page_end(last);
    }
    protect_run();
  }
  // Closes the pages that were an allocation's alone, and gives their memory back.
  void close(uintptr_t begin, size_t bytes) {
    auto after = live.erase(live.find(begin));
    uintptr_t first = begin / kPage * kPage;
    uintptr_t last = page_end(begin + bytes);
    if (after != live.begin()) first = std::max(first, page_end(std::prev(after)->second));
    if (after != live.end()) last = std::min(last, after->first / kPage * kPage);
    if (first >= last) return;
    mprotect(reinterpret_cast<void*>(first), last - first, PROT_NONE);
    madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  }
};

Mutex mutex;
Arena arena;  // under the mutex, but for base and capacity once it is made

int describe_fault(void* address, char* text, size_t size) {
  if (current_kernel) {
    return std::snprintf(text, size,
                         "cuda emulation: kernel %s: illegal address %p, block (%u,%u,%u) thread "
                         "(%u,%u,%u)\n",
                         current_kernel, address, blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x,
                         threadIdx.y, threadIdx.z);
  }
  if (!is_device_pointer(address)) {
    return std::snprintf(text, size, "cuda emulation: host segfault at %p\n", address);
  }
  auto* found = arena.find(address);
  return std::snprintf(text, size,
                       "cuda emulation: HOST code dereferenced device pointer %p (offset %zu of a "
                       "%s allocation of %zu bytes)\n",
                       address, found ? reinterpret_cast<uintptr_t>(address) - found->first : 0,
                       found && found->second.live ? "live" : "freed",
                       found ? found->second.bytes : 0);
}

void on_fault(int, siginfo_t* info, void*) {
  char text[512];
  int length = describe_fault(info->si_addr, text, sizeof text);
  (void)!write(STDERR_FILENO, text, static_cast<size_t>(length));
  void* frames[32];
  backtrace_symbols_fd(frames, backtrace(frames, 32), STDERR_FILENO);
  _exit(kExitCode);
}

void catch_faults() {
#ifndef TESSERA_EMULATION_ASAN  // which owns, and frees, each thread's alternate stack
  static char alternate[1 << 16];
  stack_t stack{};
  stack.ss_sp = alternate;
  stack.ss_size = sizeof alternate;
  sigaltstack(&stack, nullptr);
#endif
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &action, nullptr);
}

// Called with the mutex.
void make_arena() {
  if (arena.base) return;
  arena.capacity = arena_bytes();
  arena.base = static_cast<char*>(
      mmap(nullptr, arena.capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  catch_faults();
}

// Null where the device has no more.
char* carve(size_t bytes) {
  Lock lock(mutex);
  make_arena();
  size_t offset = (arena.used + kRedZone + kAlignment - 1) / kAlignment * kAlignment;
  if (bytes > arena.capacity || offset + bytes + 2 * kPage > arena.capacity) return nullptr;
  arena.used = offset + bytes;
  char* block = arena.base + offset;
  auto address = reinterpret_cast<uintptr_t>(block);
  arena.allocations[address] = {bytes, true};
  arena.live[address] = address + bytes;
  if (arena.open > 0) arena.protect(PROT_READ | PROT_WRITE);
  return block;
}

}  // namespace

size_t arena_bytes() { return size_t{4} << 30; }

bool is_device_pointer(const void* pointer) {
  auto* byte = static_cast<const char*>(pointer);
  return arena.base && byte >= arena.base && byte < arena.base + arena.capacity;
}

bool check_range(const void* pointer, size_t bytes, const char* what) {
  std::string message;
  {
    Lock lock(mutex);
    auto* found = arena.find(pointer);
    if (found && found->second.live && is_device_pointer(pointer) &&
        reinterpret_cast<uintptr_t>(pointer) + bytes <= found->first + found->second.bytes) {
      return true;
    }
    message = std::string(what) + ": " + std::to_string(bytes) +
              " bytes are not inside a live device allocation";
    if (found) {
      message += " (nearest: " + std::to_string(found->second.bytes) + " bytes, " +
                 (found->second.live ? "live)" : "freed)");
    }
  }
  break_context(cudaErrorIllegalAddress, message);
  return false;
}

DeviceAccess::DeviceAccess() {
  Lock lock(mutex);
  if (arena.open++ == 0) arena.protect(PROT_READ | PROT_WRITE);
}

DeviceAccess::~DeviceAccess() {
  Lock lock(mutex);
  if (--arena.open == 0) arena.protect(PROT_NONE);
}

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  Quiet bookkeeping;
  char* block = carve(bytes);
  if (!block) return report(cudaErrorMemoryAllocation);
  *pointer = block;
  DeviceAccess access;
  std::memset(block, 0xFF, bytes);
#ifdef TESSERA_EMULATION_ASAN
  __asan_poison_memory_region(block - kRedZone, kRedZone);
  __asan_poison_memory_region(block + bytes, kRedZone + (8 - bytes % 8) % 8);
#endif
  return report(cudaSuccess);
}

// Of the host, but streams may use it while the host goes on.
cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  *pointer = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  return report(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

// As the real one, which waits for the whole device.
cudaError_t cudaFree(void* pointer) {
  if (!pointer) return cudaSuccess;
  cudaDeviceSynchronize();
  Quiet bookkeeping;
  size_t bytes = 0;
  bool known = false;
  {
    Lock lock(mutex);
    auto found = arena.allocations.find(reinterpret_cast<uintptr_t>(pointer));
    known = found != arena.allocations.end() && found->second.live;
    if (known) {
      found->second.live = false;
      bytes = found->second.bytes;
    }
  }
  if (!known) {
    break_context(cudaErrorInvalidDevicePointer, "cudaFree of what is not a live allocation");
    return report(cudaErrorInvalidDevicePointer);
  }
  {
    DeviceAccess access;
    std::memset(pointer, 0xFF, bytes);
#ifdef TESSERA_EMULATION_ASAN
    __asan_poison_memory_region(pointer, bytes);
#endif
  }
  Lock lock(mutex);
  arena.close(reinterpret_cast<uintptr_t>(pointer), bytes);
  return report(cudaSuccess);
}

}  // extern "C"

}  // namespace tessera::emulation
