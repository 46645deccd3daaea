#include "autograd/engine.h"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "autograd/anomaly.h"
#include "autograd/ops/elementwise.h"
#include "autograd/record.h"
#include "core/kernels.h"
#include "core/kernels/binary.h"

namespace tessera {
namespace {

// a + b, into a's own memory when nobody else sees it and no history is wanted.
Tensor accumulate(Tensor a, const Tensor& b) {
  if (context().grad_enabled) return a + b;
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

// The elements in memory of their own, with the same history.
Tensor recorded_copy(const Tensor& x) {
  return record("clone", x.data().clone(), {x},
                [](const Tensor& dy, const Node&) { return Grads{dy}; });
}

class AccumulateNode final : public Node {
 public:
  explicit AccumulateNode(std::weak_ptr<Tensor::Impl> leaf)
      : Node("accumulate_grad", {}), leaf_(std::move(leaf)) {}

  bool is_leaf() const override { return true; }
  void release() override {}

  Grads backward(Grads dys) override {
    std::shared_ptr<Tensor::Impl> leaf = leaf_.lock();
    if (!leaf) return {};
    Tensor dy = std::move(dys[0]);
    Tensor grad = run_hooks(leaf->hooks.get(), dy);
    if (leaf->grad.defined()) {
      leaf->grad = accumulate(std::move(leaf->grad), grad);
    } else {
      leaf->grad = own_copy(grad, dy);
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
  // What arrives may be a view or a tensor that others see (a + b sends one to both), or be laid
  // out strangely: the leaf gets its own. The caller's dy is the one other owner allowed.
  static Tensor own_copy(const Tensor& grad, const Tensor& dy) {
    if (context().grad_enabled && grad.requires_grad()) return recorded_copy(grad);
    long owners = grad.shared() == dy.shared() ? 2 : 1;
    bool own = grad.data().storage().use_count() == 1 && grad.shared().use_count() == owners &&
               grad.data().is_contiguous();
    return own ? grad : Tensor(grad.data().clone());
  }

  std::weak_ptr<Tensor::Impl> leaf_;
};

// What has arrived at a node so far.
struct Pending {
  Node* node = nullptr;
  uint32_t missing = 0;   // edges whose gradient has not arrived
  bool needed = true;     // whether it leads to something that is asked for
  bool captured = false;  // one of its outputs' gradients is asked for, and it need not run
  Grads grads;            // one per output
};

// The nodes of one backward, found by address: open addressing, since this is looked up once an
// edge. Entries keep the order in which the nodes were found.
class Graph {
 public:
  Graph() : slots_(64, kFree) {}

  std::pair<uint32_t, bool> insert(Node* node) {
    if (2 * (entries_.size() + 1) > slots_.size()) grow();
    size_t at = place(node);
    if (slots_[at] != kFree) return {slots_[at], false};
    slots_[at] = static_cast<uint32_t>(entries_.size());
    entries_.push_back({});
    entries_.back().node = node;
    return {slots_[at], true};
  }
  Pending* find(Node* node) {
    size_t at = place(node);
    return slots_[at] == kFree ? nullptr : &entries_[slots_[at]];
  }
  Pending& at(Node* node) { return entries_[slots_[place(node)]]; }
  std::vector<Pending>& entries() { return entries_; }

 private:
  static constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();

  size_t place(Node* node) const {
    size_t mask = slots_.size() - 1;
    size_t at = (reinterpret_cast<uintptr_t>(node) >> 4) * 0x9e3779b97f4a7c15 >> 20 & mask;
    while (slots_[at] != kFree && entries_[slots_[at]].node != node) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    slots_.assign(slots_.size() * 4, kFree);
    for (uint32_t i = 0; i < entries_.size(); ++i) slots_[place(entries_[i].node)] = i;
  }

  std::vector<uint32_t> slots_;
  std::vector<Pending> entries_;
};

// What a backward was asked for besides filling grads.
struct Captures {
  std::vector<Edge> edges;
  std::vector<Tensor> grads;  // one per edge
  bool wanted() const { return !edges.empty(); }
  void take(Node* node, const Grads& dys) {
    for (size_t i = 0; i < edges.size(); ++i) {
      if (edges[i].node.get() == node) grads[i] = dys[edges[i].output];
    }
  }
};

// Every node that the roots lead to, with the number of edges that lead to it.
Graph count_edges(const std::vector<Edge>& roots) {
  Graph graph;
  std::vector<Node*> stack;
  for (const Edge& root : roots) {
    if (graph.insert(root.node.get()).second) stack.push_back(root.node.get());
  }
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (const Edge& next : node->edges()) {
      if (!next) continue;
      auto [index, is_new] = graph.insert(next.node.get());
      ++graph.entries()[index].missing;
      if (is_new) stack.push_back(next.node.get());
    }
  }
  return graph;
}

// Marks the nodes from which a captured edge can be reached; the others need not run.
void mark_needed(Graph& graph, const std::vector<Edge>& targets) {
  std::unordered_map<Node*, std::vector<Node*>> users;
  for (Pending& pending : graph.entries()) {
    pending.needed = false;
    for (const Edge& next : pending.node->edges()) {
      if (next) users[next.node.get()].push_back(pending.node);
    }
  }
  std::vector<Node*> stack;
  auto mark = [&](Node* node) {
    Pending* pending = graph.find(node);
    if (!pending || pending->needed) return;
    pending->needed = true;
    stack.push_back(node);
  };
  for (const Edge& target : targets) {
    if (Pending* pending = graph.find(target.node.get())) {
      mark(target.node.get());
      pending->captured = true;
    }
  }
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    for (Node* user : users[node]) mark(user);
  }
  // A captured node runs only if something beyond it is asked for.
  for (Pending& pending : graph.entries()) {
    if (!pending.captured) continue;
    bool beyond = false;
    for (const Edge& next : pending.node->edges()) {
      beyond = beyond || (next && graph.at(next.node.get()).needed);
    }
    pending.needed = beyond;
  }
}

// Leaves first, so that gradients are complete (and their hooks run) as early as can be; then the
// most recent operation.
struct Ready {
  uint64_t order;
  NodePtr node;
  explicit Ready(NodePtr next)
      : order(next->is_leaf() ? std::numeric_limits<uint64_t>::max() : next->sequence()),
        node(std::move(next)) {}
  friend bool operator<(const Ready& a, const Ready& b) { return a.order < b.order; }
};

void replace_grads(const char* what, Grads& grads, Grads changed) {
  if (changed.empty()) return;
  TESSERA_CHECK(changed.size() == grads.size(),
                "[{}] expected the hook to return {} gradients or none, got {}", what, grads.size(),
                changed.size());
  grads = std::move(changed);
}

void run_output_hooks(const Node& node, Grads& dys) {
  const Node::Hooks* hooks = node.hooks();
  if (!hooks) return;
  for (size_t i = 0; i < hooks->outputs.size(); ++i) {
    if (hooks->outputs[i] && dys[i].defined()) {
      dys[i] = run_hooks(hooks->outputs[i].get(), std::move(dys[i]));
    }
  }
}

Grads gradients_of_inputs(Node& node, Grads dys) {
  const Node::Hooks* hooks = node.hooks();
  for (size_t i = 0; hooks && i < hooks->before.size(); ++i) {
    NodePreHook hook = hooks->before[i];
    replace_grads("register_prehook", dys, hook(dys));
  }
  Grads kept;
  bool observed = context().detect_anomaly || (hooks && !hooks->after.empty());
  if (observed) kept = dys;
  Grads dxs = node.backward(std::move(dys));
  TESSERA_ASSERT(dxs.size() == node.edges().size(), "{} returned {} gradients for {} inputs",
                 node.op(), dxs.size(), node.edges().size());
  if (context().detect_anomaly) check_gradients(node, dxs, kept);
  hooks = node.hooks();
  for (size_t i = 0; hooks && i < hooks->after.size(); ++i) {
    NodeHook hook = hooks->after[i];
    replace_grads("register_hook", dxs, hook(dxs, kept));
  }
  return dxs;
}

// The forward call of `node` is what operations recorded by its gradient go back to, and what
// errors in it name. Of a leaf, whose hooks do other things, there is none.
class SiteOf {
 public:
  explicit SiteOf(const Node& node) : before_(call_place) {
    call_place.site = node.is_leaf() ? CallSite{nullptr, 0} : node.site();
    call_place.module_path = &node.module_path();
    ++call_place.calls;
    ++call_place.composed;
  }
  ~SiteOf() { call_place = before_; }
  SiteOf(const SiteOf&) = delete;
  SiteOf& operator=(const SiteOf&) = delete;

 private:
  CallPlace before_;
};

class Backward {
 public:
  Backward(const std::vector<Edge>& roots, Captures& captures, bool retain_graph)
      : graph_(count_edges(roots)), captures_(captures), retain_graph_(retain_graph) {
    if (captures_.wanted()) mark_needed(graph_, captures_.edges);
  }

  void run(const std::vector<Edge>& roots, std::vector<Tensor> grads) {
    for (size_t i = 0; i < roots.size(); ++i) {
      deliver(graph_.at(roots[i].node.get()), roots[i], std::move(grads[i]));
    }
    for (const Edge& root : roots) {
      Pending& pending = graph_.at(root.node.get());
      if (pending.missing > 0) continue;
      pending.missing = 1;  // named twice among the roots: ready once
      make_ready(root.node);
    }
    while (!ready_.empty()) {
      std::pop_heap(ready_.begin(), ready_.end());
      NodePtr node = std::move(ready_.back().node);
      ready_.pop_back();
      run_node(*node);
    }
  }

 private:
  void make_ready(NodePtr node) {
    ready_.emplace_back(std::move(node));
    std::push_heap(ready_.begin(), ready_.end());
  }

  static void deliver(Pending& pending, const Edge& edge, Tensor grad) {
    if (!grad.defined()) return;
    if (pending.grads.empty()) pending.grads.resize(edge.node->num_outputs());
    Tensor& held = pending.grads[edge.output];
    held = held.defined() ? accumulate(std::move(held), grad) : std::move(grad);
  }

  void run_node(Node& node) {
    Pending& pending = graph_.at(&node);
    Grads dys = std::move(pending.grads);
    bool arrived = !dys.empty();
    if (arrived && !node.is_leaf()) run_output_hooks(node, dys);
    if (arrived && pending.captured) captures_.take(&node, dys);
    // A node that no gradient reached still passes its turn on, or its inputs would wait for ever.
    Grads dxs;
    if (arrived && pending.needed) {
      SiteOf site(node);
      dxs = gradients_of_inputs(node, std::move(dys));
    }
    for (size_t i = 0; i < node.edges().size(); ++i) {
      const Edge& edge = node.edges()[i];
      if (!edge) continue;
      Pending& next = graph_.at(edge.node.get());
      if (!dxs.empty()) deliver(next, edge, std::move(dxs[i]));
      if (--next.missing == 0) make_ready(edge.node);
    }
    if (!retain_graph_) node.release();
  }

  Graph graph_;
  Captures& captures_;
  bool retain_graph_;
  std::vector<Ready> ready_;
};

// The gradient that backward begins with at one output.
Tensor first_gradient(const Tensor& output, const Tensor& given, bool create_graph) {
  TESSERA_CHECK(output.requires_grad(), "[backward] the tensor does not require a gradient");
  if (!given.defined()) {
    TESSERA_CHECK(output.numel() == 1,
                  "[backward] expected a tensor of one element or a gradient, got {}",
                  output.shape());
    return Tensor(Array::full(output.shape(), 1.0, output.dtype(), output.device()));
  }
  TESSERA_CHECK(given.shape() == output.shape() && given.dtype() == output.dtype(),
                "[backward] expected a gradient of shape {} and {}, got {} and {}", output.shape(),
                output.dtype(), given.shape(), given.dtype());
  // The engine adds into gradients in place: the caller's stays as it is.
  return create_graph ? given : Tensor(given.data().clone());
}

void run_backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs,
                  bool retain_graph, bool create_graph, Captures& captures) {
  TESSERA_CHECK(grad_outputs.empty() || grad_outputs.size() == outputs.size(),
                "[backward] expected a gradient for each of {} outputs, got {}", outputs.size(),
                grad_outputs.size());
  std::vector<Edge> roots;
  std::vector<Tensor> grads;
  for (size_t i = 0; i < outputs.size(); ++i) {
    Tensor given = grad_outputs.empty() ? Tensor() : grad_outputs[i];
    grads.push_back(first_gradient(outputs[i], given, create_graph));
    roots.push_back(outputs[i].gradient_edge());
  }
  if (context().detect_anomaly) check_first_gradients(grads);
  GradMode mode(create_graph);
  Backward(roots, captures, retain_graph).run(roots, std::move(grads));
}

// Gives memory of its own to each of these that shares another's, as the gradients of a + b do.
void part_shared(std::vector<Tensor>& grads, bool create_graph) {
  std::unordered_set<const Storage*> seen;
  for (Tensor& grad : grads) {
    if (!grad.defined() || seen.insert(grad.data().storage().get()).second) continue;
    GradMode mode(create_graph);
    grad = recorded_copy(grad);
  }
}

}  // namespace

NodePtr make_accumulator(const std::shared_ptr<Tensor::Impl>& leaf) {
  return NodePtr(new AccumulateNode(leaf));
}

void backward_all(const std::vector<Tensor>& outputs, const std::vector<Tensor>& grad_outputs,
                  bool retain_graph, bool create_graph) {
  Captures none;
  run_backward(outputs, grad_outputs, retain_graph || create_graph, create_graph, none);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs, const GradOptions& options) {
  Captures captures;
  TESSERA_CHECK(!inputs.empty(), "[grad] expected at least one input");
  for (size_t i = 0; i < inputs.size(); ++i) {
    TESSERA_CHECK(inputs[i].requires_grad(), "[grad] input {} does not require a gradient", i);
    captures.edges.push_back(inputs[i].gradient_edge());
  }
  captures.grads.resize(inputs.size());
  bool retain = options.retain_graph.value_or(options.create_graph);
  run_backward(outputs, grad_outputs, retain, options.create_graph, captures);
  for (size_t i = 0; i < inputs.size(); ++i) {
    TESSERA_CHECK(options.allow_unused || captures.grads[i].defined(),
                  "[grad] no output depends on input {}; allow_unused gives it no gradient", i);
  }
  if (inputs.size() > 1) part_shared(captures.grads, options.create_graph);
  return std::move(captures.grads);
}

}  // namespace tessera
