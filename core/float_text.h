// Floating-point numbers as the columns of NumPy's arrays: chosen together, all equally wide.
#pragma once

#include <string>
#include <vector>

#include "core/dtype.h"

namespace tessera {

// A finite number's digits d[0].d[1]d[2]... x 10^exponent, with its sign.
struct Decimal {
  bool negative = false;
  std::string digits;
  int exponent = 0;
};

// The fewest digits that no other number of dtype (floating) is nearer to; value is one of dtype.
Decimal shortest_decimal(double value, DType dtype);

// The values, numbers of dtype, as numpy.array2string sets them with its floatmode "maxprec".
std::vector<std::string> float_column(const std::vector<double>& values, DType dtype, int precision,
                                      bool suppress);

}  // namespace tessera
