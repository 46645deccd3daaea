// Something that tensors can be read from, piece by piece: a checkpoint, a file of another kind.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/array.h"
#include "core/io/file_system.h"
#include "distributed/shard.h"

namespace tessera {

struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  Dims shape;
};

// Where an interval of a tensor's elements is to go: a flat array of its dtype on the CPU.
struct ReadTarget {
  std::string name;
  Interval interval;
  Array data;
};

// What a source's metadata may have: the step, the digest of the model and the config (YAML).
inline constexpr const char* kStepKey = "step";
inline constexpr const char* kDigestKey = "digest";
inline constexpr const char* kConfigKey = "config";

// Errors name the file and the tensor.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  // Its path, for messages.
  virtual const std::string& path() const = 0;
  // In an order of their own, names distinct.
  virtual const std::vector<TensorInfo>& tensors() const = 0;
  virtual std::map<std::string, std::string> metadata() const { return {}; }
  // Fills every target. What is read is checked, where the source can: of a tensor of which a
  // target wants an interval, others may be read for that, and are not kept.
  virtual void read(std::span<const ReadTarget> targets) const = 0;

  // Null if it has none of that name.
  const TensorInfo* find(std::string_view name) const;
  Array read(const TensorInfo& tensor) const;
};

// A file of the safetensors format.
std::unique_ptr<TensorSource> open_safetensors(const std::string& path,
                                               FileSystem& files = FileSystem::real());

// Whether path is a checkpoint's folder.
bool is_checkpoint(const std::string& path, FileSystem& files = FileSystem::real());

}  // namespace tessera
