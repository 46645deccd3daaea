// x[...] with integers, slices, ellipsis, new axes, masks and index tensors, mixed as in PyTorch:
//   index(x, {0, Slice(1, 5, 2), ellipsis, newaxis, mask, rows})
#pragma once

#include <concepts>
#include <optional>
#include <variant>
#include <vector>

#include "autograd/tensor_arg.h"
#include "core/scalar.h"

namespace tessera {

// start:stop:step; negative bounds count from the end, missing ones are the ends. The step is at
// least 1.
struct Slice {
  Slice() = default;
  Slice(std::optional<int64_t> start, std::optional<int64_t> stop, int64_t step = 1)
      : start(start), stop(stop), step(step) {}
  std::optional<int64_t> start, stop;
  int64_t step = 1;
};
// For the bounds of a Slice: none.
inline constexpr std::nullopt_t none = std::nullopt;

struct Ellipsis {};
struct NewAxis {};
// All dims that no other item names.
inline constexpr Ellipsis ellipsis{};
// A new dim of size 1.
inline constexpr NewAxis newaxis{};

// One item between the brackets.
class IndexItem {
 public:
  template <std::integral T>
  requires(!std::same_as<T, bool>) IndexItem(T i) : item_(static_cast<int64_t>(i)) {}
  IndexItem(Slice slice) : item_(slice) {}
  IndexItem(Ellipsis all) : item_(all) {}
  IndexItem(NewAxis axis) : item_(axis) {}
  // i64 or i32: indices; bool: a mask, which stands for as many dims as it has.
  IndexItem(Tensor tensor) : item_(std::move(tensor)) {}
  IndexItem(Array array) : item_(Tensor(std::move(array))) {}

  template <class T>
  const T* get() const {
    return std::get_if<T>(&item_);
  }

 private:
  std::variant<int64_t, Slice, Ellipsis, NewAxis, Tensor> item_;
};
using IndexItems = std::vector<IndexItem>;

// A view where no item is a tensor, else a copy. Index tensors and masks (as the tensors of their
// true indices) broadcast; the dims that they select stand where the first of them stood if they
// stand side by side, else in front. Integers are taken first, as PyTorch does (NumPy counts them
// among the index tensors). Errors begin with [index] and name the item.
Tensor index(TensorArg x, const IndexItems& items);

// x[items] = value, converted to x's dtype and broadcast; or x[items] += value, where an element
// named twice gets both. In place: see autograd/in_place.h.
const Tensor& index_put_(const Tensor& x, const IndexItems& items, TensorArg value,
                         bool accumulate = false);
const Tensor& assign(const Tensor& x, const IndexItems& items, TensorArg value);
const Tensor& assign(const Tensor& x, const IndexItems& items, Scalar value);

}  // namespace tessera
