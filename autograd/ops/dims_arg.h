// The dims that an operation runs over, as callers write them.
#pragma once

#include <concepts>
#include <initializer_list>

#include "core/dims.h"

namespace tessera {

// One dim, several, or none, which stands for all: sum(x), sum(x, 0), sum(x, {0, -1}).
class DimsArg {
 public:
  DimsArg() = default;
  DimsArg(Dims dims) : dims_(std::move(dims)) {}
  DimsArg(std::initializer_list<int64_t> dims) : dims_(dims) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>) DimsArg(T dim) : dims_{static_cast<int64_t>(dim)} {}

  const Dims& get() const { return dims_; }

 private:
  Dims dims_;
};

}  // namespace tessera
