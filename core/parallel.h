// The threads that kernels run on. oneDNN's calls are tiles like any other and use no threads of
// their own, so there is one pool and nothing fights over the cores.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace tessera {

// A reference to a callable, for calls that do not outlive it.
template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      FunctionRef(F&& fn)  // converts implicitly, as std::function does
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(fn)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(static_cast<Args&&>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

// How many threads parallel_for uses when called from this thread. Until set, it is
// TESSERA_NUM_THREADS or else the machine's cores.
int num_threads();
// For the calling thread only: ranks that are threads of one process each have their own number.
void set_num_threads(int count);
// The cores this process may run on.
int num_cores();

// Calls fn(tile) once for every tile in [0, num_tiles), on the pool. The caller cuts the work so
// that a tile's result does not depend on which thread ran it, nor in which order; a thread is
// given neighbouring tiles. Calls from inside a tile run on the calling thread. The first exception
// is rethrown after all threads have stopped. Each calling thread has helpers of its own, which
// wait for the next call awake for 50 microseconds and then asleep, and take no signals. After a
// fork outside of a tile, the child has new ones.
void parallel_for(int64_t num_tiles, FunctionRef<void(int64_t)> fn);

// Calls fn(begin, end) for the pieces of [0, count) of `tile` elements each.
template <class F>
void parallel_tiles(int64_t count, int64_t tile, F&& fn) {
  parallel_for((count + tile - 1) / tile, [&](int64_t t) {
    int64_t begin = t * tile;
    fn(begin, begin + tile < count ? begin + tile : count);
  });
}

}  // namespace tessera
