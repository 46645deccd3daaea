// What every Communicator must do: one table of behaviours for all implementations.
#pragma once

#include <span>

#include "distributed/comm/communicator.h"

namespace tessera::test {

// Runs on every rank at once, each with its own new communicator of one group; checks with
// EXPECT. A case may fail its communicator.
struct CommunicatorCase {
  const char* name;
  void (*run)(Communicator& comm);
};

std::span<const CommunicatorCase> communicator_cases();

// Arrays of ordinary memory, of the communicator's own, or of the latter on every other rank.
enum class CaseMemory { ordinary, shared, mixed };
void run_case(const CommunicatorCase& behaviour, Communicator& comm, CaseMemory memory);

}  // namespace tessera::test
