#include "nn/layers/upsample.h"

namespace tessera::nn {

Upsample::Upsample(Module* parent, std::string name, UpsampleOptions options)
    : OwnLayer({parent, std::move(name)}), options_(std::move(options)) {
  TESSERA_CHECK(options_.size.empty() != options_.scale_factor.empty(),
                "[Upsample] expected a size or a scale_factor, got both or neither");
}

Tensor Upsample::forward(const Tensor& x) const {
  if (options_.size.empty()) {
    return interpolate(x, scale_factor(options_.scale_factor), options_.mode,
                       options_.align_corners, options_.recompute_scale_factor);
  }
  Dims size = options_.size;
  if (size.size() == 1 && x.dim() > 3) size = Dims(x.dim() - 2, size[0]);
  return interpolate(x, size, options_.mode, options_.align_corners);
}

}  // namespace tessera::nn
