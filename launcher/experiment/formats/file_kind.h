// What a file is that is not what it was taken for.
#pragma once

#include <string>

#include "core/io/file_system.h"

namespace tessera::experiment {

// "a PyTorch pickle", "a text file", ...: what the file's first bytes say; empty where they may be
// those of a safetensors file.
std::string file_kind(const ReadableFile& file);

}  // namespace tessera::experiment
