#include <CLI/CLI.hpp>
#include <memory>

#include "core/io/elements.h"
#include "core/io/npz.h"
#include "core/io/safetensors.h"
#include "core/printable.h"
#include "launcher/commands/commands.h"
#include "launcher/commands/weights_flags.h"
#include "launcher/experiment/formats/gpt2_layout.h"

namespace tessera::commands {
namespace {

using experiment::ConfigError;
using experiment::Weights;

struct ConvertOptions {
  std::string in;
  std::string out;
  Weights weights = Weights::trained;
  bool state = false;
  bool gpt2 = false;
  bool force = false;
};

// One tensor at a time.
void write_consolidated(const std::string& path, const TensorSource& source) {
  std::map<std::string, std::string> metadata = source.metadata();
  metadata["format"] = "tessera-1";
  std::vector<SafetensorsEntry> entries;
  for (const TensorInfo& tensor : source.tensors()) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape, 0, 0});
  }
  SafetensorsLayout layout = layout_safetensors(entries, metadata, path);
  FileSystem::real().produce_atomically(path, [&](WritableFile& file) {
    file.append(std::as_bytes(std::span(layout.head)));
    for (size_t index : layout.order) {
      file.append(bytes_of(source.read(source.tensors()[index])));
    }
  });
}

void write_npz(const std::string& path, const TensorSource& source) {
  std::vector<std::pair<std::string, Array>> arrays;
  for (const TensorInfo& tensor : source.tensors()) {
    arrays.emplace_back(tensor.name, source.read(tensor));
  }
  save_npz(path, arrays);
}

// Before anything is read. What is replaced is replaced whole, at the end.
void refuse_existing(const ConvertOptions& options) {
  FileKind kind = FileSystem::real().kind(options.out);
  if (options.gpt2 && options.force) {
    throw ConfigError("convert: --force goes with files; with --gpt2, OUT is a new folder");
  }
  TESSERA_CHECK(kind == FileKind::none || options.gpt2 || options.force,
                "{}: there is something already; --force replaces a file", options.out);
  TESSERA_CHECK(!options.force || kind == FileKind::none || kind == FileKind::file,
                "{}: --force replaces files, and this is none", options.out);
}

int convert_tensors(const ConvertOptions& options, const experiment::Catalog& catalog) {
  bool npz = options.out.ends_with(".npz");
  if (!options.gpt2 && !npz && !options.out.ends_with(".safetensors")) {
    throw ConfigError(fmt::format(
        "convert: expected OUT to end in .safetensors or .npz, or --gpt2 and a folder, got {}",
        job::in_quotes(options.out)));
  }
  if (options.state && (options.weights != Weights::trained || options.gpt2)) {
    throw ConfigError("convert: --state goes with none of --ema, --swa and --gpt2");
  }
  refuse_existing(options);
  auto source = experiment::open_tensors(options.in);
  size_t all = source->tensors().size();
  if (!options.state) {
    source = experiment::model_tensors(std::move(source), options.weights);
  }
  if (options.gpt2) {
    experiment::write_gpt2(options.out, *source, experiment::config_of(*source, catalog));
  } else if (npz) {
    write_npz(options.out, *source);
  } else {
    write_consolidated(options.out, *source);
  }
  size_t written = source->tensors().size();
  // What has a name like state's may be something else in a file that Tessera did not write.
  std::string rest =
      written < all ? fmt::format(", without {} of state (names with a '/')", all - written) : "";
  fmt::print("{}: {} tensor{}{}\n", printable(options.out), written, written == 1 ? "" : "s", rest);
  return 0;
}

}  // namespace

Command convert(const experiment::Catalog& catalog) {
  return [&catalog](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand("convert", "Write a model's tensors in another format");
    auto options = std::make_shared<ConvertOptions>();
    command
        ->add_option("in", options->in,
                     "A checkpoint, a run's folder, a .safetensors or .npz file, or a folder of a "
                     "Hugging Face GPT-2 model")
        ->type_name("IN")
        ->required();
    command
        ->add_option("out", options->out,
                     "NAME.safetensors, one plain file; NAME.npz; or with --gpt2 a new folder")
        ->type_name("OUT")
        ->required();
    command->add_flag("--gpt2", options->gpt2, "Write the layout of Hugging Face's GPT-2 models");
    add_weights_flags(*command, options->weights);
    command->add_flag("--force", options->force, "Replace OUT, if it is there already");
    command->add_flag("--state", options->state, "Write the optimizer's state too");
    command->callback([=, &action, &catalog] {
      action = [=, &catalog] { return convert_tensors(*options, catalog); };
    });
  };
}

}  // namespace tessera::commands
