#include "core/signals.h"

#include <gtest/gtest.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include "core/kernels.h"
#include "core/kernels/conv.h"
#include "core/kernels/matmul.h"
#include "core/parallel.h"
#include "tests/support/arrays.h"

namespace tessera {
namespace {

using test::random_array;
using test::same_bits;

struct Range {
  uintptr_t begin = 0;
  uintptr_t end = 0;
  bool holds(uintptr_t at) const { return begin <= at && at < end; }
};

Range stack_of_this_thread() {
  pthread_attr_t attributes;
  pthread_getattr_np(pthread_self(), &attributes);
  void* begin = nullptr;
  size_t size = 0;
  pthread_attr_getstack(&attributes, &begin, &size);
  pthread_attr_destroy(&attributes);
  auto at = reinterpret_cast<uintptr_t>(begin);
  return {at, at + size};
}

// What the handler below has seen.
Range main_stack;
volatile int num_signals = 0;
volatile int num_strange = 0;  // those that found the stack pointer outside of the stack

void look_at_stack(int, siginfo_t*, void* context) {
  auto* interrupted = static_cast<ucontext_t*>(context);
  auto at = static_cast<uintptr_t>(interrupted->uc_mcontext.gregs[REG_RSP]);
  num_signals = num_signals + 1;
  if (!main_stack.holds(at)) num_strange = num_strange + 1;
}

// A stranger's handler: on whatever stack there is.
void install_plain_handler(int signal) {
  main_stack = stack_of_this_thread();
  struct sigaction action {};
  action.sa_sigaction = look_at_stack;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(signal, &action, nullptr);
}

void send_every(std::chrono::microseconds period) {
  auto us = static_cast<suseconds_t>(period.count());
  itimerval timer{{0, us}, {0, us}};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

// Repeats `work` until hundreds of signals have come, and ends the process: 0 is well.
[[noreturn]] void work_under_signals(const std::function<bool()>& work) {
  install_plain_handler(SIGALRM);
  send_every(std::chrono::microseconds(300));
  bool right = true;
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (num_signals < 500 && std::chrono::steady_clock::now() < until) right = work() && right;
  send_every(std::chrono::microseconds(0));
  if (num_signals < 500) _exit(2);
  if (num_strange > 0) _exit(3);
  _exit(right ? 0 : 4);
}

// With AVX2, oneDNN's plain products are those that move the stack pointer.
void use_avx2() { setenv("DNNL_MAX_CPU_ISA", "AVX2", 1); }

bool multiplies_alike(int64_t m, int64_t n, int64_t k) {
  Array a = random_array({1, m, k}, DType::f32, 1);
  Array b = random_array({1, k, n}, DType::f32, 2);
  static Array first;
  Array out = Array::full({1, m, n}, 0.0F);
  kernels({}).matmul().run(a, b, Array(), out);
  if (!first.defined()) first = out;
  return same_bits(first, out);
}

[[noreturn]] void convolve_under_signals() {
  use_avx2();
  set_num_threads(2);
  Array x = random_array({4, 29, 31, 3}, DType::f32, 1);
  Array weight = random_array({20, 3, 5, 5}, DType::f32, 2);
  ConvArgs args{.padding = {2, 2}};
  Array first;
  work_under_signals([&] {
    Array out = Array::empty({4, 29, 31, 20});
    kernels({}).conv().run(x, weight, Array(), args, out);
    if (!first.defined()) first = out;
    return same_bits(first, out);
  });
}

TEST(SignalsDeathTest, NoHandlerRunsWhereAProductHasMovedTheStack) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (int64_t k : {128, 256, 1024}) {
    for (int threads : {1, 2}) {
      EXPECT_EXIT(
          {
            use_avx2();
            set_num_threads(threads);
            work_under_signals([=] { return multiplies_alike(256, 256, k); });
          },
          testing::ExitedWithCode(0), "");
    }
  }
}

TEST(SignalsDeathTest, NorWhereAConvolutionHas) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(convolve_under_signals(), testing::ExitedWithCode(0), "");
}

TEST(Signals, HelpersOfTheCallingThreadTakeNone) {
  set_num_threads(4);
  std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> num_open = 0;
  std::atomic<int> num_helpers = 0;
  for (int round = 0; round < 20; ++round) {
    parallel_for(64, [&](int64_t) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      if (std::this_thread::get_id() == caller) return;
      sigset_t blocked;
      pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
      ++num_helpers;
      for (int signal : {SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPROF, SIGRTMIN}) {
        if (sigismember(&blocked, signal) == 0) ++num_open;
      }
      if (sigismember(&blocked, SIGSEGV) == 1) ++num_open;
    });
  }
  set_num_threads(1);
  EXPECT_GT(num_helpers, 0);
  EXPECT_EQ(num_open, 0);
}

TEST(Signals, BlockedOnesComeWhenTheLastGuardHasGone) {
  install_plain_handler(SIGUSR1);
  num_signals = 0;
  {
    SignalsBlocked outer;
    {
      SignalsBlocked inner;
      raise(SIGUSR1);
    }
    EXPECT_EQ(num_signals, 0);
  }
  EXPECT_EQ(num_signals, 1);
  signal(SIGUSR1, SIG_DFL);
}

volatile uintptr_t handler_stack = 0;

TEST(Signals, OwnHandlersRunOnAStackOfTheirOwn) {
  std::thread([] {
    Range own = stack_of_this_thread();
    handle_signal(SIGUSR1, [](int, siginfo_t*, void*) {
      handler_stack = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    });
    raise(SIGUSR1);
    EXPECT_NE(handler_stack, 0u);
    EXPECT_FALSE(own.holds(handler_stack));
  }).join();
  signal(SIGUSR1, SIG_DFL);
}

}  // namespace
}  // namespace tessera
