#include "nn/data/dataset.h"

#include "autograd/ops/shape.h"

namespace tessera::data {

Batch with_inputs_of(const Batch& batch, DType dtype) {
  if (!batch.inputs.defined() || !is_floating(batch.inputs.dtype())) return batch;
  return {to(batch.inputs, dtype), batch.targets};
}

std::string Dataset::identity() const { return fmt::format("{} samples", size()); }

}  // namespace tessera::data
