// What the files of the emulation share.
#pragma once
#include <cuda_runtime_api.h>
#include <sched.h>
#include <unistd.h>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#ifdef __SANITIZE_ADDRESS__
#define TESSERA_EMULATION_ASAN 1
#endif
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define TESSERA_EMULATION_ASAN 1
#endif
#endif
// TESSERA_EMULATION_TSAN comes from the build: the emulator itself is never compiled with
// -fsanitize=thread
namespace tessera::emulation {
// Not std::mutex: ThreadSanitizer would see it and order all streams by it.
struct Mutex {
  std::atomic_flag f;
  void lock() {
    while (f.test_and_set(std::memory_order_acquire)) sched_yield();
  }
  void unlock() { f.clear(std::memory_order_release); }
};
using Lock = std::unique_lock<Mutex>;
struct Rng {
  std::uint64_t s;
  std::uint64_t operator()() {
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return s;
  }
  unsigned below(unsigned n) { return unsigned(((*this)() >> 32) * n >> 32); }
};
struct Op {
  std::string what;
  std::function<void()> run;
  std::function<bool()> ready;  // called with the big lock held; empty = always ready
  std::function<void()>
      on_head;  // called once, lock held, when the op reaches the head of its stream
  bool headed = false;
  char token = 0;
};
int env_int(const char* n, int d);
bool lazy();
void enqueue(cudaStream_t s, std::unique_ptr<Op> op);
cudaError_t run_kernel(const void* fn, void** args, dim3 g, dim3 b, std::size_t smem,
                       std::uint64_t seed, void** slot, std::string* err);
struct KernelInfo;
const struct KernelInfo* find_kernel(const void*);
struct DeviceAccess {
  DeviceAccess();
  ~DeviceAccess();
};  // opens the device arena for this scope
bool is_device_ptr(const void* p);
bool check_range(const void* p, std::size_t n,
                 const char* what);  // false + message when outside a live allocation
void sticky(cudaError_t e, const std::string& msg);
// Remembers an error of this thread, and reports the one that broke the context.
cudaError_t report(cudaError_t e);
int current_device();
extern Mutex memory_lock;
std::size_t arena_bytes();
std::string kernel_name(const void* fn);
extern thread_local const char* current_kernel;
void release(void*);
void acquire(void*);
void touched(const void* p, std::size_t n,
             bool write);  // tells TSan of an access made by uninstrumented library code
void quiet(bool on);       // TSan ignores this context's accesses (emulator bookkeeping)
struct Quiet {
  Quiet() { quiet(true); }
  ~Quiet() { quiet(false); }
};
struct Loud {
  Loud() { quiet(false); }
  ~Loud() { quiet(true); }
};  // user data inside a stream op
}  // namespace tessera::emulation
