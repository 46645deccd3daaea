// What a sharded checkpoint holds, and where.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/dims.h"
#include "core/dtype.h"
#include "distributed/loss_scale.h"
#include "distributed/shard.h"

namespace tessera {

struct NamedNumber {
  std::string name;
  double value = 0;
};

// What a run needs to go on besides its tensors. The learning rate follows from the step, and
// random numbers from seed and step. Checkpoints of before there were `updates`, `data` and
// `next_lr` are read with what stands for them here.
struct CheckpointInfo {
  int64_t step = 0;        // steps done
  int64_t generation = 0;  // of the run: every start of it is one
  int64_t ranks = 1;       // that wrote it, a part each
  int64_t position = 0;    // in the data: samples taken
  int64_t seed = 0;
  std::optional<int64_t> updates = {};  // of the steps, those that updated; unset: all
  std::string data = {};                // what they are (Dataset::identity); empty: not known
  std::optional<double> next_lr = {};   // of the step to come, had the run gone on
  std::string run = {};                 // its directory
  std::string build = {};               // what the bits depend on: build, instruction set
  std::string strategy = {};
  std::optional<double> valid_loss = {};          // where the run had just been evaluated
  std::vector<NamedNumber> metrics = {};          // and what else was found then
  std::optional<std::string> digest = {};         // of the model, where it was known
  std::string config = {};                        // YAML, as resolved
  std::string loop = {};                          // what else the loop goes on from; empty: nothing
  std::optional<LossScaleState> loss_scale = {};  // of the step to come; unset: not scaled
};

// An interval of a tensor's elements in a file, with a checksum (core/io/checksum.h) of its bytes.
struct PieceRecord {
  size_t file = 0;    // an index into Manifest::files
  Interval interval;  // elements, row-major
  uint64_t at = 0;    // the byte of the file at which they begin
  std::string checksum;
};

struct TensorRecord {
  std::string name;
  DType dtype = DType::f32;
  Dims shape;
  std::vector<PieceRecord> pieces;  // by the interval's begin

  int64_t numel() const;
  uint64_t bytes_of(Interval interval) const {
    return static_cast<uint64_t>(interval.size()) * item_size(dtype);
  }
};

// One rank's safetensors file.
struct FileRecord {
  std::string name;
  uint64_t bytes = 0;
  // Of the file's header, followed by the checksums of its pieces that are not empty, in the order
  // of their bytes.
  std::string checksum;
};

struct Manifest {
  CheckpointInfo info;
  std::vector<FileRecord> files;
  std::vector<TensorRecord> tensors;  // by name

  const TensorRecord* find(std::string_view name) const;
};

// The name of a tensor of the optimizer's state, "exp_avg/wte.weight"; and whether a name is one.
std::string state_name(std::string_view state, std::string_view parameter);
bool is_state_name(std::string_view name);
// The name of a piece in its file, "wte.weight@0:512".
std::string piece_name(std::string_view tensor, Interval interval);

// All of a checkpoint, or the part that one rank wrote.
enum class ManifestKind { whole, part };

inline constexpr uint64_t kMaxManifestBytes = uint64_t{256} << 20;

// JSON whose last member is the checksum of all bytes before it.
std::string format_manifest(const Manifest& manifest, ManifestKind kind);

// Reads such a text. Everything in it is checked: the checksum; names of files, which are plain and
// distinct; that pieces lie inside their files; and that those of a tensor do not overlap, and if
// it is a whole checkpoint's, cover it. An Error begins with `what`.
Manifest parse_manifest(std::string_view text, ManifestKind kind, const std::string& what);
// The same but for the checksum, which the text need not have. For tests.
Manifest parse_unsealed_manifest(std::string_view text, ManifestKind kind, const std::string& what);

// The whole of what the ranks' parts list, under `info`; parts are one of each rank, in their
// order. An Error when they do not fit together.
Manifest merge_parts(std::vector<Manifest> parts, const CheckpointInfo& info,
                     const std::string& what);

}  // namespace tessera
