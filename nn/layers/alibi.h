// ALiBi: positions as a penalty on scores that grows with the distance (Press et al. 2022).
#pragma once

#include <vector>

#include "nn/layers/layer.h"

namespace tessera::nn {

// The penalty of each head for a distance of one: 2^(-8 (h + 1) / heads) for a power of two, and
// otherwise those of the power of two below, and every other one of twice that. heads is at
// least 1.
std::vector<double> alibi_slopes(int64_t heads);

// f32 (heads, queries, keys), to be added to scores: -slope times the distance of key and query,
// whose last places are the same. Causal: minus infinity for keys after the query.
Tensor alibi_bias(int64_t heads, int64_t queries, int64_t keys, bool causal = true);

// scores (B, heads, T, S) with the bias added.
class Alibi : public OwnLayer {
 public:
  using OwnLayer::OwnLayer;
  Alibi(Module* parent, std::string name, int64_t heads, bool causal = true);
  Alibi(NotThis, int64_t heads, bool causal) = delete;
  Tensor forward(const Tensor& scores) const override;

 private:
  int64_t heads_;
  bool causal_;
};

}  // namespace tessera::nn
