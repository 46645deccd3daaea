#include <omp.h>

#include <atomic>
#include <exception>

#include "core/parallel.h"

namespace tessera {

void parallel_for(int64_t num_tiles, FunctionRef<void(int64_t)> fn) {
  int threads = static_cast<int>(std::min<int64_t>(num_threads(), num_tiles));
  if (threads <= 1 || omp_in_parallel()) {
    for (int64_t tile = 0; tile < num_tiles; ++tile) fn(tile);
    return;
  }
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (int64_t tile = 0; tile < num_tiles; ++tile) {
    if (failed.load(std::memory_order_relaxed)) continue;
    try {
      fn(tile);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tessera
