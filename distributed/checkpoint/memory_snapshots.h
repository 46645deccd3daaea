// Snapshots of the training state in memory, which outlive the ranks: files in a folder of shared
// memory. Each rank has two slots there, so that one is whole at any time:
//
//   rank-0-of-2.a.safetensors   what rank 0 writes of a checkpoint
//   rank-0-of-2.a.json          its manifest, there when the file is whole
//   rank-0-of-2.b.safetensors   ...
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/checkpoint/checkpoint_reader.h"
#include "distributed/checkpoint/mapped_file.h"
#include "distributed/checkpoint/part.h"
#include "distributed/comm/communicator.h"

namespace tessera {

class MemorySnapshots {
 public:
  // folder is the same for the ranks of one node, and is made where it is missing. With
  // `peer_copies` each rank's part goes to the next node too; nodes then have the same number of
  // consecutive ranks, and are two at least. Knows only snapshots of `run`. A collective; comm
  // outlives this.
  MemorySnapshots(std::string folder, std::string run, Communicator& comm, bool peer_copies);

  // The newest snapshot all of whose parts are on some node; nothing if there is none. The same on
  // every rank. A collective.
  std::optional<int64_t> newest();
  // Reads what newest() found into the state that this rank holds; parts that the ranks of a node
  // need and do not have come from another. An Error, on this rank alone, when something is
  // damaged. A collective.
  void read(std::span<const HeldTensor> state);
  const CheckpointInfo& info() const { return manifest_.info; }
  const Manifest& manifest() const { return manifest_; }
  // Forgets what newest() found, and removes the snapshots of this run. A collective.
  void clear();

  // Replaces the older of this rank's snapshots. When some rank cannot, all of them keep what they
  // had, and the message says why; else it is empty. A collective.
  std::string take(std::vector<Piece> pieces, const CheckpointInfo& info);

 private:
  static constexpr size_t kSlots = 2;
  // A part that lies in a node's folder.
  struct Found {
    int64_t step = 0;
    int64_t generation = 0;
    int64_t ranks = 0;
    int64_t rank = 0;
    std::string manifest_name;
  };
  // Where the parts of the chosen snapshot are.
  struct PartPlace {
    std::string manifest_name;
    int holder = 0;
    std::vector<int> nodes;
  };

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  int node_of(int rank) const { return nodes_[static_cast<size_t>(rank)]; }
  int first_on_node(int node) const;
  bool first_on_own_node() const { return first_on_node(node_of(comm_.rank())) == comm_.rank(); }

  std::vector<Found> list() const;
  std::vector<std::vector<Found>> list_all() const;
  void fetch_missing(std::span<const HeldTensor> state);
  std::vector<size_t> files_needed(std::span<const HeldTensor> state) const;
  void move_part(size_t part, int to);
  void write_own(size_t slot, std::vector<Piece> pieces, const CheckpointInfo& info);
  void exchange_with_peers(size_t slot);
  void send_bytes(std::span<std::byte> data, int peer) const;
  void recv_bytes(std::span<std::byte> data, int peer) const;
  void write_manifest(const std::string& name, const std::string& text) const;
  void remove_if_there(const std::string& name) const;
  void remove_other_sizes() const;

  std::string folder_;
  std::string run_;
  Communicator& comm_;
  bool peer_copies_;
  FileSystem& files_ = FileSystem::real();
  std::vector<int> nodes_;  // of each rank
  int ranks_per_node_ = 0;  // where that is one number

  Manifest manifest_;             // of what newest() found, and
  std::vector<PartPlace> parts_;  // its parts, by rank

  std::optional<size_t> good_;  // the slot that holds the newest snapshot that every rank has
  int64_t num_taken_ = 0;
  std::string own_manifest_;
  std::array<std::unique_ptr<MappedFile>, kSlots> own_;
  std::array<std::unique_ptr<MappedFile>, kSlots> peers_;
};

}  // namespace tessera
