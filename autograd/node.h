// The graph that backward walks: one node per recorded operation.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace tessera {

class Node;
class Tensor;

// Shared ownership of a Node. Dropping the last owner of a long chain does not recurse: nodes that
// lose their owner while another is being destroyed wait in a list of the thread.
class NodePtr {
 public:
  NodePtr() = default;
  explicit NodePtr(Node* node);  // shares ownership
  NodePtr(const NodePtr& other) : NodePtr(other.node_) {}
  NodePtr(NodePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodePtr& operator=(NodePtr other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodePtr();

  Node* get() const { return node_; }
  Node* operator->() const { return node_; }
  Node& operator*() const { return *node_; }
  explicit operator bool() const { return node_ != nullptr; }

 private:
  Node* node_ = nullptr;
};

// One per output of a node, or per input; an undefined Tensor stands for "no gradient".
using Grads = std::vector<Tensor>;

// An edge leads to the node that made an input; it is null where no gradient is wanted.
using Edges = std::vector<NodePtr>;

class Node {
 public:
  // `op` must outlive the node: the names of operations are literals.
  Node(const char* op, Edges edges);
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // From the gradient of the output, the gradients of the inputs, in the order of the edges.
  // Entries whose edge is null are ignored and need not be computed.
  virtual Grads backward(const Tensor& dy) = 0;
  // Drops what was saved for backward.
  virtual void release() = 0;
  // Gradients of a tensor that nobody computed: they go straight into its grad.
  virtual bool is_leaf() const { return false; }

  const char* op() const { return op_; }
  const Edges& edges() const { return edges_; }
  // Whether the gradient of input i is wanted.
  bool wants(size_t i) const { return static_cast<bool>(edges_[i]); }
  // Nodes made later on one thread have higher numbers.
  uint64_t sequence() const { return sequence_; }

 private:
  friend class NodePtr;
  const char* op_;
  Edges edges_;
  uint64_t sequence_;
  std::atomic<uint32_t> owners_{0};
};

}  // namespace tessera
