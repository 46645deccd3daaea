#include "launcher/job/stop_signals.h"

#include <unistd.h>

#include <csignal>
#include <ctime>
#include <initializer_list>

#include "core/signals.h"
#include "launcher/job/stop_request.h"

namespace tessera::job {
namespace {

// What a handler can reach: nothing but what is global. The sender and the time are of the first.
volatile std::sig_atomic_t received = 0;
volatile pid_t first_sender = 0;
volatile long first_ms = 0;
volatile bool second_ends = true;

// 0: the kernel, for a terminal or a limit.
pid_t sender_of(const siginfo_t& info) { return info.si_code <= 0 ? info.si_pid : 0; }

long now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

void note(int signal, siginfo_t* info, void*) {
  pid_t sender = sender_of(*info);
  if (received == 0) {
    first_sender = sender;
    first_ms = now_ms();
    received = signal;
    return;
  }
  const StopRequest first{received, first_sender, first_ms};
  bool again = is_same_request(first, {signal, sender, now_ms()});
  // The kernel repeats SIGXCPU every second.
  if (!second_ends || again || signal == SIGXCPU) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

void watch_stop_signals(SecondSignal second) {
  received = 0;
  second_ends = second == SecondSignal::ends;
  for (int signal : {SIGINT, SIGTERM, SIGUSR1, SIGXCPU}) handle_signal(signal, note);
  // nohup wants a run to outlive its terminal.
  if (!is_ignored(SIGHUP)) handle_signal(SIGHUP, note);
}

int stop_signal() { return received; }

}  // namespace tessera::job
