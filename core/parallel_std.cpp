#include <atomic>
#include <exception>
#include <thread>
#include <vector>

#include "core/parallel.h"

namespace tessera {
namespace {

thread_local bool inside = false;

}  // namespace

void parallel_for(int64_t num_tiles, FunctionRef<void(int64_t)> fn) {
  int threads = static_cast<int>(std::min<int64_t>(num_threads(), num_tiles));
  if (threads <= 1 || inside) {
    for (int64_t tile = 0; tile < num_tiles; ++tile) fn(tile);
    return;
  }
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
  std::atomic<int64_t> next{0};
  auto work = [&] {
    inside = true;
    for (int64_t tile = 0; (tile = next.fetch_add(1)) < num_tiles && !failed.load();) {
      try {
        fn(tile);
      } catch (...) {
        if (!failed.exchange(true)) failure = std::current_exception();
      }
    }
    inside = false;
  };
  {
    std::vector<std::jthread> helpers;
    for (int i = 1; i < threads; ++i) helpers.emplace_back(work);
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tessera
