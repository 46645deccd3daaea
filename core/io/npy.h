// NumPy's file format for one array:
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <string>

#include "core/array.h"
#include "core/io/file_system.h"

namespace tessera {

// Reads versions 1.0, 2.0 and 3.0 holding f32, f64, f16, i64, i32, u8 or bool, little-endian. An
// array in Fortran order comes back as a transposed view. Anything else, and a file that is
// shorter or longer than its header says, throws Error naming the file and what was found; no
// memory is reserved for data that the file does not have.
Array load_npy(const std::string& path, FileSystem& files = FileSystem::real());

// Writes version 1.0 in row-major order, atomically. The format has no name for bf16, so that
// dtype throws Error.
void save_npy(const std::string& path, const Array& array, FileSystem& files = FileSystem::real());

}  // namespace tessera
