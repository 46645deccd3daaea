#include "autograd/saved.h"

#include "autograd/checkpoint.h"
#include "autograd/context.h"

namespace tessera {

SavedArray::SavedArray(const Array& data) {
  if (!data.defined()) return;
  if (const auto& outer = context().recomputation) {
    slot_ = outer->next_slot(data);
    if (!outer->keeps_arrays()) {
      recomputation_ = outer;
      return;
    }
  }
  data_ = data;
  version_ = data.storage()->version();
}

SavedArray::~SavedArray() {
  if (recomputation_) recomputation_->drop(slot_);
}

Array SavedArray::get(const char* op) const {
  if (recomputation_) return recomputation_->array(slot_);
  if (!data_.defined()) return data_;
  const Storage& storage = *data_.storage();
  TESSERA_CHECK(storage.version() == version_,
                "[{}] backward needs a tensor of shape {} as it was saved, but [{}] changed it in "
                "place since (version {}, saved at {})",
                op, data_.shape(), storage.changed_by() ? storage.changed_by() : "unknown",
                storage.version(), version_);
  return data_;
}

Saved::Saved(const Tensor& input) {
  if (!input.defined()) return;
  data_ = SavedArray(input.data());
  edge_ = input.gradient_edge();
}

Tensor Saved::get(const Node& node) const {
  Array data = data_.get(node.op());
  if (!data.defined()) return {};
  return edge_ && context().grad_enabled ? Tensor::from_edge(data, edge_) : Tensor(data);
}

Tensor SavedResult::get(const Node& self) const {
  Array data = data_.get(self.op());
  if (!data.defined()) return {};
  if (!context().grad_enabled) return Tensor(data);
  return Tensor::from_edge(data, {NodePtr(const_cast<Node*>(&self)), output_});
}

}  // namespace tessera
