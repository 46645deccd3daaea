#include "autograd/node.h"

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

Node::Node(const char* op, Edges edges)
    : op_(op), edges_(std::move(edges)), sequence_(next_sequence()) {}

}  // namespace tessera
