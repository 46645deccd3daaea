// The subcommands, one file each.
#pragma once

#include "launcher/experiment/run.h"

namespace tessera::commands {

Command train(const experiment::Catalog& catalog);
Command debug(const experiment::Catalog& catalog);
Command generate(const experiment::Catalog& catalog);
Command inspect();
Command convert(const experiment::Catalog& catalog);
Command verify();
Command plan(const experiment::Catalog& catalog);
Command doctor();
Command launch();
Command rendezvous_command();
Command bench_command();

}  // namespace tessera::commands
