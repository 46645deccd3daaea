// Elements as files hold them: row-major, little-endian, as in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "core/array.h"
#include "core/io/file_system.h"

namespace tessera {

// The most dims that a file may ask for; NumPy's own limit.
inline constexpr size_t kMaxFileDims = 64;

// The bytes that a shape needs; nothing when these or its strides do not fit into an int64.
std::optional<uint64_t> data_bytes(const Dims& shape, DType dtype);

// The elements of a defined, row-major array on the CPU. The span does not own them.
std::span<const std::byte> bytes_of(const Array& array);

// array in row-major order, itself or a copy; an error that begins with `what` when it is
// undefined or not on the CPU.
Array packed_on_cpu(const Array& array, const std::string& what);

// An error that begins with `what` when one of the bytes is no bool, 0 or 1. Readers of every
// format ask: what computes with bools takes other bytes for anything.
void check_bools(std::span<const std::byte> bytes, const std::string& what);

// A new array with the bytes at `offset`; the caller has checked that data_bytes() of them are
// there. Errors begin with `what`; a bool that is neither 0 nor 1 is one.
Array read_elements(const ReadableFile& file, uint64_t offset, const Dims& shape, DType dtype,
                    const std::string& what);

}  // namespace tessera
