// Choices between two arrays. core/kernels.h has the rules for every family.
#pragma once

namespace tessera {

class Array;

class WhereFamily {
 public:
  virtual ~WhereFamily() = default;
  // out = condition ? a : b; condition (bool), a and b expanded to out's shape, a and b of any
  // dtypes, converted to out's; out may be a or b itself.
  virtual void run(const Array& condition, const Array& a, const Array& b,
                   const Array& out) const = 0;
};

}  // namespace tessera
