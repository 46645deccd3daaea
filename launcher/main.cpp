#include "launcher/commands/commands.h"

int main(int argc, char** argv) {
  tessera::experiment::Catalog catalog = tessera::experiment::builtin_catalog();
  return tessera::run(argc, argv, catalog,
                      {tessera::commands::launch(), tessera::commands::rendezvous_command(),
                       tessera::commands::doctor()});
}
