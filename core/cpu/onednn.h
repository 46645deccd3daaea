// What the users of oneDNN share. Every call of it is a tile on one thread, so that its results
// cannot depend on the number of threads, and no signal's handler runs where it has moved the stack
// pointer (core/signals.h).
#pragma once

#include <omp.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <optional>

#include "core/signals.h"

namespace tessera::cpu {

// To be held during a call. oneDNN asks OpenMP for its number of threads, both when a primitive is
// made and when it runs.
class OneThread {
 public:
  // moves_stack: whether the call may move the stack pointer.
  explicit OneThread(bool moves_stack) : before_(omp_get_max_threads()) {
    if (moves_stack) blocked_.emplace();
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
  std::optional<SignalsBlocked> blocked_;
};

inline dnnl::engine& onednn_engine() {
  static dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

// oneDNN 2 wants the arguments of a primitive's description in a struct, which oneDNN 3 no longer
// has.
template <class P>
concept HasArgumentStruct = requires {
  typename P::desc;
};

// The description of a forward primitive P from its arguments, by either interface.
template <class P, class... Args>
typename P::primitive_desc forward_desc(const dnnl::engine& engine,
                                        const dnnl::primitive_attr& attributes,
                                        const Args&... args) {
  if constexpr (HasArgumentStruct<P>) {
    return {typename P::desc(args...), attributes, engine};
  } else {
    return {engine, args..., attributes};
  }
}

// The same of a backward primitive, which takes the forward one's description as a hint.
template <class P, class Forward, class... Args>
typename P::primitive_desc backward_desc(const dnnl::engine& engine, const Forward& forward,
                                         const Args&... args) {
  if constexpr (HasArgumentStruct<P>) {
    return {typename P::desc(args...), engine, forward};
  } else {
    return {engine, args..., forward};
  }
}

// Of the numbers that a primitive is made from.
struct WordsHash {
  template <size_t kSize>
  size_t operator()(const std::array<int64_t, kSize>& key) const {
    uint64_t hash = 0x9e3779b97f4a7c15;
    for (int64_t word : key) {
      hash = (hash ^ static_cast<uint64_t>(word)) * 0xff51afd7ed558ccd;
      hash ^= hash >> 32;
    }
    return hash;
  }
};

}  // namespace tessera::cpu
