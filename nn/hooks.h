// What a program has run before and after a module's forward.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "autograd/tensor.h"

namespace tessera::nn {

class Module;

// Before forward: its tensors (nn/tensors_of.h) among the arguments, in order. What is assigned to
// one takes the argument's place.
using ForwardPreHook = std::function<void(const Module& module, std::vector<Tensor>& inputs)>;
// After forward: the same inputs, and the tensors of the result, which may be replaced as well.
using ForwardHook = std::function<void(const Module& module, const std::vector<Tensor>& inputs,
                                       std::vector<Tensor>& outputs)>;

// A list of hooks in the order in which they were added, any of which may be removed at any time,
// while it runs too: then it is for the last time.
template <class Hook>
class HookList {
 public:
  uint64_t add(Hook hook) {
    entries_.emplace_back(next_, std::make_shared<Hook>(std::move(hook)));
    return next_++;
  }
  void remove(uint64_t id) {
    std::erase_if(entries_, [id](const auto& entry) { return entry.first == id; });
  }
  bool empty() const { return entries_.empty(); }
  // Those there are now.
  std::vector<std::shared_ptr<Hook>> all() const {
    std::vector<std::shared_ptr<Hook>> hooks;
    for (const auto& [id, hook] : entries_) hooks.push_back(hook);
    return hooks;
  }

 private:
  std::vector<std::pair<uint64_t, std::shared_ptr<Hook>>> entries_;
  uint64_t next_ = 0;
};

struct ForwardHooks {
  HookList<ForwardPreHook> before;
  HookList<ForwardHook> after;
  bool empty() const { return before.empty() && after.empty(); }
};

// Takes a hook away again. One that is dropped leaves the hook where it is; one whose module is
// gone does nothing.
class HookHandle {
 public:
  HookHandle() = default;
  explicit HookHandle(std::function<void()> remove) : remove_(std::move(remove)) {}
  void remove() {
    if (remove_) std::exchange(remove_, nullptr)();
  }

 private:
  std::function<void()> remove_;
};

}  // namespace tessera::nn
