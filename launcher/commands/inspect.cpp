#include <CLI/CLI.hpp>
#include <memory>

#include "core/digest.h"
#include "core/io/npy.h"
#include "core/io/npz.h"
#include "core/io/safetensors.h"
#include "core/print.h"
#include "launcher/commands/commands.h"
#include "launcher/experiment/checkpoint.h"

namespace tessera::commands {
namespace {

struct Options {
  std::string path;
  bool digest = false;
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

int inspect_npy(const Options& options) {
  Array array = load_npy(options.path);
  if (options.digest) {
    fmt::print("{}\n", digest(std::vector{std::pair{std::string(), array}}));
  } else {
    print_table({{options.path, array.dtype(), array.shape(), array.nbytes()}});
    fmt::print("{}\n", to_string(array));
  }
  return 0;
}

int inspect_npz(const Options& options) {
  auto arrays = load_npz(options.path);
  if (options.digest) {
    fmt::print("{}\n", digest(arrays));
    return 0;
  }
  std::vector<Row> rows;
  for (const auto& [name, array] : arrays) {
    rows.push_back({name, array.dtype(), array.shape(), array.nbytes()});
  }
  print_table(rows);
  return 0;
}

int inspect_safetensors(const std::string& path, const Options& options) {
  if (options.digest) {
    fmt::print("{}\n", digest(read_safetensors(path).tensors));
    return 0;
  }
  SafetensorsReader reader(path);
  std::vector<Row> rows;
  for (const SafetensorsEntry& e : reader.tensors()) {
    rows.push_back({e.name, e.dtype, e.shape, e.nbytes()});
  }
  print_table(rows);
  for (const auto& [key, value] : reader.metadata()) {
    // The config is a file of its own; here a line of each is enough.
    fmt::print("{}: {}\n", key, value.substr(0, value.find('\n')));
  }
  return 0;
}

}  // namespace

Command inspect() {
  return [](CLI::App& app, std::function<int()>& action) {
    CLI::App* command =
        app.add_subcommand("inspect", "List a checkpoint's tensors, or print their digest");
    auto options = std::make_shared<Options>();
    command
        ->add_option("path", options->path, "A .safetensors, .npy or .npz file, or a run's folder")
        ->type_name("FILE|CHECKPOINT")
        ->required();
    command->add_flag("--digest", options->digest, "Print the SHA-256 digest of all tensors only");
    command->callback([=, &action] {
      action = [=] {
        if (options->path.ends_with(".npy")) return inspect_npy(*options);
        if (options->path.ends_with(".npz")) return inspect_npz(*options);
        return inspect_safetensors(experiment::find_checkpoint(options->path), *options);
      };
    });
  };
}

}  // namespace tessera::commands
