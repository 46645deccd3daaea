#include "nn/layers/dropout.h"

#include "autograd/ops/random.h"

namespace tessera::nn {

Dropout::Dropout(Module* parent, std::string name, double p)
    : OwnLayer({parent, std::move(name)}), p_(p) {
  TESSERA_CHECK(p >= 0 && p <= 1, "[Dropout] expected a probability in [0, 1], got {}", p);
}

Tensor Dropout::forward(const Tensor& x) const { return dropout(x, p_, training()); }

}  // namespace tessera::nn
