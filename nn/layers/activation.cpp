#include "nn/layers/activation.h"

namespace tessera::nn {

Prelu::Prelu(Module* parent, std::string name, int64_t channels, double slope)
    : OwnLayer({parent, std::move(name)}) {
  TESSERA_CHECK(channels >= 1, "[Prelu] expected at least 1 channel, got {}", channels);
  weight = add_parameter("weight", {channels}, Init::constant(slope));
}

}  // namespace tessera::nn
