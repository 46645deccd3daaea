// Layer: a module that is a function of one tensor.
#pragma once

#include <concepts>
#include <string>
#include <utility>

#include "core/call_place.h"
#include "nn/module.h"

namespace tessera::nn {

// What is hidden stays reachable by the base, which is the point.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverloaded-virtual"

// What a layer computes. Users' own layers override it.
class LayerFunction : public Module {
 public:
  using Module::Module;
  virtual Tensor operator()(const Tensor& x) const = 0;
};

// What Sequential is made of. A call through a Layer, or of a layer of ours, knows its place:
// errors and graph nodes name the caller's line, not one of the layer's own.
class Layer : public LayerFunction {
 public:
  using LayerFunction::LayerFunction;
  Tensor operator()(const Tensor& x, CallSite site = {}) const {
    const NotedCall call(site);
    const InModule here(path());
    return static_cast<const LayerFunction&>(*this)(x);
  }
};

// Layers of this library: their operations keep the place of the user's call.
class OwnLayerFunction : public Layer {
 public:
  using Layer::Layer;
  Tensor operator()(const Tensor& x) const final {
    const Composed scope;
    const InModule here(path());
    return forward(x);
  }

 protected:
  virtual Tensor forward(const Tensor& x) const = 0;
};

// Derived classes override forward, and inherit the constructors for the sake of those that are
// deleted: they name what a call like Linear("fc", 4, 2) lacks.
class OwnLayer : public OwnLayerFunction {
 public:
  template <class... Rest>
  OwnLayer(NotThis, Rest&&...) = delete;
  template <class... Rest>
  OwnLayer(Module*, NotAName, Rest&&...) = delete;
  Tensor operator()(const Tensor& x, CallSite site = {}) const {
    return Layer::operator()(x, site);
  }

 protected:
  struct Part {
    Module* parent;
    std::string name;
  };
  explicit OwnLayer(Part part) : OwnLayerFunction(part.parent, std::move(part.name)) {}
};

#pragma GCC diagnostic pop

}  // namespace tessera::nn
