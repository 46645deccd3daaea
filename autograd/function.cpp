#include "autograd/function.h"

namespace tessera {

void FunctionContext::save_for_backward(const std::vector<Tensor>& inputs) {
  for (const Tensor& input : inputs) saved_inputs_.emplace_back(input);
}

std::vector<Tensor> Function::apply(const std::vector<Tensor>& inputs) {
  auto saved = std::make_shared<FunctionContext>();
  for (const Tensor& input : inputs) {
    saved->needs_.push_back(input.defined() && input.requires_grad());
  }
  std::vector<Array> results;
  {
    NoGrad no_grad;
    for (const Tensor& result : forward(*saved, inputs)) {
      TESSERA_CHECK(result.defined(), "[{}] forward returned an undefined tensor", name());
      results.push_back(result.data());
    }
  }
  for (size_t number : saved->saved_results_) {
    TESSERA_CHECK(number < results.size(), "[{}] forward saved result {} of {}", name(), number,
                  results.size());
    saved->result_arrays_.emplace_back(results[number], static_cast<uint32_t>(number));
  }
  auto gradient = [self = shared_from_this(), saved](const Grads& dys, const Node& node) {
    FunctionContext now;
    now.needs_ = saved->needs_;
    for (const Saved& input : saved->saved_inputs_) now.current_.push_back(input.get(node));
    for (const SavedResult& result : saved->result_arrays_) {
      now.current_.push_back(result.get(node));
    }
    Grads dxs = self->backward(now, dys);
    TESSERA_CHECK(dxs.size() == node.edges().size(),
                  "[{}] expected backward to return {} gradients, one for each input, got {}",
                  self->name(), node.edges().size(), dxs.size());
    return dxs;
  };
  return record_many(name(), results, inputs, std::move(gradient));
}

}  // namespace tessera
