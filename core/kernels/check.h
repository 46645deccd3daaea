// Conditions on the content of arrays. core/kernels.h has the rules for every family.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tessera {

class Array;

class CheckFamily {
 public:
  virtual ~CheckFamily() = default;
  // What is wrong, in words, from the first place in row-major order where it is.
  using Text = std::function<std::string(int64_t position)>;
  // An error where not all elements of `met` (bool, any strides) are true.
  virtual void all(const Array& met, const Text& text) const = 0;
  // out, 0-d bool: whether what the stream was given so far found nothing wrong with any content.
  virtual void nothing_wrong(const Array& out) const = 0;
};

}  // namespace tessera
