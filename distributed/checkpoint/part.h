// What one rank writes of a checkpoint: a safetensors file, and a manifest of it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/array.h"
#include "core/io/checksum.h"
#include "core/io/safetensors.h"
#include "distributed/checkpoint/manifest.h"

namespace tessera {

// A tensor of the training state, as far as a rank has it.
struct HeldTensor {
  std::string name;
  Dims shape;        // of the whole tensor
  Interval held;     // the elements that are in `data`
  Array data;        // flat
  Interval written;  // the elements that this rank writes: of all ranks together, each element once
};

// An interval of a tensor's elements to be written: flat, on the CPU.
struct Piece {
  std::string tensor;
  Dims shape;  // of the whole tensor
  Interval interval;
  Array data;
};

// What of the state this rank writes, in place.
std::vector<Piece> pieces_to_write(std::span<const HeldTensor> state);
// Copies of pieces, one after the other in `buffer`, which grows where it is too small.
std::vector<Piece> copies_in(Array& buffer, std::span<const Piece> pieces);

// "rank-0-of-4.safetensors", and the name of its manifest, with `ending` ".json".
std::string part_name(int64_t rank, int64_t ranks, std::string_view ending);

// The file of some pieces.
class Part {
 public:
  // info says step, generation and ranks. `name` is the file's.
  Part(std::vector<Piece> pieces, const CheckpointInfo& info, std::string name);

  uint64_t bytes() const { return layout_.file_bytes(); }
  // Passes the whole file to `append`, in pieces and in order, and returns what it holds.
  Manifest write(ChecksumKind kind,
                 const std::function<void(std::span<const std::byte>)>& append) const;

 private:
  std::vector<Piece> pieces_;
  CheckpointInfo info_;
  std::string name_;
  SafetensorsLayout layout_;
};

// The checksum of a file (FileRecord::checksum).
std::string file_checksum(std::span<const std::byte> head,
                          std::span<const std::string> pieces_in_order, ChecksumKind kind);

}  // namespace tessera
