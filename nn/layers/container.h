// Sequential, and the layers that only rearrange.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

// Layers one after the other, named "0", "1", ...:
//
//   nn::Sequential net{this, "net"};
//   net.add<nn::Linear>(784, 128).add<nn::Relu>().add<nn::Linear>(128, 10);
class Sequential : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Sequential(Module* parent, std::string name) : OwnLayer({parent, std::move(name)}) {}
  // Makes L(this, index, args...) at the end.
  template <class L, class... Args>
  Sequential& add(Args&&... args) {
    layers_.push_back(
        std::make_unique<L>(this, std::to_string(layers_.size()), std::forward<Args>(args)...));
    return *this;
  }
  Tensor forward(const Tensor& x) const override;

  size_t size() const { return layers_.size(); }
  Layer& operator[](size_t i) { return *layers_[i]; }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

// Dims start to end (included) as one.
class Flatten : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Flatten(Module* parent, std::string name, int64_t start = 1, int64_t end = -1)
      : OwnLayer({parent, std::move(name)}), start_(start), end_(end) {}
  Tensor forward(const Tensor& x) const override;

 private:
  int64_t start_;
  int64_t end_;
};

class Identity : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Identity(Module* parent, std::string name) : OwnLayer({parent, std::move(name)}) {}
  Tensor forward(const Tensor& x) const override { return x; }
};

}  // namespace tessera::nn
