#include <CLI/CLI.hpp>
#include <memory>

#include "core/parallel.h"
#include "core/printable.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "launcher/commands/commands.h"
#include "launcher/experiment/formats/model_source.h"

namespace tessera::commands {
namespace {

int verify_checkpoint(const std::string& path) {
  std::string resolved = experiment::resolve_checkpoint(path);
  if (!FileSystem::real().is_directory(resolved)) {
    experiment::refuse_other_kinds(resolved, "a checkpoint's or a run's folder");
    TESSERA_CHECK(
        false,
        "{}: a single file has no checksums to verify; expected a checkpoint's or a run's "
        "folder",
        resolved);
  }
  CheckpointReader reader(resolved);
  reader.verify();
  const Manifest& manifest = reader.manifest();
  uint64_t bytes = 0;
  size_t pieces = 0;
  for (const FileRecord& file : manifest.files) bytes += file.bytes;
  for (const TensorRecord& tensor : manifest.tensors) pieces += tensor.pieces.size();
  fmt::print("{}: whole: step {}, {} tensors in {} pieces, {} bytes in {} file{}\n",
             printable(resolved), manifest.info.step, manifest.tensors.size(), pieces, bytes,
             manifest.files.size(), manifest.files.size() == 1 ? "" : "s");
  return 0;
}

}  // namespace

Command verify() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command =
        app.add_subcommand("verify", "Check every byte of a checkpoint against its checksums");
    auto path = std::make_shared<std::string>();
    command->add_option("checkpoint", *path, "A checkpoint's folder, or a run's")
        ->type_name("CHECKPOINT")
        ->required();
    command->callback([=, &action] { action = [=] { return verify_checkpoint(*path); }; });
  };
}

}  // namespace tessera::commands
