// Activations: the functions of the same names, with their options.
#pragma once

#include "autograd/ops/elementwise.h"
#include "autograd/ops/shrink.h"
#include "autograd/ops/softmax.h"
#include "nn/layers/layer.h"

namespace tessera::nn {

// One without options: the function of its name.
template <Tensor (*kFunction)(TensorArg)>
class Activation : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Activation(Module* parent, std::string name) : OwnLayer({parent, std::move(name)}) {}
  Tensor forward(const Tensor& x) const override { return kFunction(x); }
};

struct Relu : Activation<relu> {
  using Activation::Activation;
};
struct Relu6 : Activation<relu6> {
  using Activation::Activation;
};
struct Selu : Activation<selu> {
  using Activation::Activation;
};
struct Silu : Activation<silu> {
  using Activation::Activation;
};
struct Mish : Activation<mish> {
  using Activation::Activation;
};
struct Hardswish : Activation<hardswish> {
  using Activation::Activation;
};
struct Hardsigmoid : Activation<hardsigmoid> {
  using Activation::Activation;
};
struct Softsign : Activation<softsign> {
  using Activation::Activation;
};
struct LogSigmoid : Activation<logsigmoid> {
  using Activation::Activation;
};
struct Sigmoid : Activation<sigmoid> {
  using Activation::Activation;
};
struct Tanh : Activation<tanh> {
  using Activation::Activation;
};
struct Tanhshrink : Activation<tanhshrink> {
  using Activation::Activation;
};

class Gelu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Gelu(Module* parent, std::string name, tessera::Gelu form = tessera::Gelu::exact)
      : OwnLayer({parent, std::move(name)}), form_(form) {}
  Tensor forward(const Tensor& x) const override { return gelu(x, form_); }

 private:
  tessera::Gelu form_;
};

class LeakyRelu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  LeakyRelu(Module* parent, std::string name, double slope = 0.01)
      : OwnLayer({parent, std::move(name)}), slope_(slope) {}
  Tensor forward(const Tensor& x) const override { return leaky_relu(x, slope_); }

 private:
  double slope_;
};

// A slope that is learned, in place of LeakyRelu's: one, or one for each channel (dim 1).
class Prelu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Prelu(Module* parent, std::string name, int64_t channels = 1, double slope = 0.25);
  Tensor forward(const Tensor& x) const override { return prelu(x, weight); }

  Tensor weight;  // (channels)
};

class Elu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Elu(Module* parent, std::string name, double alpha = 1)
      : OwnLayer({parent, std::move(name)}), alpha_(alpha) {}
  Tensor forward(const Tensor& x) const override { return elu(x, alpha_); }

 private:
  double alpha_;
};

class Celu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Celu(Module* parent, std::string name, double alpha = 1)
      : OwnLayer({parent, std::move(name)}), alpha_(alpha) {}
  Tensor forward(const Tensor& x) const override { return celu(x, alpha_); }

 private:
  double alpha_;
};

class Softplus : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Softplus(Module* parent, std::string name, double beta = 1, double threshold = 20)
      : OwnLayer({parent, std::move(name)}), beta_(beta), threshold_(threshold) {}
  Tensor forward(const Tensor& x) const override { return softplus(x, beta_, threshold_); }

 private:
  double beta_;
  double threshold_;
};

class Hardtanh : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Hardtanh(Module* parent, std::string name, double low = -1, double high = 1)
      : OwnLayer({parent, std::move(name)}), low_(low), high_(high) {}
  Tensor forward(const Tensor& x) const override { return hardtanh(x, low_, high_); }

 private:
  double low_;
  double high_;
};

// Halves dim, whose size is even.
class Glu : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Glu(Module* parent, std::string name, int64_t dim = -1)
      : OwnLayer({parent, std::move(name)}), dim_(dim) {}
  Tensor forward(const Tensor& x) const override { return glu(x, dim_); }

 private:
  int64_t dim_;
};

class Hardshrink : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Hardshrink(Module* parent, std::string name, double lambda = 0.5)
      : OwnLayer({parent, std::move(name)}), lambda_(lambda) {}
  Tensor forward(const Tensor& x) const override { return hardshrink(x, lambda_); }

 private:
  double lambda_;
};

class Softshrink : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Softshrink(Module* parent, std::string name, double lambda = 0.5)
      : OwnLayer({parent, std::move(name)}), lambda_(lambda) {}
  Tensor forward(const Tensor& x) const override { return softshrink(x, lambda_); }

 private:
  double lambda_;
};

class Threshold : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Threshold(Module* parent, std::string name, Scalar threshold, Scalar value)
      : OwnLayer({parent, std::move(name)}), threshold_(threshold), value_(value) {}
  Tensor forward(const Tensor& x) const override { return threshold(x, threshold_, value_); }

 private:
  Scalar threshold_;
  Scalar value_;
};

class Softmax : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Softmax(Module* parent, std::string name, int64_t dim)
      : OwnLayer({parent, std::move(name)}), dim_(dim) {}
  Tensor forward(const Tensor& x) const override { return softmax(x, dim_); }

 private:
  int64_t dim_;
};

// softmax(-x)
class Softmin : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Softmin(Module* parent, std::string name, int64_t dim)
      : OwnLayer({parent, std::move(name)}), dim_(dim) {}
  Tensor forward(const Tensor& x) const override { return softmin(x, dim_); }

 private:
  int64_t dim_;
};

// Softmax over the channels of images (N, C, H, W) or (C, H, W).
class Softmax2d : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Softmax2d(Module* parent, std::string name) : OwnLayer({parent, std::move(name)}) {}
  Tensor forward(const Tensor& x) const override;
};

class LogSoftmax : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  LogSoftmax(Module* parent, std::string name, int64_t dim)
      : OwnLayer({parent, std::move(name)}), dim_(dim) {}
  Tensor forward(const Tensor& x) const override { return log_softmax(x, dim_); }

 private:
  int64_t dim_;
};

}  // namespace tessera::nn
