#include "autograd/node.h"

#include "autograd/context.h"
#include "autograd/tensor.h"

namespace tessera {
namespace {

uint64_t next_sequence() {
  thread_local uint64_t count = 0;
  return ++count;
}

// Deletes nodes one after the other, however deep the chain of their owners is.
void destroy(Node* node) {
  // A plain pointer, because graphs may outlive the thread's other variables.
  thread_local std::vector<Node*>* waiting = nullptr;
  if (waiting) {
    waiting->push_back(node);
    return;
  }
  std::vector<Node*> list;
  waiting = &list;
  delete node;
  while (!list.empty()) {
    Node* next = list.back();
    list.pop_back();
    delete next;
  }
  waiting = nullptr;
}

}  // namespace

NodePtr::NodePtr(Node* node) : node_(node) {
  if (node_) node_->owners_.fetch_add(1, std::memory_order_relaxed);
}

NodePtr::~NodePtr() {
  if (node_ && node_->owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(node_);
}

Node::Node(const char* op, Edges edges, uint32_t num_outputs)
    : op_(op), edges_(std::move(edges)), sequence_(next_sequence()), num_outputs_(num_outputs) {
  site_ = call_place.site;
  module_path_ = context().module_path;
}

Node::~Node() = default;

const std::string& Node::module_path() const {
  static const std::string none;
  return module_path_ ? *module_path_ : none;
}

Node::Hooks& Node::own_hooks() {
  if (!hooks_) hooks_ = std::make_unique<Hooks>();
  return *hooks_;
}

void Node::register_prehook(NodePreHook hook) { own_hooks().before.push_back(std::move(hook)); }

void Node::register_hook(NodeHook hook) { own_hooks().after.push_back(std::move(hook)); }

void Node::share_output_hooks(uint32_t output, std::shared_ptr<std::vector<GradHook>> hooks) {
  Hooks& own = own_hooks();
  if (own.outputs.size() < num_outputs_) own.outputs.resize(num_outputs_);
  own.outputs[output] = std::move(hooks);
}

}  // namespace tessera
