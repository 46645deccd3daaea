#include <cstdlib>

#include "launcher/commands/commands.h"

int main(int argc, char** argv) {
  unsetenv("TESSERA_HANDED_OVER");  // experiment/run.cpp: it has arrived
  tessera::experiment::Catalog catalog = tessera::experiment::builtin_catalog();
  return tessera::run(argc, argv, catalog,
                      {tessera::commands::launch(), tessera::commands::rendezvous_command(),
                       tessera::commands::bench_command()},
                      nullptr);
}
