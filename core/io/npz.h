// NumPy's archives of several arrays: zip files whose members are npy files.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/io/file_system.h"

namespace tessera {

// The arrays in the archive's order, under their names without ".npy"; members are plain or
// deflated, as numpy.savez and numpy.savez_compressed write them, and hold what load_npy reads. A
// member that is anything else, a name that occurs twice and a checksum that differs throw Error
// naming file and member. No memory is reserved for data that the file cannot have.
std::vector<std::pair<std::string, Array>> load_npz(const std::string& path,
                                                    FileSystem& files = FileSystem::real());

// Writes the arrays in this order, atomically; the bytes depend on the arguments only. The whole
// archive is put together in memory first. Errors are save_npy's, and a name that is empty or
// occurs twice.
void save_npz(const std::string& path, std::span<const std::pair<std::string, Array>> arrays,
              bool compressed = false, FileSystem& files = FileSystem::real());

}  // namespace tessera
