// Streams, events and launches of the CUDA runtime, as far as core/cuda uses them. The signatures
// are those of the toolkit's own header.
//
// No thread works for a stream unless TESSERA_EMULATION_THREADS=1: an operation runs when the host
// has to wait, or at random when another is enqueued; which stream goes first is the seed's choice.
#include <cxxabi.h>
#include <dlfcn.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>
#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_TSAN
#include "tests/cuda_emulation/tsan.h"
#endif
using tessera::emulation::Lock;
struct CUstream_st {
  int dev = 0;
  std::deque<std::unique_ptr<tessera::emulation::Op>> q;
  bool busy = false, stop = false;
  std::uint64_t num_enqueued = 0, num_done = 0;
  std::thread worker;
  tessera::emulation::Rng rng{1};
  char token = 0;
  void *tsan = nullptr, *executor = nullptr;
  std::string name;
};
struct CUevent_st {
  std::uint64_t recorded = 0, completed = 0;
  char token = 0;
  std::chrono::steady_clock::time_point at;
  bool timing = true;
};
namespace tessera::emulation {
int env_int(const char* n, int d) {
  const char* e = std::getenv(n);
  return e ? std::atoi(e) : d;
}
bool lazy() {
  static const bool l = env_int("TESSERA_EMULATION_THREADS", 0) == 0;
  return l;
}
namespace {
std::uint64_t seed() { return std::uint64_t(env_int("TESSERA_EMULATION_SEED", 1)); }
int num_devices() { return env_int("TESSERA_EMULATION_DEVICES", 2); }
Mutex big;
std::vector<cudaStream_t> streams;
Rng seeded(std::uint64_t seed) {
  Rng rng{seed * 0x9E3779B97F4A7C15ull | 1};
  for (int i = 0; i < 4; ++i) rng();
  return rng;
}
// Which stream goes on, and when; seeded when the process first needs it.
Rng& pick() {
  static Rng rng = seeded(seed());
  return rng;
}
std::uint64_t kernel_no = 0;
std::atomic<int> sticky_err{0};
thread_local cudaError_t last = cudaSuccess;
thread_local int cur_dev = 0;
std::string sticky_message;
std::unordered_map<const void*, const KernelInfo*> kernels;
bool step(Lock& l, cudaStream_t only = nullptr);
void make_ctx([[maybe_unused]] cudaStream_t s) {
#ifdef TESSERA_EMULATION_TSAN
  s->tsan =
      __tsan_create_fiber(0);  // at creation: a later one would inherit the host's newer history
#endif
}
struct DevThread {  // run as "the stream" for TSan
  [[maybe_unused]] void* back = nullptr;
  explicit DevThread([[maybe_unused]] cudaStream_t s) {
#ifdef TESSERA_EMULATION_TSAN
    back = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(s->tsan, 1);
    quiet(true);
#endif
  }
  ~DevThread() {
#ifdef TESSERA_EMULATION_TSAN
    quiet(false);
    __tsan_switch_to_fiber(back, 1);
#endif
  }
};
void pause(Lock& l) {
  l.unlock();
  usleep(30);
  l.lock();
}
bool head_ready(cudaStream_t s) {
  if (s->q.empty() || s->busy) return false;
  Op* o = s->q.front().get();
  if (!o->headed) {
    o->headed = true;
    if (o->on_head) o->on_head();
  }
  return !o->ready || o->ready();
}
void run_head(cudaStream_t s, Lock& l) {
  Quiet quiet_host;
  s->busy = true;
  auto op = std::move(s->q.front());
  l.unlock();
  {
    DeviceAccess da;
    DevThread dt(s);
    acquire(&op->token);
    op->run();
    release(&s->token);
  }
  l.lock();
  s->q.pop_front();
  s->busy = false;
  ++s->num_done;
}
bool step(Lock& l, cudaStream_t only) {
  Quiet qh;
  std::vector<cudaStream_t> r;
  for (auto* s : streams)
    if ((!only || s == only) && head_ready(s)) r.push_back(s);
  if (r.empty()) return false;
  run_head(r[pick().below(unsigned(r.size()))], l);
  return true;
}
cudaError_t wait_until(const std::function<bool()>& pred, const char* what) {
  Lock l(big);
  const auto t0 = std::chrono::steady_clock::now();
  const int limit = env_int("TESSERA_EMULATION_TIMEOUT_S", 5);
  while (!pred()) {
    if (lazy() && step(l)) continue;
    pause(l);
    if (std::chrono::steady_clock::now() - t0 > std::chrono::seconds(limit)) {
      std::string m = std::string(what) + " waits for ever; pending:";
      for (auto* s : streams)
        if (!s->q.empty())
          m += " [" + s->name + ": " + (s->q.front() ? s->q.front()->what : "running") + "]";
      l.unlock();
      sticky(cudaErrorLaunchTimeout, m);
      return cudaErrorLaunchTimeout;
    }
  }
  return cudaSuccess;
}
void worker(cudaStream_t s) {
  Lock l(big);
  for (;;) {
    if (head_ready(s)) {
      unsigned us = s->rng.below(4) == 0 ? s->rng.below(2000) : s->rng.below(50);  // seeded delay
      l.unlock();
      std::this_thread::sleep_for(std::chrono::microseconds(us));
      l.lock();
      run_head(s, l);
    } else if (s->stop) return;
    else pause(l);
  }
}
cudaStream_t null_stream() {
  static cudaStream_t s = [] {
    auto* p = new CUstream_st;
    make_ctx(p);
    p->name = "default stream";
    Lock l(big);
    streams.push_back(p);
    p->rng = seeded(seed());
    if (!lazy()) (p->worker = std::thread(worker, p)).detach();
    return p;
  }();
  return s;
}
cudaStream_t real(cudaStream_t s) {
  return s == nullptr || s == cudaStreamLegacy ? null_stream() : s;
}
}  // namespace
// Remembers an error, and reports the one that broke the context.
cudaError_t report(cudaError_t e) {
  if (e != cudaSuccess) last = e;
  else if (sticky_err) e = last = cudaError_t(sticky_err.load());
  return e;
}
int current_device() { return cur_dev; }
const KernelInfo* find_kernel(const void* f) {
  Lock l(memory_lock);
  auto i = kernels.find(f);
  return i == kernels.end() ? nullptr : i->second;
}
void register_kernel(const void* f, const KernelInfo* k) {
  Lock l(memory_lock);
  kernels[f] = k;
}
void sticky(cudaError_t e, const std::string& m) {
  std::fprintf(stderr, "cuda emulation: %s\n", m.c_str());
  int none = 0;
  if (sticky_err.compare_exchange_strong(none, e)) sticky_message = m;
}
std::string kernel_name(const void* fn) {
  Dl_info di;
  if (!dladdr(fn, &di) || !di.dli_sname) {
    char b[32];
    std::snprintf(b, sizeof b, "kernel@%p", fn);
    return b;
  }
  int st;
  char* d = abi::__cxa_demangle(di.dli_sname, nullptr, nullptr, &st);
  std::string r = st ? di.dli_sname : d;
  std::free(d);
  return r.substr(0, r.find('('));
}
void enqueue(cudaStream_t s, std::unique_ptr<Op> op) {
  release(&op->token);
  Quiet qh;
  s = real(s);
  Lock l(big);
  s->q.push_back(std::move(op));
  ++s->num_enqueued;
  if (lazy())
    while (pick().below(8) == 0 && step(l)) {
    }  // the device sometimes makes progress meanwhile
}
}  // namespace tessera::emulation
using namespace tessera::emulation;
namespace {
void add(cudaStream_t stream, std::string what, std::function<void()> run) {
  auto op = std::make_unique<Op>();
  op->what = std::move(what);
  op->run = std::move(run);
  enqueue(stream, std::move(op));
}
}  // namespace
extern "C" {
cudaError_t cudaDeviceSynchronize() {
  report(wait_until(
      [] {
        for (auto* s : streams)
          if (s->num_done != s->num_enqueued) return false;
        return true;
      },
      "cudaDeviceSynchronize"));
  for (auto* s : streams) acquire(&s->token);
  return report(cudaSuccess);
}
cudaError_t cudaMemcpyAsync(void* d, const void* s, size_t n, cudaMemcpyKind k, cudaStream_t st) {
  const bool dd = is_device_ptr(d), sd = is_device_ptr(s);
  if ((k == cudaMemcpyHostToDevice && (!dd || sd)) ||
      (k == cudaMemcpyDeviceToHost && (dd || !sd)) ||
      (k == cudaMemcpyDeviceToDevice && !(dd && sd)) || (k == cudaMemcpyHostToHost && (dd || sd))) {
    std::fprintf(stderr, "cuda emulation: cudaMemcpyAsync: the kind does not fit the pointers\n");
    return report(cudaErrorInvalidValue);
  }
  add(st, "cudaMemcpyAsync", [=] {
    if ((dd && !check_range(d, n, "cudaMemcpyAsync destination")) ||
        (sd && !check_range(s, n, "cudaMemcpyAsync source")))
      return;
    Loud loud;
    std::memcpy(d, s, n);
  });
  return report(
      cudaSuccess);  // host memory is read or written when the copy runs, as for pinned memory
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned) {
  Quiet qh;
  auto* s = new CUstream_st;
  s->dev = cur_dev;
  make_ctx(s);
  Lock l(big);
  s->name = "stream " + std::to_string(streams.size());
  s->rng = seeded(seed() * 977 + streams.size() * 7919);
  streams.push_back(s);
  if (!lazy()) s->worker = std::thread(worker, s);
  *out = s;
  return report(cudaSuccess);
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  s = real(s);
  std::uint64_t t;
  {
    Lock l(big);
    t = s->num_enqueued;
  }
  wait_until([=] { return s->num_done >= t; }, "cudaStreamSynchronize");
  acquire(&s->token);
  return report(cudaSuccess);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned f) {
  *e = new CUevent_st;
  (*e)->timing = !(f & cudaEventDisableTiming);
  return report(cudaSuccess);
}
// Never freed: operations that wait may still name it.
cudaError_t cudaEventDestroy(cudaEvent_t) { return report(cudaSuccess); }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t st) {
  std::uint64_t id;
  {
    Lock l(big);
    id = ++e->recorded;
  }
  add(st, "cudaEventRecord", [=] {
    release(&e->token);
    Lock l(big);
    e->completed = std::max(e->completed, id);
    e->at = std::chrono::steady_clock::now();
  });
  return report(cudaSuccess);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t st, cudaEvent_t e, unsigned) {
  std::uint64_t id;
  {
    Lock l(big);
    id = e->recorded;
  }  // what was recorded at the time of the call
  auto o = std::make_unique<Op>();
  o->what = "cudaStreamWaitEvent";
  o->ready = [=] { return e->completed >= id; };
  o->run = [=] {
    if (id) acquire(&e->token);
  };
  enqueue(st, std::move(o));
  return report(cudaSuccess);
}
cudaError_t cudaGetDevice(int* d) {
  *d = cur_dev;
  return report(cudaSuccess);
}
cudaError_t cudaSetDevice(int d) {
  if (d < 0 || d >= num_devices()) return report(cudaErrorInvalidDevice);
  cur_dev = d;
  return report(cudaSuccess);
}
cudaError_t cudaGetDeviceCount(int* n) {
  *n = num_devices();
  return report(cudaSuccess);
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return report(cudaSuccess);
}
cudaError_t cudaGetLastError() {
  cudaError_t e = sticky_err ? cudaError_t(sticky_err.load()) : last;
  last = cudaSuccess;
  return e;
}
const char* cudaGetErrorString(cudaError_t e) {
  if (e == cudaErrorLaunchFailure || e == cudaErrorIllegalAddress) return sticky_message.c_str();
  if (e == cudaErrorMemoryAllocation) return "out of memory";
  return e == cudaSuccess ? "no error" : "emulated CUDA error";
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int d) {
  if (d < 0 || d >= num_devices()) return report(cudaErrorInvalidDevice);
  *p = {};
  std::snprintf(p->name, sizeof p->name, "emulated device %d", d);
  p->totalGlobalMem = arena_bytes();
  return report(cudaSuccess);
}
cudaError_t cudaLaunchKernel(const void* fn, dim3 g, dim3 b, void** args, size_t smem,
                             cudaStream_t st) {
  Quiet qh;
  const KernelInfo* kernel = find_kernel(fn);
  if (!kernel) {
    std::fprintf(stderr,
                 "cuda emulation: launch of an unregistered kernel (use tessera::cuda::launch)\n");
    return report(cudaErrorInvalidDeviceFunction);
  }
  const std::size_t nt = std::size_t(b.x) * b.y * b.z;
  if (nt == 0 || nt > 1024 || b.z > 64 || g.x == 0 || g.y == 0 || g.z == 0 || g.y > 65535 ||
      g.z > 65535 || g.x > 0x7fffffffu)
    return report(cudaErrorInvalidConfiguration);
  if (smem > 48 << 10) return report(cudaErrorInvalidValue);
  if (st && st->dev != cur_dev) {
    std::fprintf(stderr, "cuda emulation: launch on a stream of another device\n");
    return report(cudaErrorInvalidResourceHandle);
  }
  std::vector<std::vector<char>> copy(kernel->n);
  for (std::size_t i = 0; i < kernel->n; ++i) {
    copy[i].assign(static_cast<char*>(args[i]), static_cast<char*>(args[i]) + kernel->size[i]);
    if (kernel->is_ptr[i]) {
      void* p;
      std::memcpy(&p, args[i], 8);
      if (p && !is_device_ptr(p)) {
        sticky(cudaErrorIllegalAddress,
               kernel_name(fn) + ": argument " + std::to_string(i) + " is a pageable host pointer");
        return report(cudaErrorIllegalAddress);
      }
    }
  }
  std::uint64_t sd;
  {
    Lock l(big);
    sd = seed() * 1000003 + ++kernel_no;
  }
  cudaStream_t rs = real(st);
  add(st, kernel_name(fn), [=]() mutable {
    if (sticky_err) return;  // a failed context runs nothing more
    std::vector<void*> a;
    for (auto& c : copy) a.push_back(c.data());
    a.push_back(nullptr);
    std::string err;
    cudaError_t e = run_kernel(fn, a.data(), g, b, smem, sd, &rs->executor, &err);
    if (e) sticky(e, err);
  });
  return report(cudaSuccess);
}
// A fresh context for the next test: a broken one runs nothing more.
void tessera_emulation_reset_error() {
  sticky_err = 0;
  last = cudaSuccess;
}
}
