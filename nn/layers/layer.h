// Layer: a module that is a function of one tensor.
#pragma once

#include "nn/module.h"

namespace tessera::nn {

// What Sequential is made of.
class Layer : public Module {
 public:
  Layer(Module* parent, std::string name) : Module(parent, std::move(name)) {}
  virtual Tensor operator()(const Tensor& x) const = 0;
};

}  // namespace tessera::nn
