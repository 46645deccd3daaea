// Layer: a module that is a function of one tensor.
#pragma once

#include <concepts>
#include <string>
#include <utility>

#include "autograd/tensor_arg.h"
#include "core/call_place.h"
#include "nn/callable.h"

namespace tessera::nn {

// What Sequential is made of. A program's own layer overrides forward. A call knows its place:
// errors of a layer of the library name the caller's line, not one of the layer's own.
class Layer : public Callable<Layer> {
 public:
  using Callable::Callable;
  virtual Tensor forward(const Tensor& x) const = 0;
  Tensor operator()(const Tensor& x, CallSite site = {}) const { return call(*this, site, x); }
};

// Layers of this library: their operations keep the place of the user's call. Derived classes
// inherit the constructors for the sake of those that are deleted: they name what a call like
// Linear("fc", 4, 2) lacks.
class OwnLayer : public Layer {
 public:
  template <class... Rest>
  OwnLayer(NotThis, Rest&&...) = delete;
  template <class... Rest>
  OwnLayer(Module*, NotAName, Rest&&...) = delete;

 protected:
  struct Place {
    Module* parent;
    std::string name;
  };
  explicit OwnLayer(Place place) : Layer(place.parent, std::move(place.name)) {
    keep_callers_place();
  }
};

// The function of a tensor and one number.
template <Tensor (*kFunction)(TensorArg, int64_t)>
class NumberLayer : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  NumberLayer(Module* parent, std::string name, int64_t number)
      : OwnLayer({parent, std::move(name)}), number_(number) {}
  NumberLayer(NotThis, int64_t number) = delete;
  Tensor forward(const Tensor& x) const override { return kFunction(x, number_); }

 private:
  int64_t number_;
};

}  // namespace tessera::nn
