#include "launcher/commands/difference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/io/elements.h"
#include "core/printable.h"
#include "core/promotion.h"

namespace tessera::commands {
namespace {

double distance(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  double apart = std::abs(a - b);
  return std::isnan(apart) ? std::numeric_limits<double>::infinity() : apart;
}

size_t name_width(const TensorSource& a, const TensorSource& b) {
  size_t width = 4;
  for (const TensorSource* source : {&a, &b}) {
    for (const TensorInfo& tensor : source->tensors()) {
      width = std::max(width, printable(tensor.name).size());
    }
  }
  return width;
}

}  // namespace

ArrayDifference difference(const Array& a, const Array& b) {
  ArrayDifference out;
  bool same_dtype = a.dtype() == b.dtype();
  Array left = a.to(DType::f64).contiguous();
  Array right = b.to(DType::f64).contiguous();
  auto left_bytes = bytes_of(a.contiguous());
  auto right_bytes = bytes_of(b.contiguous());
  size_t item = item_size(a.dtype());
  for (int64_t i = 0; i < a.numel(); ++i) {
    double x = left.data<double>()[i];
    double y = right.data<double>()[i];
    double apart = distance(x, y);
    auto at = static_cast<size_t>(i) * item;
    bool same = same_dtype ? std::memcmp(&left_bytes[at], &right_bytes[at], item) == 0 : x == y;
    if (same) continue;
    ++out.elements;
    out.max_absolute = std::max(out.max_absolute, apart);
    double larger = std::max(std::abs(x), std::abs(y));
    double relative = std::isfinite(apart) && larger > 0 ? apart / larger : apart;
    out.max_relative = std::max(out.max_relative, relative);
  }
  return out;
}

void print_differences(const TensorSource& a, const TensorSource& b) {
  size_t width = name_width(a, b);
  size_t same = 0;
  size_t different = 0;
  ArrayDifference largest;
  for (const TensorInfo& tensor : a.tensors()) {
    const TensorInfo* other = b.find(tensor.name);
    std::string what;
    if (!other) {
      what = fmt::format("only in {}", printable(a.path()));
    } else if (other->shape != tensor.shape) {
      what = fmt::format("shape {} and {}", tensor.shape, other->shape);
    } else {
      ArrayDifference apart = difference(a.read(tensor), b.read(*other));
      if (apart.elements == 0 && tensor.dtype == other->dtype) {
        ++same;
        continue;
      }
      std::string dtypes = tensor.dtype == other->dtype
                               ? ""
                               : fmt::format("{} and {}, ", tensor.dtype, other->dtype);
      what = fmt::format("{}{} element{}, max absolute {:.3g}, max relative {:.3g}", dtypes,
                         apart.elements, apart.elements == 1 ? " differs" : "s differ",
                         apart.max_absolute, apart.max_relative);
      largest.max_absolute = std::max(largest.max_absolute, apart.max_absolute);
      largest.max_relative = std::max(largest.max_relative, apart.max_relative);
    }
    ++different;
    fmt::print("{:<{}}  {}\n", printable(tensor.name), width, what);
  }
  for (const TensorInfo& tensor : b.tensors()) {
    if (a.find(tensor.name)) continue;
    ++different;
    fmt::print("{:<{}}  only in {}\n", printable(tensor.name), width, printable(b.path()));
  }
  if (different == 0) {
    fmt::print("no difference in {} tensor{}\n", same, same == 1 ? "" : "s");
  } else {
    fmt::print("{} of {} tensors differ, max absolute {:.3g}, max relative {:.3g}\n", different,
               same + different, largest.max_absolute, largest.max_relative);
  }
}

}  // namespace tessera::commands
