// How an operation joins the graph.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>

#include "autograd/context.h"
#include "autograd/saved.h"
#include "autograd/tensor.h"
#include "autograd/tensor_arg.h"

namespace tessera {

// A node whose gradient is a function: Grads(const Tensor& dy, const Node&) for one result,
// Grads(const Grads& dys, const Node&) for several.
template <class Backward>
class FunctionNode final : public Node {
 public:
  FunctionNode(const char* op, Edges edges, uint32_t num_outputs, Backward backward)
      : Node(op, std::move(edges), num_outputs), backward_(std::move(backward)) {}

  Grads backward(Grads dys) override {
    TESSERA_CHECK(backward_,
                  "[{}] backward a second time: its saved tensors are gone; keep them with "
                  "retain_graph",
                  op());
    if constexpr (std::is_invocable_v<Backward&, const Tensor&, const Node&>) {
      return (*backward_)(dys[0], *this);
    } else {
      return (*backward_)(dys, *this);
    }
  }
  void release() override { backward_.reset(); }

 private:
  std::optional<Backward> backward_;
};

// A reference to an input of an operation.
class InputRef {
 public:
  InputRef(const Tensor& tensor) : tensor_(&tensor) {}
  InputRef(const TensorArg& arg) : tensor_(&*arg) {}
  const Tensor& operator*() const { return *tensor_; }
  const Tensor* operator->() const { return tensor_; }

 private:
  const Tensor* tensor_;
};
using InputRefs = std::initializer_list<InputRef>;

// Whether an operation on these inputs (undefined ones are passed by) has a history to record.
bool wants_record(InputRefs inputs);
bool wants_record(const std::vector<Tensor>& inputs);

// The edges to the inputs. Throws when one of them was made in inference mode.
Edges edges_to(const char* op, InputRefs inputs);
Edges edges_to(const char* op, const std::vector<Tensor>& inputs);

// The Tensor of an operation's result. When a history is wanted, `backward(dy, node)` is kept: it
// gets the gradient of the result and returns those of `inputs` in order; node.wants(i) tells
// which are needed. What it needs of inputs and results it captures as Saved and SavedResult, never
// as Tensors or Arrays, and it is written with Tensor functions, so that it can be differentiated
// in its turn; a kernel of its own may stand in while context().grad_enabled is false.
// `inputs` is a braced list of tensors, or a std::vector<Tensor>.
template <class Inputs, class Backward>
Tensor record_from(const char* op, Array result, const Inputs& inputs, Backward backward) {
  if (!wants_record(inputs)) return Tensor(std::move(result));
  auto* node = new FunctionNode<Backward>(op, edges_to(op, inputs), 1, std::move(backward));
  return Tensor::from_edge(std::move(result), {NodePtr(node), 0});
}
template <class Backward>
Tensor record(const char* op, Array result, InputRefs inputs, Backward backward) {
  return record_from(op, std::move(result), inputs, std::move(backward));
}
template <class Backward>
Tensor record(const char* op, Array result, const std::vector<Tensor>& inputs, Backward backward) {
  return record_from(op, std::move(result), inputs, std::move(backward));
}

// The same for several differentiable results: `backward(dys, node)` gets a gradient for each of
// them, undefined where none arrived.
template <class Inputs, class Backward>
std::vector<Tensor> record_many_from(const char* op, const std::vector<Array>& results,
                                     const Inputs& inputs, Backward backward) {
  if (!wants_record(inputs)) return {results.begin(), results.end()};
  auto count = static_cast<uint32_t>(results.size());
  NodePtr node(new FunctionNode<Backward>(op, edges_to(op, inputs), count, std::move(backward)));
  std::vector<Tensor> out;
  for (uint32_t i = 0; i < count; ++i) out.push_back(Tensor::from_edge(results[i], {node, i}));
  return out;
}
template <class Backward>
std::vector<Tensor> record_many(const char* op, const std::vector<Array>& results, InputRefs inputs,
                                Backward backward) {
  return record_many_from(op, results, inputs, std::move(backward));
}
template <class Backward>
std::vector<Tensor> record_many(const char* op, const std::vector<Array>& results,
                                const std::vector<Tensor>& inputs, Backward backward) {
  return record_many_from(op, results, inputs, std::move(backward));
}

// For a gradient that only a kernel can compute: an error when it is to be differentiated in turn.
void check_no_graph(const char* op);

// Marks `out`, a view of x's elements, as such: writes through either reach the other's history.
Tensor as_view_of(const Tensor& x, Tensor out);

// The same as record for a result that shares the elements of x.
template <class Backward>
Tensor record_view(const char* op, Array view, const Tensor& x, Backward backward) {
  return as_view_of(x, record(op, std::move(view), {x}, std::move(backward)));
}

// The node that adds into a leaf's grad. It does not own the leaf.
NodePtr make_accumulator(const std::shared_ptr<Tensor::Impl>& leaf);

}  // namespace tessera
