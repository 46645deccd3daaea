#include "nn/layers/activation.h"

#include "autograd/ops/elementwise.h"
#include "autograd/ops/softmax.h"

namespace tessera::nn {

Tensor Relu::operator()(const Tensor& x) const { return relu(x); }
Tensor Gelu::operator()(const Tensor& x) const { return gelu(x); }
Tensor Tanh::operator()(const Tensor& x) const { return tanh(x); }
Tensor Sigmoid::operator()(const Tensor& x) const { return sigmoid(x); }
Tensor Softmax::operator()(const Tensor& x) const { return softmax(x, dim_); }
Tensor LogSoftmax::operator()(const Tensor& x) const { return log_softmax(x, dim_); }

}  // namespace tessera::nn
