// Streams, events and launches of the CUDA runtime, as far as core/cuda uses them. The signatures
// are those of the toolkit's own header.
//
// No thread works for a stream: an operation runs when the host has to wait, or at random when
// another is enqueued. Which stream goes first is the choice of TESSERA_EMULATION_SEED, so a
// failure can be repeated.
#include <cxxabi.h>
#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <vector>

#include "tests/cuda_emulation/executor.h"
#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_TSAN
#include "tests/cuda_emulation/tsan.h"
#endif

using tessera::emulation::Op;

struct CUstream_st {
  int device = 0;
  std::deque<std::unique_ptr<Op>> queue;
  bool busy = false;
  uint64_t num_enqueued = 0;
  uint64_t num_done = 0;
  char token = 0;
  void* tsan = nullptr;
  tessera::emulation::Executor executor;
};

// What operations that record an event or wait for it share with its handle: they may outlive it.
struct EventState {
  uint64_t num_recorded = 0;
  uint64_t num_completed = 0;
  char token = 0;
};
struct CUevent_st {
  int device = 0;
  std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

namespace tessera::emulation {

int env_int(const char* name, int missing) {
  const char* value = std::getenv(name);
  return value ? std::atoi(value) : missing;
}

Rng seeded(uint64_t seed) {
  Rng rng{seed * 0x9E3779B97F4A7C15ULL | 1};
  // Small seeds differ in few bits at first.
  for (int i = 0; i < 4; ++i) rng();
  return rng;
}

namespace {

constexpr int kNumDevices = 2;
constexpr auto kTimeout = std::chrono::seconds(20);
constexpr unsigned kMaxThreads = 1024;

uint64_t seed() { return static_cast<uint64_t>(env_int("TESSERA_EMULATION_SEED", 1)); }

// Guards everything below but what is atomic or a thread's own.
Mutex mutex;
std::vector<cudaStream_t> streams;
uint64_t num_launches = 0;
std::unordered_map<const void*, const KernelInfo*> kernels;
std::string context_error;
std::atomic<int> context_code{cudaSuccess};
thread_local cudaError_t last_error = cudaSuccess;
thread_local int device = 0;

// Which stream goes on, and when.
Rng& picks() {
  static Rng rng = seeded(seed());
  return rng;
}

// While it lives, ThreadSanitizer takes the caller for the stream.
class AsStream {
 public:
#ifdef TESSERA_EMULATION_TSAN
  explicit AsStream(cudaStream_t stream) : host_(__tsan_get_current_fiber()) {
    __tsan_switch_to_fiber(stream->tsan, 1);
    quiet(true);
  }
  ~AsStream() {
    quiet(false);
    __tsan_switch_to_fiber(host_, 1);
  }

