#include "launcher/experiment/sampling.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "autograd/context.h"
#include "core/kernels.h"
#include "core/kernels/random.h"

namespace tessera::experiment {
namespace {

// The index at which the running sum of exp((logits - max) / temperature) passes `uniform` of the
// whole.
int64_t draw(const std::vector<float>& logits, double temperature, double uniform) {
  auto is_nan = [](float logit) { return std::isnan(logit); };
  auto likeliest = std::max_element(logits.begin(), logits.end());
  TESSERA_CHECK(std::none_of(logits.begin(), logits.end(), is_nan) && std::isfinite(*likeliest),
                "[sample_text] the model's outputs are not finite: are its weights?");
  if (temperature == 0) return likeliest - logits.begin();
  std::vector<double> weights;
  double total = 0;
  for (float logit : logits) {
    weights.push_back(std::exp(static_cast<double>(logit - *likeliest) / temperature));
    total += weights.back();
  }
  double left = uniform * total;
  for (size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return static_cast<int64_t>(i);
  }
  return static_cast<int64_t>(weights.size()) - 1;
}

}  // namespace

void sample_text(nn::Model& model, int64_t context, const std::string& prompt,
                 const SamplingOptions& options, const std::function<void(char)>& emit) {
  TESSERA_CHECK(!prompt.empty(), "[sample_text] the prompt is empty");
  NoGrad no_grad;
  model.eval();
  Array uniform = Array::empty({std::max<int64_t>(options.length, 1)}, DType::f64);
  kernels({}).random().uniform(parameter_stream(options.seed, "sampling"), 0, 0, 1, uniform);
  std::vector<int64_t> tokens;
  for (char c : prompt) tokens.push_back(static_cast<unsigned char>(c));
  for (int64_t i = 0; i < options.length; ++i) {
    auto seen = std::min<int64_t>(static_cast<int64_t>(tokens.size()), context);
    std::vector<int64_t> window(tokens.end() - seen, tokens.end());
    Tensor logits = model({.tokens = Array::from(window, {1, seen})}, nn::kNowhere);
    auto last = logits.data().select(0, 0).select(0, -1).to(DType::f32).to_vector<float>();
    tokens.push_back(draw(last, options.temperature, uniform.data<double>()[i]));
    TESSERA_CHECK(tokens.back() < 256,
                  "[sample_text] expected a model whose tokens are bytes, got token {}",
                  tokens.back());
    emit(static_cast<char>(tokens.back()));
  }
}

}  // namespace tessera::experiment
