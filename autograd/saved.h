// What an operation keeps for its gradient.
#pragma once

#include "autograd/tensor.h"

namespace tessera {

class Recomputation;

// An array kept for backward. Getting it back checks that nobody changed it in place since: the
// error names the operation that saved it and the one that changed it. Inside a checkpoint nothing
// is kept but a number, and getting it back runs the checkpoint's function again.
class SavedArray {
 public:
  SavedArray() = default;
  explicit SavedArray(const Array& data);
  SavedArray(const SavedArray&) = default;
  SavedArray(SavedArray&&) noexcept = default;
  SavedArray& operator=(const SavedArray&) = default;
  SavedArray& operator=(SavedArray&&) noexcept = default;
  ~SavedArray();

  // Undefined if what was saved was. `op` is the operation that saved it.
  Array get(const char* op) const;

 private:
  Array data_;
  uint32_t version_ = 0;
  std::shared_ptr<Recomputation> recomputation_;
  size_t slot_ = 0;
};

// An input of the operation, with its history.
class Saved {
 public:
  Saved() = default;
  // An error when the tensor was made in inference mode and a history is recorded.
  Saved(const Tensor& input);

  // For gradients written with Tensor functions.
  Tensor get(const Node& node) const;
  // For gradients by a kernel, which need no history.
  Array array(const Node& node) const { return data_.get(node.op()); }

 private:
  SavedArray data_;
  Edge edge_;
};

// A result of the operation itself. It must not own its own maker, which gets it back its history.
class SavedResult {
 public:
  SavedResult() = default;
  SavedResult(const Array& result, uint32_t output = 0) : data_(result), output_(output) {}

  Tensor get(const Node& self) const;
  Array array(const Node& self) const { return data_.get(self.op()); }

 private:
  SavedArray data_;
  uint32_t output_ = 0;
};

}  // namespace tessera
