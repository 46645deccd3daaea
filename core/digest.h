// The digest of a set of named arrays: equal digests mean equal bits.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "core/array.h"

namespace tessera {

// 64 hexadecimal digits that depend on every array's name, dtype, shape and bits, and on nothing
// else: not on the order of `named`, on strides, or on the number of threads.
//
// The arrays are sorted by name (as bytes). Each one's elements, row-major, are cut into chunks of
// 256, the last of which may be shorter, and
//   leaf   = SHA-256(0x00 || bytes of the chunk)
//   inner  = SHA-256(0x01 || left || right)
//   digest = SHA-256(header || root)
// The leaves of all arrays, in order, are one row of nodes; neighbours are paired level by level,
// and an odd last node moves up. root is empty when there is no leaf. The header has a line
// "NAME DTYPE SHAPE\n" for every array, empty ones too, with the name as a JSON string and the
// shape as NumPy writes it: "fc.bias" f32 (10,). So whoever holds some chunks can make the roots of
// the subtrees above them without seeing the rest.
//
// Arrays that are not row-major are copied first; others are read in place. Throws Error naming an
// array that is undefined or not on the CPU, and a name that is used twice or is not UTF-8.
std::string digest(std::span<const std::pair<std::string, Array>> named);

}  // namespace tessera
