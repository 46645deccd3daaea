#include "launcher/experiment/stop_signals.h"

#include <csignal>
#include <initializer_list>

namespace tessera::experiment {
namespace {

// A handler can reach nothing else.
volatile std::sig_atomic_t received = 0;

void note(int signal) {
  if (received != 0) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
  received = signal;
}

}  // namespace

void watch_stop_signals() {
  received = 0;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

int stop_signal() { return received; }

}  // namespace tessera::experiment
