#include "nn/layers/activation.h"

namespace tessera::nn {

Prelu::Prelu(Module* parent, std::string name, int64_t channels, double slope)
    : OwnLayer({parent, std::move(name)}) {
  TESSERA_CHECK(channels >= 1, "[Prelu] expected at least 1 channel, got {}", channels);
  weight = add_parameter("weight", {channels}, Init::constant(slope));
}

Tensor Softmax2d::forward(const Tensor& x) const {
  TESSERA_CHECK(x.dim() == 3 || x.dim() == 4,
                "[Softmax2d] expected an input of 3 or 4 dims, got {}", x.shape());
  return softmax(x, -3);
}

}  // namespace tessera::nn
