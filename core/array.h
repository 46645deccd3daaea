// Array: data with a shape, strides, a dtype and a device, and no gradient.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/device.h"
#include "core/dims.h"
#include "core/dtype.h"
#include "core/storage.h"

namespace tessera {

// A view into a Storage. Copying an Array copies the view, not the data: two Arrays may share
// elements, as in NumPy. A default-constructed Array is undefined: reading it is an error. Reading
// or writing the same elements from several threads needs the caller's own order.
class Array {
 public:
  Array() = default;
  // Strides and offset in elements; the caller answers for their staying inside the storage.
  Array(std::shared_ptr<Storage> storage, DType dtype, Dims shape, Dims strides, int64_t offset);

  // Unspecified content.
  static Array empty(Dims shape, DType dtype = DType::f32, Device device = {});
  static Array zeros(Dims shape, DType dtype = DType::f32, Device device = {});
  static Array full(Dims shape, double value, DType dtype = DType::f32, Device device = {});
  // Copies the values; their number must be the shape's.
  template <class T>
  static Array from(std::span<const T> values, Dims shape);
  template <class T>
  static Array from(const std::vector<T>& values, Dims shape) {
    return from(std::span<const T>(values), std::move(shape));
  }
  // A zero-dimensional array.
  static Array scalar(double value, DType dtype = DType::f32);
  // 0, 1, ..., count - 1.
  static Array arange(int64_t count, DType dtype = DType::i64);

  bool defined() const { return storage_ != nullptr; }
  DType dtype() const { return dtype_; }
  Device device() const { return owner().device(); }
  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }
  int64_t offset() const { return offset_; }
  size_t dim() const { return shape_.size(); }
  // The size of one dim, counted from the end when negative.
  int64_t size(int64_t dim) const { return shape_[normalize_dim(dim, shape_.size(), "size")]; }
  int64_t numel() const { return numel_; }
  size_t nbytes() const { return static_cast<size_t>(numel_) * item_size(dtype_); }
  const std::shared_ptr<Storage>& storage() const { return storage_; }
  bool is_contiguous() const;

  // The first element, for the host: an error where it cannot read the device's memory. T must be
  // the dtype's type.
  template <class T>
  T* data() const {
    TESSERA_CHECK(dtype_of<T>() == dtype_, "[data] expected {}, got an array of {}", dtype_of<T>(),
                  dtype_);
    return static_cast<T*>(raw());
  }
  void* raw() const {
    void* first = device_raw();
    if (!storage_->backend().host_reads()) [[unlikely]]
      throw_unreadable();
    return first;
  }
  // The first element, for the device.
  void* device_raw() const {
    return owner().data() + static_cast<size_t>(offset_) * item_size(dtype_);
  }
  // The only element, converted.
  template <class T>
  T item() const;
  // All elements in row-major order; T must be the dtype's type.
  template <class T>
  std::vector<T> to_vector() const;

  // Views: none of these copies.
  // Elements start, start + step, ... below stop. Negative start and stop count from the end and
  // both are clamped to the dim, as in NumPy; step must be positive.
  Array slice(int64_t dim, int64_t start, int64_t stop, int64_t step = 1) const;
  // Drops the dim; a negative index counts from the end.
  Array select(int64_t dim, int64_t index) const;
  Array transpose(int64_t dim0, int64_t dim1) const;
  Array permute(const Dims& dims) const;
  // Sizes of 1 grow without a copy, by stride 0; -1 keeps a size; new dims come in front.
  Array expand(const Dims& shape) const;
  Array unsqueeze(int64_t dim) const;
  Array squeeze(int64_t dim) const;
  // One size may be -1. An error when the strides do not allow a view.
  Array view(const Dims& shape) const;

  // A view where the strides allow it, else a copy. One size may be -1.
  Array reshape(const Dims& shape) const;
  // Itself when row-major already, else a copy.
  Array contiguous() const;
  Array clone() const;
  // Itself when of that dtype already, else a converted copy.
  Array to(DType dtype) const;
  // Itself when on that device already, else a copy there.
  Array to(Device device) const;
  // Writes source, converted, broadcast and from any device, into this array's elements.
  void copy_(const Array& source) const;
  void fill_(double value) const;

 private:
  Array with(Dims shape, Dims strides, int64_t offset) const;
  const Storage& owner() const {
    if (!storage_) throw_undefined();
    return *storage_;
  }
  [[noreturn]] static void throw_undefined();
  [[noreturn]] void throw_unreadable() const;

  std::shared_ptr<Storage> storage_;
  Dims shape_;
  Dims strides_;
  int64_t offset_ = 0;
  int64_t numel_ = 0;
  DType dtype_ = DType::f32;
};

// shape with its one -1 replaced; an error naming op when it does not hold `numel` elements.
Dims infer_shape(const Dims& shape, int64_t numel, std::string_view op);

template <class T>
Array Array::from(std::span<const T> values, Dims shape) {
  Array out = empty(std::move(shape), dtype_of<T>());
  TESSERA_CHECK(static_cast<size_t>(out.numel()) == values.size(),
                "[from] expected {} values for shape {}, got {}", out.numel(), out.shape(),
                values.size());
  std::copy(values.begin(), values.end(), out.data<T>());
  return out;
}

template <class T>
T Array::item() const {
  TESSERA_CHECK(defined() && numel_ == 1, "[item] expected an array of one element, got shape {}",
                shape_);
  Array here = to(Device{});
  return visit_dtype(
      dtype_, [&](auto tag) { return convert<T>(*here.data<typename decltype(tag)::type>()); });
}

template <class T>
std::vector<T> Array::to_vector() const {
  Array packed = to(Device{}).contiguous();
  return std::vector<T>(packed.data<T>(), packed.data<T>() + numel_);
}

}  // namespace tessera
