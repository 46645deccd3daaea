#include "core/creation.h"

#include <cmath>

#include "core/promotion.h"
#include "core/shape.h"

namespace tessera::arrays {
namespace {

// The number of steps; the arithmetic is exact where start, stop and step are integers.
int64_t arange_count(const Scalar& start, const Scalar& stop, const Scalar& step) {
  double by = step.to<double>();
  double from = start.to<double>();
  double to = stop.to<double>();
  TESSERA_CHECK(by != 0 && std::isfinite(by), "[arange] expected a step that is not 0, got {}", by);
  TESSERA_CHECK(std::isfinite(from) && std::isfinite(to),
                "[arange] expected finite bounds, got {} and {}", from, to);
  TESSERA_CHECK(by > 0 ? to >= from : to <= from,
                "[arange] a step of {} does not lead from {} to {}", by, from, to);
  double count = std::ceil((to - from) / by);
  if (!start.is_floating() && !stop.is_floating() && !step.is_floating()) {
    auto a = static_cast<uint64_t>(start.to<int64_t>());
    auto b = static_cast<uint64_t>(stop.to<int64_t>());
    auto s = static_cast<uint64_t>(step.to<int64_t>());
    uint64_t distance = by > 0 ? b - a : a - b;
    uint64_t stride = by > 0 ? s : 0 - s;
    uint64_t whole = distance / stride + (distance % stride != 0);
    TESSERA_CHECK(whole <= INT64_MAX, "[arange] from {} to {} are too many numbers", from, to);
    return static_cast<int64_t>(whole);
  }
  TESSERA_CHECK(count < 0x1p62, "[arange] from {} to {} by {} are too many numbers", from, to, by);
  return static_cast<int64_t>(count);
}

// Numbers as dtype: cut off to integers where it is of these, and then an error outside of its
// range.
template <class F>
Array from_function(const char* op, int64_t count, DType dtype, F value) {
  Array wide = Array::empty({count}, DType::f64);
  auto* to = wide.data<double>();
  for (int64_t i = 0; i < count; ++i) {
    to[i] = value(i);
    check_holds(op, dtype, std::trunc(to[i]));
  }
  return wide.to(dtype);
}

void check_space(const char* op, int64_t count, DType dtype) {
  TESSERA_CHECK(count >= 0, "[{}] expected a count of at least 0, got {}", op, count);
  TESSERA_CHECK(dtype != DType::boolean, "[{}] expected a dtype of numbers, got bool", op);
}

// Element i of `count` numbers from start to stop: counted from the nearer end, so that both ends
// are exact.
double space_at(double start, double stop, int64_t count, int64_t i) {
  if (count == 1) return start;
  auto gaps = static_cast<double>(count - 1);
  double step = (stop - start) / gaps;
  // The distance between finite ends may be too large for a double, its parts are not.
  if (std::isinf(step) && std::isfinite(start) && std::isfinite(stop)) {
    step = stop / gaps - start / gaps;
  }
  return i < count / 2 ? start + step * static_cast<double>(i)
                       : stop - step * static_cast<double>(count - 1 - i);
}

Dims matrix_shape(const char* op, int64_t rows, std::optional<int64_t> cols) {
  int64_t width = cols.value_or(rows);
  TESSERA_CHECK(rows >= 0 && width >= 0, "[{}] expected sizes of at least 0, got {} and {}", op,
                rows, width);
  return {rows, width};
}

void collect(const Nested& list, const Dims& shape, size_t depth, std::vector<Scalar>& out) {
  if (list.is_number()) {
    TESSERA_CHECK(depth == shape.size(),
                  "[of] the list is ragged: a number at depth {} where shape {} has a list", depth,
                  shape);
    out.push_back(list.value());
    return;
  }
  TESSERA_CHECK(depth < shape.size(),
                "[of] the list is ragged: a list at depth {} where shape {} has a number", depth,
                shape);
  TESSERA_CHECK(static_cast<int64_t>(list.items().size()) == shape[depth],
                "[of] the list is ragged: {} items at depth {} where shape {} has {}",
                list.items().size(), depth, shape, shape[depth]);
  for (const Nested& item : list.items()) collect(item, shape, depth + 1, out);
}

}  // namespace

Array arange(Scalar start, Scalar stop, Scalar step, std::optional<DType> dtype) {
  int64_t count = arange_count(start, stop, step);
  bool floating = start.is_floating() || stop.is_floating() || step.is_floating();
  DType type = dtype.value_or(floating ? DType::f32 : DType::i64);
  if (floating) {
    double from = start.to<double>();
    double by = step.to<double>();
    return from_function("arange", count, type,
                         [=](int64_t i) { return from + by * static_cast<double>(i); });
  }
  Array out = Array::empty({count}, DType::i64);
  auto* to = out.data<int64_t>();
  auto from = static_cast<uint64_t>(start.to<int64_t>());
  auto by = static_cast<uint64_t>(step.to<int64_t>());
  for (int64_t i = 0; i < count; ++i) {
    to[i] = static_cast<int64_t>(from + by * static_cast<uint64_t>(i));
  }
  if (count > 0) {
    check_holds("arange", type, to[0]);
    check_holds("arange", type, to[count - 1]);
  }
  return out.to(type);
}

Array linspace(double start, double stop, int64_t count, DType dtype) {
  check_space("linspace", count, dtype);
  return from_function("linspace", count, dtype,
                       [=](int64_t i) { return space_at(start, stop, count, i); });
}

Array logspace(double start, double stop, int64_t count, double base, DType dtype) {
  check_space("logspace", count, dtype);
  return from_function("logspace", count, dtype,
                       [=](int64_t i) { return std::pow(base, space_at(start, stop, count, i)); });
}

Array eye(int64_t rows, std::optional<int64_t> cols, DType dtype) {
  Dims shape = matrix_shape("eye", rows, cols);
  Array out = Array::zeros(shape, dtype);
  int64_t length = std::min(shape[0], shape[1]);
  Array(out.storage(), dtype, {length}, {shape[1] + 1}, 0).fill_(1);
  return out;
}

Array tri(int64_t rows, std::optional<int64_t> cols, int64_t diagonal, DType dtype) {
  return tril(ones(matrix_shape("tri", rows, cols), dtype), diagonal);
}

void check_sizes(std::string_view op, const Dims& shape) {
  for (int64_t size : shape) {
    TESSERA_CHECK(size >= 0, "[{}] negative size in shape {}", op, shape);
  }
}

Array ones(Dims shape, DType dtype, Device device) {
  check_sizes("ones", shape);
  return Array::full(std::move(shape), 1, dtype, device);
}

Array full(Dims shape, Scalar value, DType dtype, Device device) {
  check_sizes("full", shape);
  check_holds("full", dtype, value);
  Array out = Array::empty(std::move(shape), dtype, device);
  if (value.is_floating()) out.fill_(value.to<double>());
  else out.copy_(Array::from<int64_t>({value.to<int64_t>()}, {}));
  return out;
}

Array empty_like(const Array& x, std::optional<DType> dtype) {
  return Array::empty(x.shape(), dtype.value_or(x.dtype()), x.device());
}
Array zeros_like(const Array& x, std::optional<DType> dtype) {
  return Array::zeros(x.shape(), dtype.value_or(x.dtype()), x.device());
}
Array ones_like(const Array& x, std::optional<DType> dtype) {
  return Array::full(x.shape(), 1, dtype.value_or(x.dtype()), x.device());
}
Array full_like(const Array& x, Scalar value, std::optional<DType> dtype) {
  return full(x.shape(), value, dtype.value_or(x.dtype()), x.device());
}

Array of(const Nested& list, std::optional<DType> dtype) {
  Dims shape;
  for (const Nested* at = &list; !at->is_number(); at = &at->items()[0]) {
    shape.push_back(static_cast<int64_t>(at->items().size()));
    if (at->items().empty()) break;
  }
  std::vector<Scalar> numbers;
  collect(list, shape, 0, numbers);
  DType type = dtype.value_or(DType::f32);
  if (!dtype && !numbers.empty()) {
    type = numbers[0].dtype();
    for (const Scalar& number : numbers) type = promote_types(type, number.dtype());
  }
  for (const Scalar& number : numbers) check_holds("of", type, number);
  Array out = Array::empty(shape, type);
  visit_dtype(type, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = out.data<T>();
    for (const Scalar& number : numbers) *to++ = number.to<T>();
  });
  return out;
}

}  // namespace tessera::arrays
