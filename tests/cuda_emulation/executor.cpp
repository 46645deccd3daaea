// Runs the blocks of a kernel: one fiber for each CUDA thread, picked in an order that the seed
// decides, so that missing barriers show. TESSERA_EMULATION_ORDER: 0 forward, 1 reverse, 2 seeded.
#include <sys/mman.h>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>
#include "tests/cuda_emulation/internal.h"
#ifdef TESSERA_EMULATION_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TESSERA_EMULATION_TSAN
#include "tests/cuda_emulation/tsan.h"
#endif
constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};
extern "C" void tessera_emulation_switch(void** save, void* load);
#ifndef __x86_64__
#error "write tessera_emulation_switch for this machine (or use ucontext)"
#endif
asm(R"(.text
.globl tessera_emulation_switch
.type tessera_emulation_switch,@function
tessera_emulation_switch:
 pushq %rbp
 pushq %rbx
 pushq %r12
 pushq %r13
 pushq %r14
 pushq %r15
 movq %rsp,(%rdi)
 movq %rsi,%rsp
 popq %r15
 popq %r14
 popq %r13
 popq %r12
 popq %rbx
 popq %rbp
 ret
.size tessera_emulation_switch,.-tessera_emulation_switch
)");
namespace tessera::emulation {
uint3 tid_() { return threadIdx; }
uint3 bid_() { return blockIdx; }
dim3 bdim_() { return blockDim; }
dim3 gdim_() { return gridDim; }
thread_local const char* current_kernel = nullptr;
namespace {
constexpr std::size_t kStackBytes = 256 << 10, kStaticMax = 48 << 10, kDynMax = 227 << 10,
                      kRedZone = 64;
enum class State : unsigned char { fresh, ready, bar, warp, done };
struct Rendezvous {
  unsigned mask = 0, arrived = 0, gen = 0;
  int kind = 0;
  const char* file = nullptr;
  int line = 0;
  std::uint64_t in[32], out[2][32];
  char token[2];
};
struct Warp {
  Rendezvous meetings[32];
  unsigned exited = 0;
};
struct Fiber;
struct Block {
  dim3 idx;
  unsigned live = 0, at_barrier = 0, gen = 0, n = 0;
  const char* barrier_file = nullptr;
  int barrier_line = 0;
  std::vector<Warp> warps;
  char* arena = nullptr;
  std::size_t used = 0, dynamic_bytes = 0;
  char barrier_token[2];
  std::vector<std::pair<const void*, std::size_t>> sites;
  std::vector<std::size_t> canary;
  std::vector<Fiber*> fibers;
  std::vector<char*> old;
};
struct Fiber {
  void* sp = nullptr;
  char* stack = nullptr;
  Block* block = nullptr;
  uint3 tid{};
  unsigned index = 0;
  State st = State::fresh;
  const char* file = nullptr;
  int line = 0;
  void* fake = nullptr;
  void* tsan = nullptr;
  unsigned waitgen = 0;
};
struct Executor {
  std::vector<Fiber*> pool;
  std::vector<Fiber*> ready;
  std::vector<Block*> blocks;
  Fiber* cur = nullptr;
  void* sched_sp = nullptr;
  void* sched_fake = nullptr;
  const void* sched_bottom = nullptr;
  std::size_t sched_size = 0;
  void* sched_tsan = nullptr;
  Rng rng{1};
  int order = 2;
  const void* fn = nullptr;
  void** args = nullptr;
  const KernelInfo* kernel = nullptr;
  std::string err;
  bool failed = false;
  char launch_token, done_token;
  bool strict_exit = true;
  unsigned yield_pct = 0;
};
thread_local Executor* executor = nullptr;
void fiber_main();
void init_stack(Fiber* f) {
  void** top = reinterpret_cast<void**>(f->stack + kStackBytes);
  *--top = nullptr;  // fake return address: keeps 16-byte alignment
  *--top = reinterpret_cast<void*>(&fiber_main);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  f->sp = top;
  f->fake = nullptr;
}
Fiber* new_fiber() {
  auto* f = new Fiber;
  char* m = static_cast<char*>(mmap(nullptr, kStackBytes + 4096, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  mprotect(m, 4096, PROT_NONE);  // overflow of a fiber stack faults
  f->stack = m + 4096;
  init_stack(f);
#ifdef TESSERA_EMULATION_TSAN
  f->tsan = __tsan_create_fiber(0);
#endif
  return f;
}
void to_fiber(Fiber* f) {
  executor->cur = f;
  threadIdx = f->tid;
  blockIdx = uint3{f->block->idx.x, f->block->idx.y, f->block->idx.z};
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&executor->sched_fake, f->stack, kStackBytes);
#endif
#ifdef TESSERA_EMULATION_TSAN
  executor->sched_tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(f->tsan, 1);
#endif
  tessera_emulation_switch(&executor->sched_sp, f->sp);
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(executor->sched_fake, nullptr, nullptr);
#endif
}
void to_sched() {
  Fiber* f = executor->cur;
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_start_switch_fiber(&f->fake, executor->sched_bottom, executor->sched_size);
#endif
#ifdef TESSERA_EMULATION_TSAN
  __tsan_switch_to_fiber(executor->sched_tsan, 1);
#endif
  tessera_emulation_switch(&f->sp, executor->sched_sp);
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(f->fake, &executor->sched_bottom, &executor->sched_size);
#endif
}
void fiber_main() {
#ifdef TESSERA_EMULATION_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &executor->sched_bottom, &executor->sched_size);
#endif
  for (;;) {
    acquire(&executor->launch_token);
    executor->kernel->call(executor->fn, executor->args);
    release(&executor->done_token);
    Fiber* f = executor->cur;
    Block* b = f->block;
    f->st = State::done;
    --b->live;
    b->warps[f->index / 32].exited |= 1u << (f->index % 32);
    to_sched();
  }
}
std::string where(const Fiber* f) {
  char s[256];
  std::snprintf(s, sizeof s, "block (%u,%u,%u) thread (%u,%u,%u) at %s:%d", f->block->idx.x,
                f->block->idx.y, f->block->idx.z, f->tid.x, f->tid.y, f->tid.z,
                f->file ? f->file : "?", f->line);
  return s;
}
[[noreturn]] void fail(std::string m) {
  executor->err = std::move(m);
  executor->failed = true;
  to_sched();
  std::abort();
}
void open_arena(Block* b, [[maybe_unused]] std::size_t smem) {
  const std::size_t cap = kStaticMax + kDynMax + 4096;
#ifdef TESSERA_EMULATION_TSAN
  if (b->arena) b->old.push_back(b->arena);  // freed at kernel end, after done_token is acquired
  b->arena = nullptr;
#endif
  if (!b->arena) b->arena = static_cast<char*>(std::aligned_alloc(256, (cap + 255) / 256 * 256));
#ifdef TESSERA_EMULATION_ASAN
  __asan_poison_memory_region(b->arena, cap);
#endif
#ifdef TESSERA_EMULATION_TSAN
  std::memset(b->arena, 0xFF, kStaticMax + smem + 4096);
#endif
  b->sites.clear();
  b->sites.reserve(64);
  b->canary.clear();
  b->canary.reserve(64);
  b->used = 0;
}
void* carve(Block* b, std::size_t n) {
  std::size_t off = (b->used + 127) / 128 * 128;
  char* p = b->arena + off;
  b->used = off + n + kRedZone;
#ifdef TESSERA_EMULATION_ASAN
  __asan_unpoison_memory_region(p, n);
#endif
#ifndef TESSERA_EMULATION_TSAN
  std::memset(p, 0xFF, n);  // NaN / -1
#endif
#if !defined(TESSERA_EMULATION_ASAN) && !defined(TESSERA_EMULATION_TSAN)
  for (std::size_t i = 0; i < kRedZone; ++i) p[n + i] = char(0xA5);
  b->canary.push_back(off + n);
#endif
  return p;
}
bool canaries_ok(Block* b) {
  for (auto o : b->canary)
    for (std::size_t i = 0; i < kRedZone; ++i)
      if (b->arena[o + i] != char(0xA5)) return false;
  return true;
}
}  // namespace
unsigned lane() { return executor->cur->index % 32; }
void device_error(const char* what, const char* f, int l) {
  executor->cur->file = f;
  executor->cur->line = l;
  fail(std::string(what) + ": " + where(executor->cur));
}
void maybe_yield() {
  if (executor->yield_pct && executor->rng.below(100) < executor->yield_pct) {
    executor->cur->st = State::ready;
    executor->ready.push_back(executor->cur);
    to_sched();
  }
}
void barrier(const char* file, int line) {
  Fiber* f = executor->cur;
  Block* b = f->block;
  f->file = file;
  f->line = line;
  if (b->at_barrier == 0) {
    b->barrier_file = file;
    b->barrier_line = line;
  } else if (b->barrier_file != file || b->barrier_line != line) {
    fail("divergent __syncthreads: " + where(f) + ", other threads of the block wait at " +
         b->barrier_file + ":" + std::to_string(b->barrier_line));
  }
  unsigned g = b->gen;
  release(&b->barrier_token[g & 1]);
  ++b->at_barrier;
  f->st = State::bar;
  f->waitgen = g;
  to_sched();
  acquire(&b->barrier_token[g & 1]);
}
static const std::uint64_t* warp_collect(unsigned mask, int kind, std::uint64_t v, const char* file,
                                         int line) {
  Fiber* f = executor->cur;
  Block* b = f->block;
  const unsigned ln = f->index % 32;
  f->file = file;
  f->line = line;
  if (!(mask >> ln & 1)) fail("warp primitive whose mask leaves out the caller: " + where(f));
  Warp& w = b->warps[f->index / 32];
  Rendezvous& r = w.meetings[std::countr_zero(mask)];
  if (w.exited & mask) fail("warp primitive waits for a lane that has exited: " + where(f));
  if (r.arrived == 0) {
    r.mask = mask;
    r.kind = kind;
    r.file = file;
    r.line = line;
  } else if (r.mask != mask || r.kind != kind || r.line != line || r.file != file)
    fail("divergent warp primitive: " + where(f) + ", other lanes wait at " + r.file + ":" +
         std::to_string(r.line));
  r.in[ln] = v;
  r.arrived |= 1u << ln;
  const unsigned g = r.gen & 1;
  if (kind == 0) release(&r.token[g]);  // only __syncwarp orders memory
  f->st = State::warp;
  if (r.arrived == mask) {
    for (int i = 0; i < 32; ++i) static_cast<volatile std::uint64_t&>(r.out[g][i]) = r.in[i];
    r.arrived = 0;
    ++r.gen;
    for (unsigned i = 0, base = f->index / 32 * 32; i < 32;
         ++i)  // the caller's own turn is random again
      if (mask >> i & 1) {
        Fiber* o = b->fibers[base + i];
        o->st = State::ready;
        executor->ready.push_back(o);
      }
  }
  to_sched();
  if (kind == 0) acquire(&r.token[g]);
  return r.out[g];
}

std::uint64_t warp_exchange(unsigned m, int kind, std::uint64_t v, int src, const char* f, int l) {
  const std::uint64_t* all = warp_collect(m, kind, v, f, l);
  if (src < 0) return v;
  if (!(m >> src & 1)) device_error("shuffle reads a lane that is not in the mask", f, l);
  return all[src];
}
unsigned warp_ballot(unsigned m, bool p, const char* f, int l) {
  const std::uint64_t* a = warp_collect(m, 5, p, f, l);
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= unsigned((m >> i & 1) && a[i]) << i;
  return r;
}
void* shared_site(const void* tag, std::size_t bytes, const char* name) {
  Block* b = executor->cur->block;
  for (auto& p : b->sites)
    if (p.first == tag) return b->arena + p.second;
  if (b->used + bytes > kStaticMax + b->dynamic_bytes)
    fail(std::string("more than 48 KiB of static shared memory at ") + name);
  char* p = static_cast<char*>(carve(b, bytes));
  b->sites.push_back({tag, std::size_t(p - b->arena)});
  return p;
}
void* dyn_shared() { return executor->cur->block->arena; }  // carved first, so at offset 0

cudaError_t run_kernel(const void* fn, void** args, dim3 g, dim3 bd, std::size_t smem,
                       std::uint64_t seed, void** slot, std::string* err) {
  if (!*slot) *slot = new Executor;  // per stream: fibers of two streams share no TSan history
  executor = static_cast<Executor*>(*slot);
  executor->rng.s = seed * 0x9E3779B97F4A7C15ull | 1;
  for (int i = 0; i < 4; ++i) executor->rng();
  executor->order = env_int("TESSERA_EMULATION_ORDER", 2);
  executor->yield_pct = env_int("TESSERA_EMULATION_YIELD", 0);
  executor->strict_exit = env_int("TESSERA_EMULATION_STRICT_EXIT", 1);
  executor->fn = fn;
  executor->args = args;
  executor->kernel = find_kernel(fn);
  executor->failed = false;
  blockDim = bd;
  gridDim = g;
  std::string kernel_text = kernel_name(fn);
  current_kernel = kernel_text.c_str();
  const unsigned n = bd.x * bd.y * bd.z, resident = env_int("TESSERA_EMULATION_RESIDENT", 1);
  const std::size_t total = std::size_t(g.x) * g.y * g.z;
  std::vector<std::uint32_t> order(total);
  for (std::size_t i = 0; i < total; ++i)
    order[i] = std::uint32_t(executor->order == 1 ? total - 1 - i : i);
  if (executor->order == 2)
    for (std::size_t i = total; i > 1; --i)
      std::swap(order[i - 1], order[executor->rng.below(unsigned(i))]);
  while (executor->blocks.size() < resident) executor->blocks.push_back(new Block);
  while (executor->pool.size() < std::size_t(resident) * n) executor->pool.push_back(new_fiber());
  for (std::size_t at = 0; at < total && !executor->failed; at += resident) {
    const unsigned nb = unsigned(std::min<std::size_t>(resident, total - at));
    executor->ready.clear();
    executor->ready.reserve(std::size_t(resident) * n);
    for (unsigned q = 0; q < nb; ++q) {
      Block* b = executor->blocks[q];
      std::uint32_t id = order[at + q];
      b->idx = dim3(id % g.x, id / g.x % g.y, id / g.x / g.y);
      b->live = b->n = n;
      b->at_barrier = b->gen = 0;
      b->warps.resize((n + 31) / 32);
      for (auto& w : b->warps) {
        w.exited = 0;
        for (auto& r : w.meetings) r.arrived = 0;
      }
      open_arena(b, smem);
      b->dynamic_bytes = smem;
      carve(b, smem);
      b->used = (b->used + 127) / 128 * 128;
      b->fibers.resize(n);
      const unsigned rot = executor->rng.below(n);
      for (unsigned i = 0; i < n; ++i) {
        Fiber* f = executor->pool[std::size_t(q) * n +
                                  (i + rot) % n];  // rotated: TSan must not take equal threadIdx of
                                                   // two blocks for one thread
        f->block = b;
        f->index = i;
        f->tid = uint3{i % bd.x, i / bd.x % bd.y, i / bd.x / bd.y};
        f->st = State::fresh;
        f->file = nullptr;
        f->line = 0;
        b->fibers[i] = f;
        executor->ready.push_back(f);
      }
    }
    release(&executor->launch_token);
    while (!executor->failed) {
      while (!executor->ready.empty() && !executor->failed) {
        std::size_t i = executor->order == 2 ? executor->rng.below(unsigned(executor->ready.size()))
                        : executor->order == 1 ? executor->ready.size() - 1
                                               : 0;
        Fiber* f = executor->ready[i];
        if (executor->order == 0) executor->ready.erase(executor->ready.begin());
        else {
          executor->ready[i] = executor->ready.back();
          executor->ready.pop_back();
        }
        to_fiber(f);
        Block* b = f->block;
        if (b->at_barrier && b->at_barrier == b->live &&
            (b->live == b->n || !executor->strict_exit)) {  // open the barrier
          b->at_barrier = 0;
          ++b->gen;
          for (Fiber* o : b->fibers)
            if (o->st == State::bar) {
              o->st = State::ready;
              executor->ready.push_back(o);
            }
        }
      }
      bool done = true;
      for (unsigned q = 0; q < nb; ++q) done &= executor->blocks[q]->live == 0;
      if (done || executor->failed) break;
      std::string m = "deadlock:";
      unsigned nbar = 0, nw = 0, nx = 0;
      const Fiber *fb = nullptr, *fw = nullptr, *fx = nullptr;
      for (unsigned q = 0; q < nb; ++q)
        for (Fiber* f : executor->blocks[q]->fibers)
          if (f->st == State::bar) {
            ++nbar;
            if (!fb) fb = f;
          } else if (f->st == State::warp) {
            ++nw;
            if (!fw) fw = f;
          } else if (f->st == State::done) {
            ++nx;
            if (!fx) fx = f;
          }
      if (nbar)
        m +=
            " " + std::to_string(nbar) + " threads wait at __syncthreads, first " + where(fb) + ";";
      if (nw)
        m += " " + std::to_string(nw) + " threads wait in a warp primitive, first " + where(fw) +
             ";";
      if (nx)
        m += " " + std::to_string(nx) + " threads have exited, first (" +
             std::to_string(fx->tid.x) + "," + std::to_string(fx->tid.y) + "," +
             std::to_string(fx->tid.z) + ")";
      executor->err = m;
      executor->failed = true;
    }
    for (unsigned q = 0; q < nb && !executor->failed; ++q)
      if (!canaries_ok(executor->blocks[q])) {
        executor->failed = true;
        executor->err = "write past the end of a shared array (canary)";
      }
  }
  acquire(&executor->done_token);
  for (Block* b : executor->blocks) {
    for (char* p : b->old) std::free(p);
    b->old.clear();
  }
#ifdef TESSERA_EMULATION_ASAN
  for (Block* b : executor->blocks)
    if (b->arena) __asan_unpoison_memory_region(b->arena, kStaticMax + kDynMax + 4096);
#endif
  current_kernel = nullptr;
  if (executor->failed) {  // stuck fibers: their stacks are thrown away
    for (Fiber* f : executor->pool) init_stack(f);
    *err = kernel_text + ": " + executor->err;
    return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}
}  // namespace tessera::emulation
