// The command line of a program that trains: `tessera` itself, or a user's own with more models.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/experiment/components.h"

namespace CLI {
class App;
}

namespace tessera {

// A subcommand: adds itself to the app, and leaves in `action` what is to be done when it is
// chosen, which returns the exit code.
using Command = std::function<void(CLI::App& app, std::function<int()>& action)>;

// Runs the subcommand that the arguments name: train, debug, generate and inspect, and those of
// `more`. Returns the exit code: 0 done, 1 failed, 2 bad usage or config. Errors go to stderr.
//
//   int main(int argc, char** argv) {
//     tessera::experiment::Catalog catalog = tessera::experiment::builtin_catalog();
//     catalog.model.push_back(tessera::experiment::option<MySection>("mine", "my model"));
//     return tessera::run(argc, argv, catalog);
//   }
int run(int argc, char** argv, const experiment::Catalog& catalog,
        const std::vector<Command>& more = {});

}  // namespace tessera
