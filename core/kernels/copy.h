// Copies with conversion, and fills. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

class CopyFamily {
 public:
  virtual ~CopyFamily() = default;
  // out[i] = convert(source[i]); equal shapes, any strides and dtypes. They may be the same array,
  // but must not overlap otherwise.
  virtual void run(const Array& source, const Array& out) const = 0;
  virtual void fill(const Array& out, double value) const = 0;
};

}  // namespace tessera
