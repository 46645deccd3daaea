#include "nn/data/dataset.h"

#include "autograd/ops/shape.h"

namespace tessera::data {

Batch with_images_of(const Batch& batch, DType dtype) {
  Batch out = batch;
  bool floating = batch.images.defined() && is_floating(batch.images.dtype());
  if (floating) out.images = tessera::to(batch.images, dtype);
  return out;
}

Batch to(const Batch& batch, Device device) {
  Batch out = batch;
  out.visit_tensors([&](Tensor& field) {
    if (field.defined()) field = Tensor(field.data().to(device));
  });
  return out;
}

std::string Dataset::identity() const { return fmt::format("{} samples", size()); }

}  // namespace tessera::data
