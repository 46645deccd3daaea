#include "nn/layers/distance.h"

#include <cmath>

#include "autograd/ops/linalg.h"
#include "autograd/ops/vectors.h"

namespace tessera::nn {

Bilinear::Bilinear(Module* parent, std::string name, int64_t in1, int64_t in2, int64_t out,
                   bool with_bias)
    : OwnPair(parent, std::move(name)) {
  TESSERA_CHECK(in1 >= 1 && in2 >= 1 && out >= 1,
                "[Bilinear] expected at least one feature, got {}, {} and {}", in1, in2, out);
  Init uniform = Init::uniform(1 / std::sqrt(static_cast<double>(in1)));
  weight = add_parameter("weight", {out, in1, in2}, uniform);
  if (with_bias) bias = add_parameter("bias", {out}, uniform);
}

Tensor Bilinear::forward(const Tensor& a, const Tensor& b) const {
  return bilinear(a, b, weight, bias);
}

Tensor CosineSimilarity::forward(const Tensor& a, const Tensor& b) const {
  return cosine_similarity(a, b, dim_, eps_);
}

Tensor PairwiseDistance::forward(const Tensor& a, const Tensor& b) const {
  return pairwise_distance(a, b, p_, eps_, keepdim_);
}

}  // namespace tessera::nn
