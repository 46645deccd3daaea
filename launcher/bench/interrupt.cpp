#include "launcher/bench/interrupt.h"

#include <csignal>

namespace tessera::bench {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

// A handler can reach nothing else.
volatile std::sig_atomic_t noted_signal = 0;

void note(int signal) { noted_signal = signal; }

}  // namespace

Interrupted::Interrupted(int signal)
    : Error(fmt::format("interrupted by signal {}", signal)), signal_(signal) {}

InterruptWatch::InterruptWatch() {
  noted_signal = 0;
  for (int signal : kSignals) {
    struct sigaction before {};
    sigaction(signal, nullptr, &before);
    if (before.sa_handler == SIG_IGN) continue;  // nohup
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = static_cast<int>(SA_RESETHAND | SA_ONSTACK);
    sigaction(signal, &action, nullptr);
  }
}

InterruptWatch::~InterruptWatch() {
  for (int signal : kSignals) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler == note) std::signal(signal, SIG_DFL);
  }
  noted_signal = 0;
}

void throw_if_interrupted() {
  if (noted_signal != 0) throw Interrupted(noted_signal);
}

}  // namespace tessera::bench
