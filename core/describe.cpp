#include "core/describe.h"

#include <cmath>
#include <limits>
#include <ostream>

namespace tessera {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// Calls fn(value) for each finite element of a row-major array.
template <class F>
void for_each_finite(const Array& packed, F&& fn) {
  visit_dtype(packed.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = packed.data<T>();
    for (int64_t i = 0; i < packed.numel(); ++i) {
      auto value = convert<double>(data[i]);
      if (std::isfinite(value)) fn(value);
    }
  });
}

void count_others(const Array& packed, Description& out) {
  if (!is_floating(packed.dtype())) return;
  visit_dtype(packed.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = packed.data<T>();
    for (int64_t i = 0; i < packed.numel(); ++i) {
      auto value = convert<double>(data[i]);
      out.nan_count += std::isnan(value);
      out.inf_count += std::isinf(value);
    }
  });
}

}  // namespace

Description describe(const Array& array) {
  TESSERA_CHECK(array.defined(), "[describe] expected an array, got an undefined one");
  TESSERA_CHECK(array.device().type != DeviceType::meta,
                "[describe] an array on {} has no elements", array.device());
  Array packed = array.to(Device{}).contiguous();
  Description out{array.shape(), array.dtype(), kNaN, kNaN, kNaN, kNaN};
  count_others(packed, out);
  int64_t count = packed.numel() - out.nan_count - out.inf_count;
  if (count == 0) return out;
  out.min = std::numeric_limits<double>::infinity();
  out.max = -out.min;
  // Wider than f64, whose sums and squares could overflow.
  long double sum = 0;
  for_each_finite(packed, [&](double value) {
    out.min = std::min(out.min, value);
    out.max = std::max(out.max, value);
    sum += value;
  });
  long double mean = sum / count;
  long double squares = 0;
  for_each_finite(packed, [&](double value) { squares += (value - mean) * (value - mean); });
  out.mean = static_cast<double>(mean);
  out.std = static_cast<double>(std::sqrt(squares / count));
  return out;
}

std::string to_string(const Description& d) {
  return fmt::format("{} {}: min {:.6g}, max {:.6g}, mean {:.6g}, std {:.4g}, {} NaN, {} inf",
                     d.dtype, d.shape, d.min, d.max, d.mean, d.std, d.nan_count, d.inf_count);
}

std::ostream& operator<<(std::ostream& out, const Description& description) {
  return out << to_string(description);
}

}  // namespace tessera
