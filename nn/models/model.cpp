#include "nn/models/model.h"

namespace tessera::nn {

Loss Model::compute_loss(const data::Batch& batch) {
  Tensor outputs = (*this)(batch, call_place.site);
  const Composed scope;
  TESSERA_CHECK(batch.targets.defined(), "[Model::loss] expected a batch with targets");
  return cross_entropy_loss(outputs, batch.targets);
}

}  // namespace tessera::nn
