// What the files of the emulation share. None of them is compiled with -fsanitize=thread, which is
// to see the kernels and nothing of the emulation; TESSERA_EMULATION_TSAN, from the build, says
// that the kernels are.
#pragma once

#include <cuda_runtime_api.h>
#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#ifdef __SANITIZE_ADDRESS__
#define TESSERA_EMULATION_ASAN 1
#endif
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define TESSERA_EMULATION_ASAN 1
#endif
#endif

namespace tessera::emulation {

// The number in an environment variable, or `missing`.
int env_int(const char* name, int missing);

// Not std::mutex: ThreadSanitizer would see it and take all streams to be ordered by it.
class Mutex {
 public:
  void lock() {
    while (flag_.test_and_set(std::memory_order_acquire)) sched_yield();
  }
  void unlock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag flag_;
};
using Lock = std::unique_lock<Mutex>;

// Marsaglia's xorshift.
struct Rng {
  uint64_t state;
  uint64_t operator()() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
  unsigned below(unsigned limit) { return static_cast<unsigned>(((*this)() >> 32) * limit >> 32); }
};
Rng seeded(uint64_t seed);

// One operation of a stream.
struct Op {
  std::string what;
  std::function<void()> run;
  std::function<bool()> ready = nullptr;  // called with the runtime's lock; null: always
  char token = 0;
};
void enqueue(cudaStream_t stream, std::unique_ptr<Op> op);

// An error that breaks the context: it is reported by every call from here on.
void break_context(cudaError_t code, const std::string& message);
// Remembers an error of this thread; reports the one that broke the context.
cudaError_t report(cudaError_t code);

// Of a function that kernels are compiled to, demangled.
std::string kernel_name(const void* function);
// The kernel that this thread runs, for messages; null where it runs none.
extern thread_local const char* current_kernel;

// The whole device's bytes.
size_t arena_bytes();
bool is_device_pointer(const void* pointer);
// Whether the bytes lie in one live allocation; breaks the context where not.
bool check_range(const void* pointer, size_t bytes, const char* what);

// Device memory may be read and written while one of these lives.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

// What ThreadSanitizer is told: what orders what, ...
void release(void* token);
void acquire(void* token);
// ... that a library has read or written user data, ...
void touched(const void* pointer, size_t bytes, bool write);
// ... and whether accesses count from here on.
void quiet(bool on);
struct Quiet {  // bookkeeping of the emulation
  Quiet() { quiet(true); }
  ~Quiet() { quiet(false); }
};
struct Loud {  // user data within such
  Loud() { quiet(false); }
  ~Loud() { quiet(true); }
};

}  // namespace tessera::emulation
