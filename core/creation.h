// Arrays from numbers. Named and defined as PyTorch's functions; errors begin with the function's
// name in brackets. zeros, full, empty and from are members of Array.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "core/array.h"
#include "core/scalar.h"

namespace tessera::arrays {

// start, start + step, ... before stop, ceil((stop - start) / step) of them: i64 where all three
// are integers, else f32, unless a dtype is given. The step is not 0 and leads towards stop.
// An integer dtype must hold what is left of the numbers when they are cut off.
Array arange(Scalar start, Scalar stop, Scalar step = 1, std::optional<DType> dtype = {});
// `count` numbers from start to stop, both included, evenly apart; cut off to integers where dtype
// is of these.
Array linspace(double start, double stop, int64_t count, DType dtype = DType::f32);
// base to the power of each of these.
Array logspace(double start, double stop, int64_t count, double base = 10,
               DType dtype = DType::f32);
// Ones on the diagonal, zeros elsewhere: (rows, cols), or square without cols.
Array eye(int64_t rows, std::optional<int64_t> cols = {}, DType dtype = DType::f32);
// Ones on and below the diagonal, zeros above it: (rows, cols), or square without cols. NumPy's
// tri; a positive `diagonal` lies above the main one.
Array tri(int64_t rows, std::optional<int64_t> cols = {}, int64_t diagonal = 0,
          DType dtype = DType::f32);
Array ones(Dims shape, DType dtype = DType::f32, Device device = {});
// A Scalar keeps every i64, where a double would round it. An error where dtype does not hold it.
Array full(Dims shape, Scalar value, DType dtype, Device device = {});

// An error naming op when a size is negative.
void check_sizes(std::string_view op, const Dims& shape);

// Of x's shape, dtype (unless given) and device.
Array empty_like(const Array& x, std::optional<DType> dtype = {});
Array zeros_like(const Array& x, std::optional<DType> dtype = {});
Array ones_like(const Array& x, std::optional<DType> dtype = {});
Array full_like(const Array& x, Scalar value, std::optional<DType> dtype = {});

// Memory that somebody else owns, as an array of `shape`: no copy. The caller keeps it alive and
// unchanged in size for as long as the array or any view of it lives.
template <class T>
Array borrow(std::span<T> memory, Dims shape) {
  TESSERA_CHECK(num_elements(shape) == static_cast<int64_t>(memory.size()),
                "[borrow] expected {} elements for shape {}, got {}", num_elements(shape), shape,
                memory.size());
  Dims strides = contiguous_strides(shape);
  return {Storage::wrap(memory.data(), memory.size_bytes(), Device{}, nullptr), dtype_of<T>(),
          std::move(shape), std::move(strides), 0};
}

// Numbers in nested braces: Nested list = {{1, 2}, {3, 4}}.
class Nested {
 public:
  template <class T>
  requires(std::is_arithmetic_v<T>) Nested(T value) : value_(value), is_number_(true) {}
  Nested(std::initializer_list<Nested> items) : items_(items) {}

  bool is_number() const { return is_number_; }
  const Scalar& value() const { return value_; }
  const std::vector<Nested>& items() const { return items_; }

 private:
  Scalar value_ = 0;
  bool is_number_ = false;
  std::vector<Nested> items_;
};

// of({{1, 2}, {3, 4}}): the list's shape; f32 where any number is floating, else i64, or bool of
// bools only, unless a dtype is given, which must hold every number. A ragged list is an error that
// says where.
Array of(const Nested& list, std::optional<DType> dtype = {});

}  // namespace tessera::arrays
