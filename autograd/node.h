// The graph that backward walks: one node per recorded operation.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

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

// Leads to one output of the node that made an input; its node is null where no gradient is wanted.
struct Edge {
  NodePtr node;
  uint32_t output = 0;
  explicit operator bool() const { return static_cast<bool>(node); }
};
using Edges = std::vector<Edge>;

// Gets the gradient of a tensor, and gives back the one to go on with (undefined: the same).
using GradHook = std::function<Tensor(const Tensor& grad)>;
// Gets the gradients of a node's outputs before it runs, and gives back those to go on with
// (empty: the same).
using NodePreHook = std::function<Grads(const Grads& dys)>;
// Gets the gradients of a node's inputs and outputs after it ran, and gives back the inputs' to go
// on with (empty: the same).
using NodeHook = std::function<Grads(const Grads& dxs, const Grads& dys)>;

class Node {
 public:
  // `op` must outlive the node: the names of operations are literals. The place of the user's call
  // and the module whose forward runs are taken from the thread's Context.
  Node(const char* op, Edges edges, uint32_t num_outputs = 1);
  virtual ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // From the gradients of the outputs, those of the inputs, in the order of the edges. Entries
  // whose edge is null are ignored and need not be computed. At least one of dys is defined.
  virtual Grads backward(Grads dys) = 0;
  // Drops what was saved for backward.
  virtual void release() = 0;
  // Gradients of a tensor that nobody computed: they go straight into its grad.
  virtual bool is_leaf() const { return false; }

  const char* op() const { return op_; }
  const Edges& edges() const { return edges_; }
  uint32_t num_outputs() const { return num_outputs_; }
  // Whether the gradient of input i is wanted.
  bool wants(size_t i) const { return static_cast<bool>(edges_[i]); }
  // Nodes made later on one thread have higher numbers.
  uint64_t sequence() const { return sequence_; }
  // Where the user called the operation; a null file where that is not known.
  CallSite site() const { return site_; }
  // "blocks.0.attn"; empty outside of every module.
  const std::string& module_path() const;

  // Hooks run in the order they were added, from the next backward on.
  void register_prehook(NodePreHook hook);
  void register_hook(NodeHook hook);

  // For the engine and for tensors: hooks on one output, shared with its tensor.
  struct Hooks {
    std::vector<std::shared_ptr<std::vector<GradHook>>> outputs;
    std::vector<NodePreHook> before;
    std::vector<NodeHook> after;
  };
  void share_output_hooks(uint32_t output, std::shared_ptr<std::vector<GradHook>> hooks);
  const Hooks* hooks() const { return hooks_.get(); }

 private:
  friend class NodePtr;
  Hooks& own_hooks();

  const char* op_;
  Edges edges_;
  uint64_t sequence_;
  CallSite site_;
  std::shared_ptr<const std::string> module_path_;
  std::unique_ptr<Hooks> hooks_;
  uint32_t num_outputs_;
  std::atomic<uint32_t> owners_{0};
};

}  // namespace tessera
