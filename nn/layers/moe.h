// A mixture of experts: gated layers of which each token meets a few.
#pragma once

#include "nn/layers/linear.h"

namespace tessera::nn {

// What a layer of experts gives, and what keeps them in balance.
struct MoeResult {
  Tensor output = {};
  Tensor tokens = {};         // (experts,): how often each was chosen, a constant
  Tensor probabilities = {};  // (experts,): the sums over tokens of what the router gave each

  template <class F>
  void visit_tensors(F&& f) {
    f(output);
    f(tokens);
    f(probabilities);
  }
};

struct MoeOptions {
  int64_t experts = 8;
  int64_t top_k = 2;       // experts that a token meets; at most experts
  bool normalized = true;  // whether the weights of those that it meets sum to 1
  double init_std = 0.02;  // of all weights
};

// Each token goes to the top_k experts of softmax(gate(x)), equals in the order of their numbers,
// and gets their results with these weights; none is dropped, however many chose an expert
// (Jiang et al. 2024, Gale et al. 2023). Which they are depends on the token alone, so on no number
// of ranks. An expert is down(silu(gate(x)) up(x)), its gate and up in one matrix: gate.weight
// (experts, width), experts.gate_up_proj (experts, 2 hidden, width), experts.down_proj (experts,
// width, hidden). The router computes in f32, its logits too. On meta, experts share tokens evenly.
class Moe : public Callable<Moe> {
 public:
  using Callable::Callable;
  Moe(Module* parent, std::string name, int64_t width, int64_t hidden, const MoeOptions& options);
  Moe(NotThis, int64_t width, int64_t hidden, const MoeOptions& options) = delete;
  // x (..., width) -> output of x's shape.
  MoeResult forward(const Tensor& x) const;
  MoeResult operator()(const Tensor& x, CallSite site = {}) const { return call(*this, site, x); }

 private:
  struct Experts : Module {
    Experts(Module* parent, std::string name, int64_t width, int64_t hidden,
            const MoeOptions& options);
    Tensor gate_up_proj;
    Tensor down_proj;
  };
  // Narrower logits would send tokens to others.
  struct Router : Linear {
    using Linear::Linear;
    Tensor forward(const Tensor& x) const override;
  };
  Tensor run_experts(const Tensor& sorted, const std::vector<int64_t>& counts) const;

  int64_t width_;
  MoeOptions options_;
  Router gate_;
  Experts experts_;
};

// experts times the sum over experts of their share of choices and their mean probability, over all
// layers and tokens alike: 1 for each of a token's choices where they are even (Fedus et al. 2022).
// `tokens` is how many there were in each layer.
Tensor balance_loss(const std::vector<MoeResult>& layers, int64_t tokens);

}  // namespace tessera::nn
