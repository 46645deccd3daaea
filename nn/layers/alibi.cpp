#include "nn/layers/alibi.h"

#include <cmath>
#include <limits>

#include "autograd/ops/arithmetic.h"

namespace tessera::nn {
namespace {

void check_alibi_heads(int64_t heads) {
  TESSERA_CHECK(heads >= 1, "[alibi] expected at least one head, got {}", heads);
}

}  // namespace

std::vector<double> alibi_slopes(int64_t heads) {
  check_alibi_heads(heads);
  int64_t whole = 1;
  while (2 * whole <= heads) whole *= 2;
  auto slope = [](int64_t h, int64_t of) {
    return std::exp2(-8 * static_cast<double>(h) / static_cast<double>(of));
  };
  std::vector<double> out;
  for (int64_t h = 1; h <= whole; ++h) out.push_back(slope(h, whole));
  for (int64_t h = 1; h <= heads - whole; ++h) out.push_back(slope(2 * h - 1, 2 * whole));
  return out;
}

Tensor alibi_bias(int64_t heads, int64_t queries, int64_t keys, bool causal) {
  TESSERA_CHECK(queries >= 0 && keys >= 0, "[alibi] expected no negative sizes, got {} and {}",
                queries, keys);
  std::vector<float> values;
  for (double slope : alibi_slopes(heads)) {
    for (int64_t t = 0; t < queries; ++t) {
      for (int64_t s = 0; s < keys; ++s) {
        int64_t distance = t + keys - queries - s;
        bool hidden = causal && distance < 0;
        values.push_back(hidden ? -std::numeric_limits<float>::infinity()
                                : static_cast<float>(-slope * std::abs(distance)));
      }
    }
  }
  return Array::from(values, {heads, queries, keys});
}

Alibi::Alibi(Module* parent, std::string name, int64_t heads, bool causal)
    : OwnLayer({parent, std::move(name)}), heads_(heads), causal_(causal) {
  check_alibi_heads(heads);
}

Tensor Alibi::forward(const Tensor& scores) const {
  TESSERA_CHECK(scores.dim() >= 3 && scores.size(-3) == heads_,
                "[Alibi] expected scores of {} heads (B, H, T, S), got {}", heads_, scores.shape());
  Tensor bias = alibi_bias(heads_, scores.size(-2), scores.size(-1), causal_);
  return scores + Tensor(bias.data().to(scores.dtype()).to(scores.device()));
}

}  // namespace tessera::nn
