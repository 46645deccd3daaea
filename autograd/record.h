// How an operation joins the graph.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>

#include "autograd/context.h"
#include "autograd/tensor.h"

namespace tessera {

// A node made by record(). Its tensor's hooks are shared with it, since gradients arrive here.
class RecordedNode : public Node {
 public:
  using Node::Node;
  void set_hooks(std::shared_ptr<std::vector<GradHook>> hooks) { hooks_ = std::move(hooks); }
  const std::vector<GradHook>* hooks() const { return hooks_.get(); }

 private:
  std::shared_ptr<std::vector<GradHook>> hooks_;
};

template <class Backward>
class FunctionNode final : public RecordedNode {
 public:
  FunctionNode(const char* op, Edges edges, Backward backward)
      : RecordedNode(op, std::move(edges)), backward_(std::move(backward)) {}

  Grads backward(const Tensor& dy) override {
    TESSERA_CHECK(backward_,
                  "[{}] backward a second time: its saved tensors are gone; keep them with "
                  "retain_graph",
                  op());
    return (*backward_)(dy, *this);
  }
  void release() override { backward_.reset(); }

 private:
  std::optional<Backward> backward_;
};

// The Tensor of an operation's result. When a history is wanted, `backward(dy, node)` is kept: it
// gets the gradient of the result and returns those of `inputs` in order; node.wants(i) tells
// which are needed. It may capture inputs (Tensors) but, of the result, only the Array: a Tensor
// would own its own maker.
template <class Backward>
Tensor record(const char* op, Array result, std::initializer_list<const Tensor*> inputs,
              Backward backward) {
  bool wanted = false;
  if (context().grad_enabled) {
    for (const Tensor* input : inputs) wanted = wanted || input->requires_grad();
  }
  if (!wanted) return Tensor(std::move(result));
  Edges edges;
  edges.reserve(inputs.size());
  for (const Tensor* input : inputs) edges.push_back(input->gradient_edge());
  auto* node = new FunctionNode<Backward>(op, std::move(edges), std::move(backward));
  return Tensor::from_node(std::move(result), NodePtr(node));
}

// The node that adds into a leaf's grad. It does not own the leaf.
NodePtr make_accumulator(const std::shared_ptr<Tensor::Impl>& leaf);

}  // namespace tessera
