#include "autograd/engine.h"

#include <algorithm>
#include <unordered_map>

#include "autograd/record.h"
#include "core/kernels.h"

namespace tessera {
namespace {

// a + b, into a's own memory when nobody else sees it.
Tensor accumulate(Tensor a, const Tensor& b) {
  const Array& x = a.data();
  bool alone = x.storage().use_count() == 1 && a.shared().use_count() == 1 && x.is_contiguous();
  Array out = alone ? x : Array::empty(x.shape(), x.dtype(), x.device());
  kernels(x.device()).binary().run(BinaryOp::add, x, b.data(), out);
  return alone ? a : Tensor(out);
}

Tensor run_hooks(const std::vector<GradHook>* hooks, Tensor grad) {
  if (!hooks) return grad;
  // A hook may add hooks, which moves those in the list: the copy keeps it alive while it runs.
  // New ones begin with the next backward.
  for (size_t i = 0, count = hooks->size(); i < count; ++i) {
    GradHook hook = (*hooks)[i];
    Tensor changed = hook(grad);
    if (!changed.defined()) continue;
    TESSERA_CHECK(changed.shape() == grad.shape() && changed.dtype() == grad.dtype(),
                  "[register_hook] expected the hook to return a gradient of shape {} and {}, got "
                  "{} and {}",
                  grad.shape(), grad.dtype(), changed.shape(), changed.dtype());
    grad = std::move(changed);
  }
  return grad;
}

class AccumulateNode final : public Node {
 public:
  explicit AccumulateNode(std::weak_ptr<Tensor::Impl> leaf)
      : Node("accumulate_grad", {}), leaf_(std::move(leaf)) {}

  bool is_leaf() const override { return true; }
  void release() override {}

  Grads backward(const Tensor& dy) override {
    std::shared_ptr<Tensor::Impl> leaf = leaf_.lock();
    if (!leaf) return {};
    Tensor grad = run_hooks(leaf->hooks.get(), dy);
    if (leaf->grad.defined()) {
      leaf->grad = accumulate(std::move(leaf->grad), grad);
    } else {
      // What arrives may be a view or a tensor that others see (a + b sends one to both), or be
      // laid out strangely: the leaf gets its own. The caller's dy is the one other owner allowed.
      long owners = grad.shared() == dy.shared() ? 2 : 1;
      bool own = grad.data().storage().use_count() == 1 && grad.shared().use_count() == owners &&
                 grad.data().is_contiguous();
      leaf->grad = own ? grad : Tensor(grad.data().clone());
    }
    if (!leaf->accumulate_hooks.empty()) {
      Tensor self = Tensor::from_impl(leaf);
      for (size_t i = 0, count = leaf->accumulate_hooks.size(); i < count; ++i) {
        AccumulateHook hook = leaf->accumulate_hooks[i];  // it may add others
        hook(self);
      }
    }
    return {};
  }

 private:
  std::weak_ptr<Tensor::Impl> leaf_;
};

struct Pending {
  size_t missing = 0;  // edges whose gradient has not arrived
  Tensor grad;
};

using Graph = std::unordered_map<Node*, Pending>;

// Every node that root leads to, with the number of edges that lead to it.
Graph count_edges(Node* root) {
  Graph graph;
  std::vector<Node*> stack{root};
  graph[root];
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (const NodePtr& next : node->edges()) {
      if (!next) continue;
      auto [entry, is_new] = graph.try_emplace(next.get());
      ++entry->second.missing;
      if (is_new) stack.push_back(next.get());
    }
  }
  return graph;
}

// Leaves first, so that gradients are complete (and their hooks run) as early as can be; then the
// most recent operation.
struct Later {
  bool operator()(const NodePtr& a, const NodePtr& b) const {
    if (a->is_leaf() != b->is_leaf()) return b->is_leaf();
    return a->sequence() < b->sequence();
  }
};

Grads gradients_of_inputs(Node& node, Tensor grad) {
  if (auto* recorded = dynamic_cast<RecordedNode*>(&node)) {
    grad = run_hooks(recorded->hooks(), std::move(grad));
  }
  Grads grads = node.backward(grad);
  TESSERA_ASSERT(grads.size() == node.edges().size(), "{} returned {} gradients for {} inputs",
                 node.op(), grads.size(), node.edges().size());
  return grads;
}

}  // namespace

NodePtr make_accumulator(const std::shared_ptr<Tensor::Impl>& leaf) {
  return NodePtr(new AccumulateNode(leaf));
}

void run_backward(const NodePtr& root, Tensor grad, bool retain_graph) {
  NoGrad no_grad;
  Graph graph = count_edges(root.get());
  graph[root.get()].grad = std::move(grad);
  std::vector<NodePtr> ready{root};
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), Later());
    NodePtr node = std::move(ready.back());
    ready.pop_back();
    Tensor dy = std::move(graph.at(node.get()).grad);
    // A node that no gradient reached still passes its turn on, or its inputs would wait for ever.
    Grads grads(node->edges().size());
    if (dy.defined()) grads = gradients_of_inputs(*node, std::move(dy));
    for (size_t i = 0; i < node->edges().size(); ++i) {
      const NodePtr& next = node->edges()[i];
      if (!next) continue;
      Pending& pending = graph.at(next.get());
      if (grads[i].defined()) {
        pending.grad = pending.grad.defined() ? accumulate(std::move(pending.grad), grads[i])
                                              : std::move(grads[i]);
      }
      if (--pending.missing == 0) {
        ready.push_back(next);
        std::push_heap(ready.begin(), ready.end(), Later());
      }
    }
    if (!retain_graph) node->release();
  }
}

}  // namespace tessera
