// A client of a rendezvous in another process. A server in the same one would keep alive what gRPC
// shares among all connections of a process.
#include "launcher/rendezvous/client.h"

#include "tests/integration/tessera_command.h"
#include "tests/launcher/rendezvous/test_agent.h"
#include "tests/support/free_port.h"

namespace tessera::rendezvous {
namespace {

// gRPC's own threads must not be the ones that release a connection: they belong to it.
TEST(RendezvousClient, ItsLastConnectionMayEndWhileFencesAreUnderWay) {
  for (int round = 0; round < 60; ++round) {
    int port = test::free_port();
    test::Process server(
        test::tessera({"rendezvous", "serve", "--listen", "127.0.0.1:" + std::to_string(port)}));
    TestAgents agents;
    for (const char* host : {"first", "second"}) {
      agents.push_back(std::make_unique<TestAgent>(host, port));
      agents.back()->join(job_of(2, 2));
    }
    ASSERT_TRUE(pump_until(agents, [&] { return all_are(agents, v1::PHASE_RUNNING); }));
    agents.pop_back();
    for (int fence = 0; fence < 64; ++fence) {
      agents[0]->enter_fence(std::to_string(fence), {0, 1}, "x");
    }
    agents.clear();
  }
}

}  // namespace
}  // namespace tessera::rendezvous
