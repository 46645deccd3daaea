// The dtype of a result from the dtypes of its operands, as PyTorch documents it.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include "core/dtype.h"
#include "core/scalar.h"

namespace tessera {

// The smallest dtype that holds both: bool < u8 < i32 < i64 < bf16, f16 < f32 < f64, where bf16
// with f16 is f32.
DType promote_types(DType a, DType b);

// Whether values of `from` may be written into an array of `to`, as in-place operations do: not
// from floating to integer, nor from a number to bool.
bool can_cast(DType from, DType to);

// Errors naming op unless an array of dtype can hold the number: a bool holds every one (as "is not
// 0"), an integer dtype the whole numbers in its range, a floating one all, rounded.
void check_holds(std::string_view op, DType dtype, const Scalar& number);
// The smallest and the largest number of an integer dtype.
std::pair<int64_t, int64_t> integer_range(DType dtype);

// dtype where it is floating, else f32: what a floating-point function gives for integers.
inline DType floating_type(DType dtype) { return is_floating(dtype) ? dtype : DType::f32; }

// Collects the operands of an operation. An operand of a weaker category changes the result only
// where its kind (bool < integer < floating) is higher: arrays with dims are stronger than 0-d
// arrays, and those are stronger than scalars. So i32 array + 2 is i32, and + 2.5 is f32.
class ResultType {
 public:
  ResultType& add(DType dtype, size_t dim) { return add(dim == 0 ? zero_dim_ : with_dims_, dtype); }
  // Of an Array, or of what is like one.
  template <class ArrayLike>
  requires requires(const ArrayLike& x) { x.dim(); }
  ResultType& add(const ArrayLike& x) { return add(x.dtype(), x.dim()); }
  ResultType& add(const Scalar& x) { return add(scalars_, x.dtype()); }
  // An error when nothing was added.
  DType get() const;

 private:
  ResultType& add(std::optional<DType>& category, DType dtype) {
    category = category ? promote_types(*category, dtype) : dtype;
    return *this;
  }

  std::optional<DType> with_dims_;
  std::optional<DType> zero_dim_;
  std::optional<DType> scalars_;
};

// The common dtype of any number of Arrays and Scalars.
template <class... Operands>
DType result_type(const Operands&... operands) {
  ResultType type;
  (type.add(operands), ...);
  return type.get();
}

}  // namespace tessera
