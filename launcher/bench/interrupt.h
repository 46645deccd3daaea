// Signals that ask a benchmark to stop: its files and programs are cleared away first.
#pragma once

#include "core/error.h"

namespace tessera::bench {

class Interrupted : public Error {
 public:
  explicit Interrupted(int signal);
  int signal() const { return signal_; }

 private:
  int signal_;
};

// While one lives, SIGINT, SIGTERM and SIGHUP are noted, each once: a second one ends the process.
// One at a time.
class InterruptWatch {
 public:
  InterruptWatch();
  ~InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
};

// Throws Interrupted if there was a signal.
void throw_if_interrupted();

}  // namespace tessera::bench
