// Flags that say which weights of a checkpoint are meant.
#pragma once

#include <CLI/CLI.hpp>

#include "launcher/experiment/formats/model_source.h"

namespace tessera::commands {

// --ema and --swa, one at most. `weights` outlives the command.
inline void add_weights_flags(CLI::App& command, experiment::Weights& weights) {
  using experiment::Weights;
  CLI::Option* ema = command.add_flag_callback(
      "--ema", [&] { weights = Weights::ema; }, "Take the moving averages of the parameters");
  command
      .add_flag_callback(
          "--swa", [&] { weights = Weights::swa; },
          "Take the means of the parameters (optim.swa_start)")
      ->excludes(ema);
}

}  // namespace tessera::commands
