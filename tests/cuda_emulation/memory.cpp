// Device memory of the emulated CUDA: one arena whose addresses are never used twice, closed to the
// host except while an operation of a stream runs.
#include <execinfo.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <map>

#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tessera::emulation {
Mutex memory_lock;
std::size_t arena_bytes() { return std::size_t(env_int("TESSERA_EMULATION_ARENA_MB", 4096)) << 20; }
namespace {
struct Alloc {
  std::size_t n;
  int dev;
  bool live;
};
struct Arena {
  char* base = nullptr;
  std::size_t cap = 0, used = 0;
};
std::map<std::uintptr_t, Alloc> allocs;
Arena arena;
int open_count = 0;
const Alloc* find_alloc(const void* p, std::uintptr_t* base = nullptr) {  // memory_lock held
  auto it = allocs.upper_bound(reinterpret_cast<std::uintptr_t>(p));
  if (it == allocs.begin()) return nullptr;
  --it;
  if (base) *base = it->first;
  return &it->second;
}
void on_segv(int, siginfo_t* si, void*) {
  char buf[512];
  std::uintptr_t base = 0;
  const Alloc* a = nullptr;
  bool dev = is_device_ptr(si->si_addr);
  if (dev) a = find_alloc(si->si_addr, &base);
  int n =
      current_kernel ? std::snprintf(buf, sizeof buf,
                                     "cuda emulation: kernel %s: illegal address %p, block "
                                     "(%u,%u,%u) thread (%u,%u,%u)\n",
                                     current_kernel, si->si_addr, blockIdx.x, blockIdx.y,
                                     blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z)
      : dev          ? std::snprintf(buf, sizeof buf,
                                     "cuda emulation: HOST code dereferenced device pointer %p (offset %zu "
                                              "of a %s allocation of %zu bytes)\n",
                                     si->si_addr, std::size_t(si->si_addr) - base,
                            a && a->live ? "live" : "freed", a ? a->n : 0)
            : std::snprintf(buf, sizeof buf, "cuda emulation: host segfault at %p\n", si->si_addr);
  (void)!write(2, buf, std::size_t(n));
  void* bt[32];
  int k = backtrace(bt, 32);
  backtrace_symbols_fd(bt, k, 2);
  _exit(86);
}
void init_arena() {  // memory_lock held
  if (arena.base) return;
  arena.cap = arena_bytes();
  arena.base = static_cast<char*>(
      mmap(nullptr, arena.cap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
#ifndef TESSERA_EMULATION_ASAN  // ASan owns (and frees) each thread's alternate stack
  static char alt[1 << 16];
  stack_t ss{};
  ss.ss_sp = alt;
  ss.ss_size = sizeof alt;
  sigaltstack(&ss, nullptr);
#endif
  struct sigaction sa {};
  sa.sa_sigaction = on_segv;
  sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &sa, nullptr);
}
}  // namespace
bool is_device_ptr(const void* p) {
  auto* c = static_cast<const char*>(p);
  return arena.base && c >= arena.base && c < arena.base + arena.cap;
}
bool check_range(const void* p, std::size_t n, const char* what) {
  std::uintptr_t base = 0;
  Lock l(memory_lock);
  const Alloc* a = find_alloc(p, &base);
  if (is_device_ptr(p) && a && a->live && reinterpret_cast<std::uintptr_t>(p) + n <= base + a->n)
    return true;
  std::string m = std::string(what) + ": " + std::to_string(n) +
                  " bytes are not inside a live device allocation";
  if (a) m += " (nearest: " + std::to_string(a->n) + " bytes, " + (a->live ? "live)" : "freed)");
  l.unlock();
  sticky(cudaErrorIllegalAddress, m);
  return false;
}
DeviceAccess::DeviceAccess() {
  Lock l(memory_lock);
  if (open_count++ == 0 && arena.base)
    mprotect(arena.base, (arena.used + 8191) & ~4095ul, PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  Lock l(memory_lock);
  if (--open_count == 0 && arena.base && !env_int("TESSERA_EMULATION_NO_PROTECT", 0))
    mprotect(arena.base, (arena.used + 8191) & ~4095ul, PROT_NONE);
}
}  // namespace tessera::emulation
using namespace tessera::emulation;
extern "C" {
cudaError_t cudaMalloc(void** p, size_t n) {
  Quiet qh;
  {
    Lock l(memory_lock);
    init_arena();
    std::size_t at = (arena.used + 255 + 256) &
                     ~255ul;  // 256-byte alignment and at least 256 bytes of red zone; never reused
    if (at + n + 8192 > arena.cap) return report(cudaErrorMemoryAllocation);
    *p = arena.base + at;
    arena.used = at + n;
    allocs[std::uintptr_t(*p)] = {n, current_device(), true};
  }
  DeviceAccess da;
  {
    Lock l(memory_lock);
    mprotect(arena.base, (arena.used + 8191) & ~4095ul, PROT_READ | PROT_WRITE);
  }
  std::memset(*p, 0xFF, n);
#ifdef TESSERA_EMULATION_ASAN
  __asan_poison_memory_region(static_cast<char*>(*p) - 256, 256);
  __asan_poison_memory_region(static_cast<char*>(*p) + n, 256 + (8 - n % 8) % 8);
#endif
  return report(cudaSuccess);
}
static cudaError_t free_now(void* p) {
  Lock l(memory_lock);
  auto it = allocs.find(std::uintptr_t(p));
  if (it == allocs.end() || !it->second.live) {
    l.unlock();
    sticky(cudaErrorInvalidDevicePointer, "cudaFree of a pointer that is not a live allocation");
    return cudaErrorInvalidDevicePointer;
  }
  it->second.live = false;
  const std::size_t n = it->second.n;
  l.unlock();
  DeviceAccess da;
  std::memset(p, 0xFF, n);
#ifdef TESSERA_EMULATION_ASAN
  __asan_poison_memory_region(p, n);
#endif
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  if (!p) return cudaSuccess;
  cudaDeviceSynchronize();
  return report(free_now(p));
}
}
