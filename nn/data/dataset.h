// What models learn from.
#pragma once

#include <span>
#include <string>

#include "autograd/tensor.h"

namespace tessera::data {

// Samples side by side: inputs and what should come out.
struct Batch {
  Tensor inputs;
  Tensor targets;
};

// The batch with inputs of that dtype where they are floating, as a model takes them whose
// parameters have it; all else as it is.
Batch with_inputs_of(const Batch& batch, DType dtype);

class Dataset {
 public:
  virtual ~Dataset() = default;
  // The number of samples.
  virtual int64_t size() const = 0;
  // One line that differs where the samples do: their number, and of data that are in memory their
  // bytes and a checksum. Ranks compare it, and a run that goes on compares it with what it was.
  virtual std::string identity() const;
  // The samples of these indices, each in [0, size()).
  virtual Batch batch(std::span<const int64_t> indices) const = 0;
};

}  // namespace tessera::data
