#include "launcher/bench/onednn_calls.h"

#include <chrono>
#include <thread>
#include <vector>

#include "launcher/bench/benchmark.h"

namespace tessera::bench {

double median_of_calls(const std::function<void()>& fn, int calls) {
  using Clock = std::chrono::steady_clock;
  if (calls > 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    for (auto warm = Clock::now() + std::chrono::milliseconds(60); Clock::now() < warm;) fn();
  }
  std::vector<double> times;
  for (int i = 0; i < calls; ++i) times.push_back(seconds_of(fn));
  return median(times);
}

}  // namespace tessera::bench