 private:
  void* host_;
#else
  explicit AsStream(cudaStream_t) {}
  // NOLINTNEXTLINE(modernize-use-equals-default): a variable of this is no unused one.
  ~AsStream() {}
#endif
};

bool can_run(cudaStream_t stream) {
  if (stream->queue.empty() || stream->busy) return false;
  const Op& op = *stream->queue.front();
  return !op.ready || op.ready();
}

void run_next(cudaStream_t stream, Lock& lock) {
  stream->busy = true;
  std::unique_ptr<Op> op = std::move(stream->queue.front());
  stream->queue.pop_front();
  lock.unlock();
  {
    DeviceAccess access;
    AsStream as_stream(stream);
    acquire(&op->token);
    op->run();
    release(&stream->token);
  }
  lock.lock();
  stream->busy = false;
  ++stream->num_done;
}

// Runs one operation of some stream; false where none can run.
bool step(Lock& lock) {
  Quiet bookkeeping;
  std::vector<cudaStream_t> able;
  std::copy_if(streams.begin(), streams.end(), std::back_inserter(able), can_run);
  if (able.empty()) return false;
  run_next(able[picks().below(static_cast<unsigned>(able.size()))], lock);
  return true;
}

std::string pending() {
  std::string text;
  for (cudaStream_t stream : streams) {
    if (!stream->queue.empty()) text += " " + stream->queue.front()->what;
  }
  return text;
}

void wait_until(const std::function<bool()>& done, const char* what) {
  Lock lock(mutex);
  const auto start = std::chrono::steady_clock::now();
  while (!done()) {
    if (step(lock)) continue;
    // Another thread of the host runs what is left.
    lock.unlock();
    usleep(30);
    lock.lock();
    if (std::chrono::steady_clock::now() - start < kTimeout) continue;
    std::string text = std::string(what) + " waits for ever; pending:" + pending();
    lock.unlock();
    return break_context(cudaErrorLaunchTimeout, text);
  }
}

void add(cudaStream_t stream, std::string what, std::function<void()> run) {
  enqueue(stream, std::make_unique<Op>(Op{std::move(what), std::move(run)}));
}

bool kind_fits(cudaMemcpyKind kind, bool to_device, bool from_device) {
  switch (kind) {
    case cudaMemcpyHostToDevice: return to_device && !from_device;
    case cudaMemcpyDeviceToHost: return !to_device && from_device;
    case cudaMemcpyDeviceToDevice: return to_device && from_device;
    case cudaMemcpyHostToHost: return !to_device && !from_device;
    default: return true;
  }
}

bool fits_a_gpu(dim3 grid, dim3 block) {
  constexpr unsigned kMaxGridYZ = 65535;
  constexpr unsigned kMaxBlockZ = 64;
  size_t threads = size_t{block.x} * block.y * block.z;
  return threads > 0 && threads <= kMaxThreads && block.z <= kMaxBlockZ && grid.x > 0 &&
         grid.x <= INT32_MAX && grid.y > 0 && grid.y <= kMaxGridYZ && grid.z > 0 &&
         grid.z <= kMaxGridYZ;
}

using Params = std::vector<std::vector<char>>;

// The parameters as they are at the launch. A pointer to memory of the host breaks the context.
Params params_of(const void* function, const KernelInfo& kernel, void** args) {
  Params params(kernel.num_params);
  for (size_t i = 0; i < params.size(); ++i) {
    const char* from = static_cast<const char*>(args[i]);
    params[i].assign(from, from + kernel.sizes[i]);
    if (!kernel.are_pointers[i]) continue;
    void* pointer = nullptr;
    std::memcpy(&pointer, args[i], sizeof pointer);
    if (!pointer || is_device_pointer(pointer)) continue;
    break_context(cudaErrorIllegalAddress, kernel_name(function) + ": argument " +
                                               std::to_string(i) + " is a pageable host pointer");
  }
  return params;
}

const KernelInfo* find_kernel(const void* function) {
  Lock lock(mutex);
  auto found = kernels.find(function);
  return found == kernels.end() ? nullptr : found->second;
}

cudaError_t refuse(cudaError_t code, const char* message) {
  std::fprintf(stderr, "cuda emulation: %s\n", message);
  return report(code);
}

}  // namespace

void enqueue(cudaStream_t stream, std::unique_ptr<Op> op) {
  release(&op->token);
  Quiet bookkeeping;
  Lock lock(mutex);
  stream->queue.push_back(std::move(op));
  ++stream->num_enqueued;
  // The device makes progress meanwhile, sometimes.
  while (picks().below(8) == 0 && step(lock)) {
  }
}

void register_kernel(const void* function, const KernelInfo* kernel) {
  Quiet bookkeeping;
  Lock lock(mutex);
  kernels[function] = kernel;
}

void break_context(cudaError_t code, const std::string& message) {
  std::fprintf(stderr, "cuda emulation: %s\n", message.c_str());
  int none = cudaSuccess;
  Lock lock(mutex);
  if (context_code.compare_exchange_strong(none, code)) context_error = message;
}

cudaError_t report(cudaError_t code) {
  if (code == cudaSuccess) code = static_cast<cudaError_t>(context_code.load());
  if (code != cudaSuccess) last_error = code;
  return code;
}

namespace {

std::string look_up_name(const void* function) {
  Dl_info info;
  if (!dladdr(function, &info) || !info.dli_sname) return "a kernel";
  int status = 0;
  char* demangled = abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status);
  std::string name = status == 0 ? demangled : info.dli_sname;
  std::free(demangled);
  return name.substr(0, name.find('('));
}

}  // namespace

std::string kernel_name(const void* function) {
  // Among the symbols of a large program a name is long to find, and every launch asks for one.
  thread_local std::unordered_map<const void*, std::string> names;
  std::string& name = names[function];
  if (name.empty()) name = look_up_name(function);
  return name;
}

// A fresh context for the next test: a broken one runs nothing more.
void reset_context() {
  cudaDeviceSynchronize();
  context_code = cudaSuccess;
  last_error = cudaSuccess;
}

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = kNumDevices;
  return report(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return report(cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  if (index < 0 || index >= kNumDevices) return report(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated device %d", index);
  properties->totalGlobalMem = arena_bytes();
  return report(cudaSuccess);
}

cudaError_t cudaGetDevice(int* index) {
  *index = device;
  return report(cudaSuccess);
}

cudaError_t cudaSetDevice(int index) {
  if (index < 0 || index >= kNumDevices) return report(cudaErrorInvalidDevice);
  device = index;
  return report(cudaSuccess);
}

cudaError_t cudaGetLastError() {
  cudaError_t code = context_code ? static_cast<cudaError_t>(context_code.load()) : last_error;
  last_error = cudaSuccess;
  return code;
}

const char* cudaGetErrorString(cudaError_t code) {
  if (code == cudaSuccess) return "no error";
  if (code == context_code) return context_error.c_str();
  return code == cudaErrorMemoryAllocation ? "out of memory" : "emulated CUDA error";
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned) {
  Quiet bookkeeping;
  auto* stream = new CUstream_st;
  stream->device = device;
#ifdef TESSERA_EMULATION_TSAN
  // Not at its first use: it would inherit what the host has done until then, and hide races.
  stream->tsan = __tsan_create_fiber(0);
#endif
  Lock lock(mutex);
  streams.push_back(stream);
  *out = stream;
  return report(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  uint64_t target = 0;
  {
    Lock lock(mutex);
    target = stream->num_enqueued;
  }
  wait_until([=] { return stream->num_done >= target; }, "cudaStreamSynchronize");
  acquire(&stream->token);
  return report(cudaSuccess);
}

cudaError_t cudaDeviceSynchronize() {
  auto idle = [](cudaStream_t stream) { return stream->num_done == stream->num_enqueued; };
  wait_until([=] { return std::all_of(streams.begin(), streams.end(), idle); },
             "cudaDeviceSynchronize");
  Lock lock(mutex);
  for (cudaStream_t stream : streams) acquire(&stream->token);
  return report(cudaSuccess);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  (*event)->device = device;
  return report(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return report(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (stream->device != event->device) {
    return refuse(cudaErrorInvalidResourceHandle,
                  "an event recorded on a stream of another device");
  }
  uint64_t number = 0;
  {
    Lock lock(mutex);
    number = ++event->state->num_recorded;
  }
  add(stream, "cudaEventRecord", [state = event->state, number] {
    release(&state->token);
    Lock lock(mutex);
    state->num_completed = std::max(state->num_completed, number);
  });
  return report(cudaSuccess);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  {
    Lock lock(mutex);
    if (event->state->num_completed < event->state->num_recorded) return cudaErrorNotReady;
  }
  acquire(&event->state->token);
  return report(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  auto state = event->state;
  uint64_t number = 0;
  {
    Lock lock(mutex);
    number = state->num_recorded;
  }
  wait_until([=] { return state->num_completed >= number; }, "cudaEventSynchronize");
  acquire(&state->token);
  return report(cudaSuccess);
}

// For what was recorded at the time of the call.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  uint64_t number = 0;
  {
    Lock lock(mutex);
    number = event->state->num_recorded;
  }
  auto run = [state = event->state] { acquire(&state->token); };
  auto ready = [state = event->state, number] { return state->num_completed >= number; };
  enqueue(stream, std::make_unique<Op>(Op{"cudaStreamWaitEvent", run, ready}));
  return report(cudaSuccess);
}

// Memory of the host is read or written when the copy runs, as with pinned memory.
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  bool to_device = is_device_pointer(to);
  bool from_device = is_device_pointer(from);
  if (!kind_fits(kind, to_device, from_device)) {
    return refuse(cudaErrorInvalidValue, "cudaMemcpyAsync: the kind does not fit the pointers");
  }
  if (context_code) return report(cudaSuccess);
  add(stream, "cudaMemcpyAsync", [=] {
    if (to_device && !check_range(to, bytes, "cudaMemcpyAsync destination")) return;
    if (from_device && !check_range(from, bytes, "cudaMemcpyAsync source")) return;
    Loud user_data;
    std::memcpy(to, from, bytes);
  });
  return report(cudaSuccess);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** args,
                             size_t shared, cudaStream_t stream) {
  Quiet bookkeeping;
  const KernelInfo* kernel = find_kernel(function);
  if (!kernel) {
    return refuse(cudaErrorInvalidDeviceFunction,
                  "a kernel was not launched by tessera::cuda::launch");
  }
  if (!fits_a_gpu(grid, block)) return report(cudaErrorInvalidConfiguration);
  if (shared > 0) return refuse(cudaErrorInvalidValue, "dynamic shared memory is not emulated");
  if (!stream) return refuse(cudaErrorInvalidValue, "the default stream is not emulated");
  if (stream->device != device) {
    return refuse(cudaErrorInvalidResourceHandle, "a launch on a stream of another device");
  }
  Params params = params_of(function, *kernel, args);
  if (context_code) return report(cudaSuccess);
  uint64_t launch_seed = 0;
  {
    Lock lock(mutex);
    launch_seed = seed() * 1000003 + ++num_launches;
  }
  add(stream, kernel_name(function), [=]() mutable {
    if (context_code) return;  // a broken context runs nothing more
    std::vector<void*> pointers;
    for (std::vector<char>& param : params) pointers.push_back(param.data());
    std::string error =
        stream->executor.run({function, kernel, pointers.data(), grid, block, launch_seed});
    if (!error.empty()) break_context(cudaErrorLaunchFailure, error);
  });
  return report(cudaSuccess);
}

}  // extern "C"

}  // namespace tessera::emulation
