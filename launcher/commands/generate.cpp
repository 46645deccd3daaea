#include <CLI/CLI.hpp>
#include <memory>

#include "launcher/commands/commands.h"
#include "launcher/commands/number_options.h"
#include "launcher/commands/weights_flags.h"
#include "launcher/experiment/sampling.h"

namespace tessera::commands {
namespace {

using experiment::Weights;

struct GenerateOptions {
  std::string path;
  std::string prompt;
  Weights weights = Weights::trained;
  experiment::SamplingOptions sampling;
};

int generate_text(const GenerateOptions& options, const experiment::Catalog& catalog) {
  if (options.prompt.empty()) throw experiment::ConfigError("generate: the prompt is empty");
  experiment::LoadedModel loaded = experiment::load_model(options.path, catalog, options.weights);
  data::DataContract contract = loaded.config.model.as<experiment::ModelSection>().contract();
  TESSERA_CHECK(contract.samples == data::DataContract::Samples::tokens && contract.context,
                "{}: '{}' is not a language model", options.path, loaded.config.model.name);
  constexpr int64_t kBytes = 256;
  TESSERA_CHECK(contract.vocabulary.value_or(kBytes) <= kBytes,
                "{}: a model of {} kinds of tokens; text is made of models of bytes, which know at "
                "most {}",
                options.path, *contract.vocabulary, kBytes);
  fmt::print("{}", options.prompt);
  experiment::sample_text(*loaded.model, *contract.context, options.prompt, options.sampling,
                          [](char c) {
                            std::fputc(c, stdout);
                            std::fflush(stdout);
                          });
  fmt::print("\n");
  return 0;
}

}  // namespace

Command generate(const experiment::Catalog& catalog) {
  return [&catalog](CLI::App& app, std::function<int()>& action) {
    CLI::App* command = app.add_subcommand("generate", "Sample text from a trained language model");
    auto options = std::make_shared<GenerateOptions>();
    command->add_option("checkpoint", options->path, "A checkpoint, or a run's folder")
        ->type_name("CHECKPOINT")
        ->required();
    command->add_option("--prompt", options->prompt, "The text to continue")
        ->type_name("TEXT")
        ->required();
    add_weights_flags(*command, options->weights);
    command->add_option("--length", options->sampling.length, "Tokens to make")
        ->type_name("N")
        ->check(integer(0, uint64_t{1} << 30))
        ->capture_default_str();
    command
        ->add_option("--temperature", options->sampling.temperature,
                     "Above 1 is bolder, below 1 safer, 0 always takes the likeliest")
        ->check(number(0, 100))
        ->capture_default_str();
    command->add_option("--seed", options->sampling.seed, "The same seed gives the same text")
        ->check(integer(0, UINT64_MAX))
        ->capture_default_str();
    command->callback([=, &action, &catalog] {
      action = [=, &catalog] { return generate_text(*options, catalog); };
    });
  };
}

}  // namespace tessera::commands
