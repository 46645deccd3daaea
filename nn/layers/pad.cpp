#include "nn/layers/pad.h"

namespace tessera::nn {

Padding::Padding(Module* parent, std::string name, Kind kind, const Dims& padding)
    : OwnLayer({parent, std::move(name)}), kind_(kind), padding_(padding) {
  size_t sides = 2 * kind.dims;
  TESSERA_CHECK(padding.size() == 1 || padding.size() == sides,
                "[{}] expected a padding of 1 or {} numbers, got {}", kind.layer, sides, padding);
  if (padding.size() == 1) padding_ = Dims(sides, padding[0]);
}

Tensor Padding::forward(const Tensor& x) const {
  TESSERA_CHECK(x.dim() == kind_.dims + 1 || x.dim() == kind_.dims + 2,
                "[{}] expected an input of {} or {} dims, got {}", kind_.layer, kind_.dims + 1,
                kind_.dims + 2, x.shape());
  return pad(x, padding_, kind_.mode, kind_.value);
}

}  // namespace tessera::nn
