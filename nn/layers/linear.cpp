#include "nn/layers/linear.h"

#include <cmath>

#include "autograd/ops/matmul.h"

namespace tessera::nn {

Linear::Linear(Module* parent, std::string name, int64_t in, int64_t out)
    : Linear(parent, std::move(name), in, out, Options()) {}

Linear::Linear(Module* parent, std::string name, int64_t in, int64_t out, Options options)
    : OwnLayer({parent, std::move(name)}) {
  TESSERA_CHECK(in >= 1 && out >= 1, "[Linear] expected at least one feature, got {} and {}", in,
                out);
  Init uniform = Init::uniform(1 / std::sqrt(static_cast<double>(in)));
  bool normal = options.init_std > 0;
  weight = add_parameter("weight", {out, in}, normal ? Init::normal(options.init_std) : uniform);
  if (options.bias) bias = add_parameter("bias", {out}, normal ? Init::constant(0) : uniform);
}

Tensor Linear::forward(const Tensor& x) const { return linear(x, weight, bias); }

}  // namespace tessera::nn
