// What models learn from.
#pragma once

#include <span>

#include "autograd/tensor.h"

namespace tessera::data {

// Samples side by side: inputs and what should come out.
struct Batch {
  Tensor inputs;
  Tensor targets;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  // The number of samples.
  virtual int64_t size() const = 0;
  // The samples of these indices, each in [0, size()).
  virtual Batch batch(std::span<const int64_t> indices) const = 0;
};

}  // namespace tessera::data
