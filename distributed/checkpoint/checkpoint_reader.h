// Reading a sharded checkpoint, by any number of ranks.
#pragma once

#include <map>

#include "distributed/checkpoint/manifest.h"
#include "distributed/checkpoint/part.h"
#include "distributed/checkpoint/tensor_source.h"

namespace tessera {

inline constexpr const char* kManifestName = "manifest.json";

// An open checkpoint whose manifest, and the length of whose files, have been checked. A file's
// header is checked before anything of the file is read, and the checksum of every piece that is
// read, which is then read whole. Needs memory for the manifest and a tile for each thread, besides
// what it fills.
class CheckpointReader final : public TensorSource {
 public:
  explicit CheckpointReader(const std::string& folder, FileSystem& files = FileSystem::real());
  // Of files in a folder, listed by a manifest that is elsewhere. Those that are not read need not
  // be there.
  CheckpointReader(const std::string& folder, Manifest manifest, FileSystem& files);

  const Manifest& manifest() const { return manifest_; }

  const std::string& path() const override { return folder_; }
  std::map<std::string, std::string> metadata() const override;
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  using TensorSource::read;
  void read(std::span<const ReadTarget> targets) const override;

  // Reads all there is and checks it.
  void verify() const;

 private:
  // The pieces that lie in a file, in the order of their bytes.
  struct Placed {
    const TensorRecord* tensor;
    const PieceRecord* piece;
  };
  // A piece to be read, and where it is to go, wholly, partly or not at all.
  struct Job {
    Placed from;
    const ReadTarget* target;
  };

  void check_size(const FileRecord& record, const ReadableFile& file) const;
  std::unique_ptr<ReadableFile> open_file(size_t file) const;
  void run(std::span<const Job> jobs) const;
  void read_piece(const ReadableFile& file, const Job& job) const;
  [[noreturn]] void fail_header(const FileRecord& record, const std::string& head) const;

  std::string folder_;
  FileSystem& files_;
  Manifest manifest_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::vector<Placed>> placed_;  // by file
};

// Fills what a rank holds of the training state. An Error when a tensor is missing, or of another
// dtype or shape.
void read_state(const CheckpointReader& reader, std::span<const HeldTensor> state);

}  // namespace tessera
