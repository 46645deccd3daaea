// Modules for tests of what all of them can do.
#pragma once

#include "nn/block.h"
#include "nn/layers.h"

namespace tessera::nn {

// A module whose parameters are made by the test.
struct Free : Module {
  using Module::Module;
  Tensor add(const std::string& name, const Dims& shape, Init init = Init::normal(1)) {
    return add_parameter(name, shape, init);
  }
};

// Two blocks after a layer that is none.
struct Blocks : Module {
  Linear in{this, "in", 3, 4};
  Linear first{this, "first", 4, 5};
  Linear second{this, "second", 5, 2};
  Blocks() {
    first.make_block();
    second.make_block();
  }
  Tensor forward(const Tensor& x) { return second(first(in(x))); }
};

}  // namespace tessera::nn
