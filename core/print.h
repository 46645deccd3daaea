// Arrays as text.
#pragma once

#include <iosfwd>
#include <string>
#include <string_view>

#include "core/array.h"

namespace tessera {

// Named and preset as numpy.set_printoptions has them.
struct PrintOptions {
  int precision = 8;         // decimals of floats, at most; 0 to 40
  int64_t threshold = 1000;  // arrays of more elements are summarised
  int64_t edge_items = 3;    // how many elements a summary keeps at each end of a dim
  int64_t line_width = 75;
  bool suppress = false;  // no exponents for the sake of small numbers
};

// The elements as numpy.array2string(array, separator=", ") prints them, then what the array is:
//   [[ 1. , -2.5],
//    [ 0. ,  nan]]
//   Array(shape=(2, 2), dtype=f32)
// Floats have the digits that tell them from their neighbours, exponents where the largest and
// smallest magnitudes shown ask for it. Of an array that is not on the CPU only the last line is
// given. An error when an option is out of range.
std::string to_string(const Array& array, const PrintOptions& options = {});
std::ostream& operator<<(std::ostream& out, const Array& array);
// What an array is made of: "(2, 3)", "f32", "cpu".
std::ostream& operator<<(std::ostream& out, const Dims& dims);
std::ostream& operator<<(std::ostream& out, DType dtype);
std::ostream& operator<<(std::ostream& out, Device device);

// The elements alone; the array is on the CPU.
std::string elements_string(const Array& array, const PrintOptions& options = {});
// For other types that hold an array: "Array" is `type`, and `more` follows the dtype.
std::string to_string_as(std::string_view type, const Array& array, std::string_view more,
                         const PrintOptions& options);

}  // namespace tessera
