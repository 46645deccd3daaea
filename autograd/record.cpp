#include "autograd/record.h"

namespace tessera {
namespace {

template <class Inputs>
bool any_requires_grad(const Inputs& inputs) {
  if (!context().grad_enabled) return false;
  for (const auto& input : inputs) {
    const Tensor& tensor = *InputRef(input);
    if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

template <class Inputs>
Edges collect_edges(const char* op, const Inputs& inputs) {
  Edges edges;
  edges.reserve(inputs.size());
  for (const auto& input : inputs) {
    const Tensor& tensor = *InputRef(input);
    if (!tensor.defined()) {
      edges.emplace_back();
      continue;
    }
    TESSERA_CHECK(!tensor.shared()->inference,
                  "[{}] a tensor made in inference mode cannot take part in a recorded operation; "
                  "clone it first",
                  op);
    edges.push_back(tensor.gradient_edge());
  }
  return edges;
}

}  // namespace

bool wants_record(InputRefs inputs) { return any_requires_grad(inputs); }
bool wants_record(const std::vector<Tensor>& inputs) { return any_requires_grad(inputs); }
Edges edges_to(const char* op, InputRefs inputs) { return collect_edges(op, inputs); }
Edges edges_to(const char* op, const std::vector<Tensor>& inputs) {
  return collect_edges(op, inputs);
}

void check_no_graph(const char* op) {
  TESSERA_CHECK(!context().grad_enabled, "[{}] its gradient cannot be differentiated", op);
}

Tensor as_view_of(const Tensor& x, Tensor out) {
  // A view made without grad mode would keep the history of its base alive for nothing.
  if (!context().grad_enabled || out.shared() == x.shared()) return out;
  const std::shared_ptr<Tensor::Impl>& from = x.shared();
  Tensor::Impl& view = *out.shared();
  view.base = from->base ? from->base : from;
  view.generation = view.base->generation;
  return out;
}

}  // namespace tessera
