// The command line of a program that trains: `tessera` itself, or a user's own with more models.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "launcher/experiment/components/components.h"

namespace CLI {
class App;
}

namespace tessera {

// A subcommand: adds itself to the app, and leaves in `action` what is to be done when it is
// chosen, which returns the exit code.
using Command = std::function<void(CLI::App& app, std::function<int()>& action)>;

// The tessera command, which does what starts other programs. What an installation's CMake files
// say, else what PATH has.
#ifndef TESSERA_COMMAND
#define TESSERA_COMMAND "tessera"
#endif

// Runs the subcommand that the arguments name: train, debug, generate, inspect and the others that
// need no gRPC, those of `more`, and launch, rendezvous and bench, which `command` is started for
// (null: they are among `more`, or there are none). Returns the exit code: 0 done, 1 failed, 2 bad
// usage or config. Errors go to stderr.
//
//   int main(int argc, char** argv) {
//     tessera::experiment::Catalog catalog = tessera::experiment::builtin_catalog();
//     catalog.model.push_back(tessera::experiment::option<MySection>("mine", "my model"));
//     return tessera::run(argc, argv, catalog);
//   }
int run(int argc, char** argv, const experiment::Catalog& catalog,
        const std::vector<Command>& more = {}, const char* command = TESSERA_COMMAND);

}  // namespace tessera
