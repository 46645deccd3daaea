#include "nn/layers/moe.h"

#include "autograd/ops.h"
#include "nn/layers/slices.h"

namespace tessera::nn {
namespace {

// How many of the choices fell on each expert.
std::vector<int64_t> counts_of(const Tensor& choices, int64_t experts) {
  std::vector<int64_t> counts(static_cast<size_t>(experts));
  if (choices.device().type == DeviceType::meta) {
    // Nobody knows there what is chosen.
    for (int64_t e = 0; e < experts; ++e) {
      counts[static_cast<size_t>(e)] =
          (e + 1) * choices.numel() / experts - e * choices.numel() / experts;
    }
    return counts;
  }
  for (int64_t e : choices.data().to(Device{}).to_vector<int64_t>()) {
    ++counts[static_cast<size_t>(e)];
  }
  return counts;
}

}  // namespace

Moe::Experts::Experts(Module* parent, std::string name, int64_t width, int64_t hidden,
                      const MoeOptions& o)
    : Module(parent, std::move(name)),
      gate_up_proj(
          add_parameter("gate_up_proj", {o.experts, 2 * hidden, width}, Init::normal(o.init_std))),
      down_proj(add_parameter("down_proj", {o.experts, width, hidden}, Init::normal(o.init_std))) {}

Moe::Moe(Module* parent, std::string name, int64_t width, int64_t hidden, const MoeOptions& o)
    : Callable(parent, std::move(name)),
      width_(width),
      options_(o),
      gate_(this, "gate", width, o.experts, {.bias = false, .init_std = o.init_std}),
      experts_(this, "experts", width, hidden, o) {
  TESSERA_CHECK(o.top_k >= 1 && o.top_k <= o.experts,
                "[Moe] expected a top_k of 1 to {} experts, got {}", o.experts, o.top_k);
  TESSERA_CHECK(o.init_std > 0, "[Moe] expected an init_std above 0, got {}", o.init_std);
  TESSERA_CHECK(hidden >= 1, "[Moe] expected at least one hidden unit, got {}", hidden);
  keep_callers_place();
}

Tensor Moe::Router::forward(const Tensor& x) const {
  DType wide = x.dtype() == DType::f64 ? DType::f64 : DType::f32;
  return linear(to(x, wide), to(weight, wide));
}

// sorted (rows, width), each expert's rows side by side -> the same.
Tensor Moe::run_experts(const Tensor& sorted, const std::vector<int64_t>& counts) const {
  std::vector<Tensor> gate_up = slices(experts_.gate_up_proj);
  std::vector<Tensor> down = slices(experts_.down_proj);
  std::vector<Tensor> rows = split(sorted, Dims(counts));
  std::vector<Tensor> out;
  for (size_t e = 0; e < counts.size(); ++e) {
    if (counts[e] == 0) continue;
    std::vector<Tensor> both = chunk(linear(rows[e], gate_up[e]), 2, -1);
    out.push_back(linear(silu(both[0]) * both[1], down[e]));
  }
  return cat(out, 0);
}

MoeResult Moe::forward(const Tensor& x) const {
  TESSERA_CHECK(x.dim() >= 1 && x.size(-1) == width_ && x.numel() >= 1,
                "[Moe] expected an input whose last dim is {}, got {}", width_, x.shape());
  Tensor flat = reshape(x, {x.numel() / width_, width_});
  int64_t tokens = flat.size(0);
  Tensor chances = softmax(gate_(flat));
  ValuesIndices best = topk(chances, options_.top_k);
  Tensor weights = best.values;
  if (options_.normalized) weights = weights / sum(weights, {-1}, true);
  // (token, choice) pairs, brought into the order of experts; pairs of one expert keep theirs.
  Tensor choices = reshape(best.indices, {tokens * options_.top_k});
  Tensor order = argsort(choices, 0);
  Tensor token = floor_divide(order, options_.top_k);
  std::vector<int64_t> counts = counts_of(choices, options_.experts);
  Tensor results = run_experts(index_select(flat, 0, token), counts);
  Tensor shares = index_select(reshape(weights, {tokens * options_.top_k, 1}), 0, order);
  Tensor weighted = to(results * shares, x.dtype());
  Tensor none = zeros_like(flat.detach());
  Tensor chosen(Array::from(std::vector<float>(counts.begin(), counts.end()), {options_.experts})
                    .to(x.device()));
  return {reshape(index_add(none, 0, token, weighted), x.shape()), chosen, sum(chances, {0})};
}

Tensor balance_loss(const std::vector<MoeResult>& layers, int64_t tokens) {
  const Composed scope;
  TESSERA_CHECK(!layers.empty() && tokens >= 1, "[balance_loss] expected layers and tokens");
  Tensor chosen = layers[0].tokens;
  Tensor chances = layers[0].probabilities;
  for (size_t i = 1; i < layers.size(); ++i) {
    chosen = chosen + layers[i].tokens;
    chances = chances + layers[i].probabilities;
  }
  double all = static_cast<double>(tokens) * static_cast<double>(layers.size());
  return sum(chosen * chances) * (static_cast<double>(chosen.numel()) / (all * all));
}

}  // namespace tessera::nn
