// What a fuzz target does with an array that a reader accepted.
#pragma once

#include "core/array.h"

namespace tessera::fuzz {

// Reads every byte of the elements, so that a sanitizer sees those that are not there.
inline void read_all(const Array& array) {
  const auto* bytes = static_cast<const unsigned char*>(array.raw());
  volatile unsigned sum = 0;
  for (size_t i = 0; i < array.nbytes(); ++i) sum = sum + bytes[i];
}

}  // namespace tessera::fuzz
