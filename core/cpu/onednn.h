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
