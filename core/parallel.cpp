#include "core/parallel.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string_view>
#include <thread>
#include <typeinfo>
#include <vector>

#include "core/error.h"
#include "core/signals.h"

namespace tessera {
namespace {

thread_local int threads_of_caller = 0;

// A helper knows nothing of the caller's place, which errors end in.
[[noreturn]] void rethrow(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    if (typeid(error) != typeid(Error)) throw;
    throw_error(error.what());
  }
}
thread_local bool inside_tile = false;

int default_threads() {
  const char* text = std::getenv("TESSERA_NUM_THREADS");
  if (!text || !*text) return num_cores();
  std::string_view view(text);
  int count = 0;
  auto [end, error] = std::from_chars(view.begin(), view.end(), count);
  TESSERA_CHECK(error == std::errc() && end == view.end() && count >= 1 && count <= 1024,
                "TESSERA_NUM_THREADS: expected an integer from 1 to 1024, got '{}'", view);
  return count;
}

// Waits until `value` is no longer `old`: awake for as long as kernels of one step usually take to
// follow each other, then asleep, so that a machine that others use too loses little.
template <class T>
void wait_for_change(const std::atomic<T>& value, T old) {
  constexpr auto kAwake = std::chrono::microseconds(50);
  auto until = std::chrono::steady_clock::now() + kAwake;
  do {
    for (int i = 0; i < 32; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      _mm_pause();
    }
  } while (std::chrono::steady_clock::now() < until);
  value.wait(old, std::memory_order_acquire);
}

// How often this process is a child by fork, counted from its last exec.
std::atomic<uint32_t> num_forks{0};

void count_forks() {
  static const int kRegistered = pthread_atfork(nullptr, nullptr, [] { ++num_forks; });
  TESSERA_CHECK(kRegistered == 0, "[parallel_for] cannot watch for forks");
}

// The helpers of one calling thread. They live as long as it does.
class Team {
 public:
  Team() { count_forks(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  ~Team() {
    forget_dead();
    job_ = nullptr;
    for (auto& helper : helpers_) helper->call();
  }

  void run(int threads, int64_t num_tiles, FunctionRef<void(int64_t)> fn) {
    forget_dead();
    Job job(fn, num_tiles, threads);
    job_ = &job;
    helpers_left_.store(threads - 1, std::memory_order_relaxed);
    while (static_cast<int>(helpers_.size()) < threads - 1) {
      SignalsBlocked blocked;  // from the thread's birth on
      helpers_.push_back(std::make_unique<Helper>(*this));
    }
    for (int i = 0; i < threads - 1; ++i) helpers_[static_cast<size_t>(i)]->call();
    job.work();
    for (int left = 0; (left = helpers_left_.load(std::memory_order_acquire)) > 0;) {
      wait_for_change(helpers_left_, left);
    }
    if (job.failure) rethrow(job.failure);
  }

 private:
  // One call of parallel_for.
  struct Job {
    static constexpr int64_t kRunsPerThread = 4;

    Job(FunctionRef<void(int64_t)> function, int64_t count, int team)
        : fn(function), num_tiles(count), threads(team) {}

    void work() {
      inside_tile = true;
      for (;;) {
        int64_t run = next_run();
        int64_t begin = next.fetch_add(run, std::memory_order_relaxed);
        if (begin >= num_tiles) break;
        for (int64_t tile = begin; tile < std::min(begin + run, num_tiles); ++tile) work_on(tile);
      }
      inside_tile = false;
    }

    // Neighbouring tiles go to one thread, so that it walks on through memory that is being
    // fetched for it; the runs grow shorter, so that all threads end together.
    int64_t next_run() const {
      int64_t left = num_tiles - next.load(std::memory_order_relaxed);
      return std::max<int64_t>(1, left / (kRunsPerThread * threads));
    }

    void work_on(int64_t tile) {
      if (failed.load(std::memory_order_relaxed)) return;
      try {
        fn(tile);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }

    FunctionRef<void(int64_t)> fn;
    int64_t num_tiles;
    int64_t threads;
    std::atomic<int64_t> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr failure;
  };

  class Helper {
   public:
    explicit Helper(Team& team) : thread_([this, &team] { serve(team); }) {}
    void call() {
      calls_.fetch_add(1, std::memory_order_release);
      calls_.notify_one();
    }

   private:
    void serve(Team& team) {
      SignalsBlocked blocked;
      for (uint32_t seen = 0;; ++seen) {
        wait_for_change(calls_, seen);
        Job* job = team.job_;
        if (!job) return;
        job->work();
        // The job is gone once the last helper is counted.
        if (team.helpers_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
          team.helpers_left_.notify_one();
        }
      }
    }

    alignas(64) std::atomic<uint32_t> calls_{0};
    std::jthread thread_;
  };

  // The helpers of a parent are not in its child, and what is left of them can only be leaked: a
  // thread that is not there cannot be joined.
  void forget_dead() {
    if (uint32_t now = num_forks.load(std::memory_order_relaxed); now != forks_) {
      for (auto& helper : helpers_) static_cast<void>(helper.release());
      helpers_.clear();
      forks_ = now;
    }
  }

  uint32_t forks_ = num_forks.load(std::memory_order_relaxed);
  Job* job_ = nullptr;
  alignas(64) std::atomic<int> helpers_left_{0};
  std::vector<std::unique_ptr<Helper>> helpers_;
};

Team& team_of_caller() {
  thread_local Team team;
  return team;
}

}  // namespace

int num_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

int num_threads() {
  if (threads_of_caller == 0) threads_of_caller = default_threads();
  return threads_of_caller;
}

void set_num_threads(int count) {
  TESSERA_CHECK(count >= 1 && count <= 1024, "[set_num_threads] expected 1 to 1024, got {}", count);
  threads_of_caller = count;
}

void parallel_for(int64_t num_tiles, FunctionRef<void(int64_t)> fn) {
  auto threads = static_cast<int>(std::min<int64_t>(num_threads(), num_tiles));
  if (threads <= 1 || inside_tile) {
    for (int64_t tile = 0; tile < num_tiles; ++tile) fn(tile);
    return;
  }
  team_of_caller().run(threads, num_tiles, fn);
}

}  // namespace tessera
