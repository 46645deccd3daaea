// What an array's elements look like, in numbers.
#pragma once

#include <iosfwd>
#include <string>

#include "core/array.h"

namespace tessera {

// Minimum, maximum, mean and population standard deviation are those of the finite elements,
// computed in f64 in the elements' order, so that their bits do not depend on threads; NaN when
// there are none.
struct Description {
  Dims shape;
  DType dtype = DType::f32;
  double min;
  double max;
  double mean;
  double std;
  int64_t nan_count = 0;
  int64_t inf_count = 0;
};

// Copies the array to the CPU when it is elsewhere. An error when it is undefined.
Description describe(const Array& array);

// One line: "f32 (2, 3): min -1, max 4, mean 1.5, std 1.708, 0 NaN, 0 inf".
std::string to_string(const Description& description);
std::ostream& operator<<(std::ostream& out, const Description& description);

}  // namespace tessera
