#include "tests/cuda_emulation/executor.h"

#include <bit>
#include <cstdio>
#include <cstdlib>

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace tessera::emulation {
namespace {

// The one whose kernel this thread of the host runs.
thread_local Executor* executor = nullptr;

constexpr int kSyncWarp = 0;
constexpr int kBallot = 5;

std::string place(const char* file, int line) {
  return std::string(file ? file : "?") + ":" + std::to_string(line);
}

}  // namespace

thread_local const char* current_kernel = nullptr;

std::string Executor::run(const Launch& launch) {
  executor = this;
  launch_ = &launch;
  rng_ = seeded(launch.seed);
  error_.clear();
  blockDim = launch.block;
  gridDim = launch.grid;
  std::string name = kernel_name(launch.function);
  current_kernel = name.c_str();
  size_t num_threads = size_t{launch.block.x} * launch.block.y * launch.block.z;
  while (fibers_.size() < num_threads) fibers_.emplace_back(body, this);
  auto num_blocks = static_cast<uint32_t>(size_t{launch.grid.x} * launch.grid.y * launch.grid.z);
  std::vector<uint32_t> order(num_blocks);
  for (uint32_t i = 0; i < num_blocks; ++i) {
    uint32_t j = rng_.below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  for (size_t i = 0; i < order.size() && error_.empty(); ++i) run_block(launch, order[i]);
  acquire(&done_token_);
  shared_.close();
  current_kernel = nullptr;
  if (error_.empty()) return "";
  // Threads that wait for ever are thrown away.
  for (Fiber& fiber : fibers_) fiber.restart();
  return name + ": " + error_;
}

void Executor::run_block(const Launch& launch, uint32_t block) {
  begin_block(launch, block);
  release(&launch_token_);
  while (!ready_.empty() && error_.empty()) {
    Thread*& picked = ready_[rng_.below(static_cast<unsigned>(ready_.size()))];
    running_ = picked;
    picked = ready_.back();
    ready_.pop_back();
    threadIdx = running_->index;
    blockIdx = block_;
    running_->fiber->enter();
    // Threads that have exited count as missing, though newer GPUs go on without them.
    if (at_barrier_ == threads_.size()) open_barrier();
  }
  if (error_.empty() && live_ > 0) error_ = deadlock();
  if (error_.empty() && !shared_.intact()) error_ = "write past the end of a shared array";
}

void Executor::begin_block(const Launch& launch, uint32_t block) {
  const dim3& grid = launch.grid;
  const dim3& size = launch.block;
  block_ = {block % grid.x, block / grid.x % grid.y, block / grid.x / grid.y};
  unsigned count = size.x * size.y * size.z;
  live_ = count;
  at_barrier_ = 0;
  threads_.resize(count);
  warps_.resize((count + 31) / 32);
  for (Warp& warp : warps_) {
    warp.exited = 0;
    for (Meeting& meeting : warp.meetings) meeting.arrived = 0;
  }
  shared_.open();
  ready_.clear();
  ready_.reserve(count);
  // Rotated: ThreadSanitizer must not take equal threadIdx of two blocks for one thread.
  unsigned shift = rng_.below(count);
  for (unsigned i = 0; i < count; ++i) {
    uint3 index{i % size.x, i / size.x % size.y, i / size.x / size.y};
    threads_[i] = {&fibers_[(i + shift) % count], index, i, State::ready, nullptr, 0};
    ready_.push_back(&threads_[i]);
  }
}

void Executor::body(void* self) { static_cast<Executor*>(self)->run_thread(); }

void Executor::run_thread() {
  acquire(&launch_token_);
  launch_->kernel->call(launch_->function, launch_->args);
  release(&done_token_);
  running_->state = State::done;
  --live_;
  warps_[running_->number / 32].exited |= 1U << (running_->number % 32);
}

void Executor::wait(State state) {
  running_->state = state;
  running_->fiber->leave();
}

void Executor::barrier(const char* file, int line) {
  Thread& self = *running_;
  self.file = file;
  self.line = line;
  if (at_barrier_ == 0) {
    barrier_file_ = file;
    barrier_line_ = line;
  } else if (barrier_file_ != file || barrier_line_ != line) {
    error_ = "divergent __syncthreads, other threads of the block wait at " +
             place(barrier_file_, barrier_line_);
    fail_here(error_, file, line);
  }
  char* token = &barrier_token_[barrier_generation_ & 1];
  release(token);
  ++at_barrier_;
  wait(State::at_barrier);
  acquire(token);
}

void Executor::open_barrier() {
  at_barrier_ = 0;
  ++barrier_generation_;
  for (Thread& thread : threads_) {
    thread.state = State::ready;
    ready_.push_back(&thread);
  }
}

// What each lane of the mask brought, when all of them have come.
const uint64_t* Executor::warp_collect(unsigned mask, int kind, uint64_t value, const char* file,
                                       int line) {
  Thread& self = *running_;
  unsigned lane = self.number % 32;
  self.file = file;
  self.line = line;
  if (!(mask >> lane & 1)) fail_here("warp primitive whose mask leaves out the caller", file, line);
  Warp& warp = warps_[self.number / 32];
  Meeting& meeting = warp.meetings[static_cast<size_t>(std::countr_zero(mask))];
  if (warp.exited & mask) {
    fail_here("warp primitive waits for a lane that has exited", file, line);
  }
  if (meeting.arrived == 0) {
    meeting.mask = mask;
    meeting.kind = kind;
    meeting.file = file;
    meeting.line = line;
  } else if (meeting.mask != mask || meeting.kind != kind || meeting.line != line ||
             meeting.file != file) {
    error_ = "divergent warp primitive, other lanes wait at " + place(meeting.file, meeting.line);
    fail_here(error_, file, line);
  }
  meeting.in[lane] = value;
  meeting.arrived |= 1U << lane;
  unsigned parity = meeting.generation & 1;
  // Only __syncwarp orders memory.
  if (kind == kSyncWarp) release(&meeting.token[parity]);
  if (meeting.arrived == mask) release_lanes(meeting, self.number / 32 * 32);
  wait(meeting.arrived == 0 ? State::ready : State::in_warp);
  if (kind == kSyncWarp) acquire(&meeting.token[parity]);
  return meeting.out[parity];
}

// The last lane to come goes on in its turn, as the others do.
void Executor::release_lanes(Meeting& meeting, unsigned first_thread) {
  for (unsigned i = 0; i < 32; ++i) {
    if (!(meeting.mask >> i & 1)) continue;
    // Not memcpy, which ThreadSanitizer would see.
    static_cast<volatile uint64_t&>(meeting.out[meeting.generation & 1][i]) = meeting.in[i];
    Thread& thread = threads_[first_thread + i];
    thread.state = State::ready;
    ready_.push_back(&thread);
  }
  meeting.arrived = 0;
  ++meeting.generation;
}

void* Executor::shared_array(const void* site, size_t bytes, const char* name) {
  void* array = shared_.at(site, bytes);
  if (array) return array;
  error_ = std::string("more than 48 KiB of shared memory with ") + name;
  fail_here(error_, nullptr, 0);
}

void Executor::fail_here(std::string_view what, const char* file, int line) {
  running_->file = file;
  running_->line = line;
  // Nothing on this stack may own memory from here on: it is never unwound.
  error_ = std::string(what) + ": " + where(*running_);
  running_->fiber->leave();
  std::abort();  // a kernel that failed is never entered again
}

std::string Executor::where(const Thread& thread) const {
  char text[128];
  std::snprintf(text, sizeof text, "block (%u,%u,%u) thread (%u,%u,%u) at ", block_.x, block_.y,
                block_.z, thread.index.x, thread.index.y, thread.index.z);
  return text + place(thread.file, thread.line);
}

std::string Executor::deadlock() const {
  std::string text = "deadlock:";
  struct {
    State state;
    const char* what;
  } kinds[] = {{State::at_barrier, "wait at __syncthreads"},
               {State::in_warp, "wait in a warp primitive"},
               {State::done, "have exited"}};
  for (const auto& kind : kinds) {
    size_t count = 0;
    const Thread* first = nullptr;
    for (const Thread& thread : threads_) {
      if (thread.state != kind.state) continue;
      if (!first) first = &thread;
      ++count;
    }
    if (!first) continue;
    text += " " + std::to_string(count) + " threads " + kind.what;
    text += ", first " + where(*first) + ";";
  }
  return text;
}

// What kernels see; prelude.h declares it.
uint3 thread_index() { return threadIdx; }
uint3 block_index() { return blockIdx; }
dim3 block_size() { return blockDim; }
dim3 grid_size() { return gridDim; }
unsigned lane() { return executor->lane(); }

void barrier(const char* file, int line) { executor->barrier(file, line); }

uint64_t warp_exchange(unsigned mask, int kind, uint64_t value, int source, const char* file,
                       int line) {
  const uint64_t* all = executor->warp_collect(mask, kind, value, file, line);
  if (source < 0) return value;
  if (!(mask >> source & 1)) {
    executor->fail_here("shuffle reads a lane that is not in the mask", file, line);
  }
  return all[source];
}

unsigned warp_ballot(unsigned mask, bool value, const char* file, int line) {
  const uint64_t* all = executor->warp_collect(mask, kBallot, value, file, line);
  unsigned result = 0;
  for (unsigned i = 0; i < 32; ++i) {
    if (mask >> i & 1 && all[i]) result |= 1U << i;
  }
  return result;
}

void* shared_site(const void* site, size_t bytes, const char* name) {
  return executor->shared_array(site, bytes, name);
}

}  // namespace tessera::emulation
