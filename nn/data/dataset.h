// What models learn from.
#pragma once

#include <span>
#include <string>

#include "autograd/tensor.h"

namespace tessera::data {

// Samples side by side: what goes into a model, and what should come out. A dataset fills the
// fields that it has, and leaves the others undefined; a model takes those that it needs.
struct Batch {
  Tensor tokens = {};     // i64 (B, T)
  Tensor images = {};     // (B, channels, height, width)
  Tensor targets = {};    // i64, of the kind that the model's loss takes: (B), (B, T)
  Tensor mask = {};       // bool (B, T): what is there, where samples are of different lengths
  Tensor positions = {};  // i64 (B, T): the places of tokens, where they are not 0, 1, ...

  template <class F>
  void visit_tensors(F&& f) {
    for (Tensor* field : {&tokens, &images, &targets, &mask, &positions}) f(*field);
  }
};

// The batch with images of that floating dtype, as a model takes them whose parameters have it; all
// else as it is.
Batch with_images_of(const Batch& batch, DType dtype);
// The batch on that device.
Batch to(const Batch& batch, Device device);

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
