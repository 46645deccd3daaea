// The npy format itself, for files and for members of npz archives. Errors begin with `what`.
#pragma once

#include <string>

#include "core/array.h"
#include "core/io/file_system.h"

namespace tessera {

// The array in a file; see load_npy for what is accepted. Reads from front to back.
Array read_npy(const ReadableFile& file, const std::string& what);

// Everything before the data, whose size is a multiple of 64. An error for bf16 and for more than
// kMaxFileDims dims.
std::string npy_preamble(DType dtype, const Dims& shape, const std::string& what);

}  // namespace tessera
