// Activations: the elementwise functions of the same names, and softmax.
#pragma once

#include "nn/layers/layer.h"

namespace tessera::nn {

class Relu : public Layer {
 public:
  using Layer::Layer;
  Tensor operator()(const Tensor& x) const override;
};

// x P(X <= x), exactly.
class Gelu : public Layer {
 public:
  using Layer::Layer;
  Tensor operator()(const Tensor& x) const override;
};

class Tanh : public Layer {
 public:
  using Layer::Layer;
  Tensor operator()(const Tensor& x) const override;
};

class Sigmoid : public Layer {
 public:
  using Layer::Layer;
  Tensor operator()(const Tensor& x) const override;
};

class Softmax : public Layer {
 public:
  Softmax(Module* parent, std::string name, int64_t dim)
      : Layer(parent, std::move(name)), dim_(dim) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  int64_t dim_;
};

class LogSoftmax : public Layer {
 public:
  LogSoftmax(Module* parent, std::string name, int64_t dim)
      : Layer(parent, std::move(name)), dim_(dim) {}
  Tensor operator()(const Tensor& x) const override;

 private:
  int64_t dim_;
};

}  // namespace tessera::nn
