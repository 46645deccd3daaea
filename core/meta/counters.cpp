#include "core/meta/counters.h"

#include <atomic>

namespace tessera::meta {
namespace {

std::atomic<int64_t> current_bytes{0};
std::atomic<int64_t> peak_bytes{0};
std::atomic<double> flops{0};

}  // namespace

Stats stats() { return {current_bytes.load(), peak_bytes.load(), flops.load()}; }

void reset_peak() { peak_bytes = current_bytes.load(); }

void reset() {
  reset_peak();
  flops = 0;
}

void count(int64_t bytes) {
  int64_t now = current_bytes += bytes;
  int64_t peak = peak_bytes.load();
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
}

void count_flops(double more) {
  double before = flops.load(std::memory_order_relaxed);
  while (!flops.compare_exchange_weak(before, before + more, std::memory_order_relaxed)) {
  }
}

}  // namespace tessera::meta
