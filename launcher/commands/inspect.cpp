#include <CLI/CLI.hpp>
#include <memory>

#include "core/digest.h"
#include "core/io/npy.h"
#include "core/print.h"
#include "core/printable.h"
#include "distributed/checkpoint/checkpoint_reader.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/difference.h"
#include "launcher/experiment/formats/model_source.h"

namespace tessera::commands {
namespace {

struct InspectOptions {
  std::string path;
  std::string other;
  bool digest = false;
  bool config = false;
};

struct Row {
  std::string name;
  DType dtype;
  Dims shape;
  uint64_t bytes;
};

void print_table(const std::vector<Row>& rows) {
  size_t width = 4;
  uint64_t bytes = 0;
  for (const Row& row : rows) {
    width = std::max(width, row.name.size());
    bytes += row.bytes;
  }
  fmt::print("{:<{}}  {:<5}  {:>12}  shape\n", "name", width, "dtype", "bytes");
  for (const Row& row : rows) {
    fmt::print("{:<{}}  {:<5}  {:>12}  {}\n", row.name, width, name(row.dtype), row.bytes,
               row.shape);
  }
  fmt::print("{} tensor{}, {} bytes\n", rows.size(), rows.size() == 1 ? "" : "s", bytes);
}

int inspect_npy(const InspectOptions& options) {
  Array array = load_npy(options.path);
  if (options.digest) {
    fmt::print("{}\n", digest(std::vector{std::pair{std::string(), array}}));
  } else {
    print_table({{printable(options.path), array.dtype(), array.shape(), array.nbytes()}});
    fmt::print("{}\n", to_string(array));
  }
  return 0;
}

int print_digest(std::unique_ptr<TensorSource> source) {
  auto model = experiment::model_tensors(std::move(source), experiment::Weights::trained);
  std::vector<std::pair<std::string, Array>> arrays;
  for (const TensorInfo& tensor : model->tensors()) {
    arrays.emplace_back(tensor.name, model->read(tensor));
  }
  fmt::print("{}\n", digest(arrays));
  return 0;
}

int print_config(const TensorSource& source) {
  auto metadata = source.metadata();
  auto config = metadata.find(kConfigKey);
  TESSERA_CHECK(config != metadata.end(), "{}: it has no config", source.path());
  fmt::print("{}", printable_lines(config->second));
  return 0;
}

// Where a sharded checkpoint came from, and its files.
void print_manifest(const Manifest& manifest) {
  for (const FileRecord& file : manifest.files) {
    fmt::print("{}  {} bytes  {}\n", printable(file.name), file.bytes, printable(file.checksum));
  }
  const CheckpointInfo& info = manifest.info;
  fmt::print("step {}, position {} in the data, seed {}, {} rank{}, {}, generation {}\n", info.step,
             info.position, info.seed, info.ranks, info.ranks == 1 ? "" : "s",
             printable(info.strategy), info.generation);
  fmt::print("run {}\nbuild {}\n", printable(info.run), printable(info.build));
  if (info.valid_loss) fmt::print("validation loss {}\n", *info.valid_loss);
  for (const NamedNumber& metric : info.metrics) {
    fmt::print("{} {}\n", printable(metric.name), metric.value);
  }
}

int inspect_tensors(const InspectOptions& options) {
  auto source = experiment::open_tensors(options.path);
  if (!options.other.empty()) {
    print_differences(*source, *experiment::open_tensors(options.other));
    return 0;
  }
  if (options.digest) return print_digest(std::move(source));
  if (options.config) return print_config(*source);
  std::vector<Row> rows;
  for (const TensorInfo& t : source->tensors()) {
    rows.push_back({printable(t.name), t.dtype, t.shape,
                    static_cast<uint64_t>(num_elements(t.shape)) * item_size(t.dtype)});
  }
  print_table(rows);
  auto* checkpoint = dynamic_cast<CheckpointReader*>(source.get());
  if (checkpoint) print_manifest(checkpoint->manifest());
  for (const auto& [key, value] : source->metadata()) {
    if (key == kConfigKey) {
      // It is long; --config prints it.
      fmt::print("config: {} lines, --config prints them\n",
                 std::count(value.begin(), value.end(), '\n'));
    } else if (!checkpoint || key == kDigestKey) {
      fmt::print("{}: {}\n", printable(key), printable(value));
    }
  }
  return 0;
}

}  // namespace

Command inspect() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand(
        "inspect", "List a checkpoint's tensors, print their digest, or compare two");
    auto options = std::make_shared<InspectOptions>();
    command
        ->add_option(
            "path", options->path,
            "A checkpoint, a run's folder, a GPT-2 folder, or a .safetensors, .npy or .npz "
            "file")
        ->type_name("FILE|CHECKPOINT")
        ->required();
    command->add_option("other", options->other, "Another one, whose differences are listed")
        ->type_name("OTHER");
    command->add_flag("--digest", options->digest,
                      "Print the SHA-256 digest of the model's tensors only");
    command->add_flag("--config", options->config, "Print the config of its run only");
    command->callback([=, &action] {
      action = [=] {
        bool npy = options->path.ends_with(".npy") && options->other.empty();
        return npy ? inspect_npy(*options) : inspect_tensors(*options);
      };
    });
  };
}

}  // namespace tessera::commands
