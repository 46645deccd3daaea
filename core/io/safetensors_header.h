// The header of a safetensors file: which tensors it holds, and where.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/dims.h"
#include "core/dtype.h"

namespace tessera {

// One tensor of a file; its bytes are [begin, end) of the file's data.
struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::f32;
  Dims shape;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t nbytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsEntry> tensors;  // in the order of their data
};

// The reference implementation's limit.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

// Reads the header's JSON text. The tensors must have distinct names, a dtype that Tessera has
// (F32 F64 BF16 F16 I64 I32 U8 BOOL) and as many bytes as their shape needs, and cover all of
// [0, data_bytes) without gap or overlap. Everything else throws Error that begins with `what` and
// names the tensor. Uses memory in proportion to the text, and no stack in proportion to its
// nesting.
SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes,
                                           const std::string& what);

// The JSON text for tensors in the given order, unpadded; their offsets are taken as they are.
// Throws Error, beginning with `what`, on names that are not UTF-8, are used twice, or are
// "__metadata__".
std::string format_safetensors_header(const SafetensorsHeader& header, const std::string& what);

// Whether the reference implementation puts data of dtype a before data of dtype b: widest first,
// so that every tensor is aligned.
bool safetensors_before(DType a, DType b);

}  // namespace tessera
