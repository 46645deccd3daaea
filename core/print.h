// Arrays as text.
#pragma once

#include <iosfwd>
#include <string>

#include "core/array.h"

namespace tessera {

// The elements as NumPy prints them, then a line that says what the array is:
//   [[ 1.0, -2.5],
//    [ 0.0,  nan]]
//   Array(shape=(2, 2), dtype=f32)
// Floats have up to four decimals, fewer where all that is shown needs fewer, and exponents where
// the largest and smallest magnitudes ask for it. Above 1000 elements only the first and last three
// along each dim are shown. Of an array that is not on the CPU only the last line is given.
std::string to_string(const Array& array);
std::ostream& operator<<(std::ostream& out, const Array& array);

}  // namespace tessera
