// Run by mpirun with any number of ranks: the settings of the matrix that are for MPI and as many.
#include <gtest/gtest.h>

#include "distributed/comm/direct/mpi_communicator.h"
#include "tests/distributed/step_matrix.h"
#include "tests/support/mpi_tests.h"

namespace tessera::test {
namespace {

MpiEnvironment* environment = nullptr;  // of main

TEST(MpiStep, SettingsDoNotChangeTheDigest) {
  auto comm = environment->world();
  int count = 0;
  for (const Setting& setting : settings()) {
    if (setting.backend != "mpi" || setting.ranks != comm->size()) continue;
    ++count;
    try {
      EXPECT_EQ(digest_after_training(*comm, setting), expected_digest(setting))
          << to_string(setting);
    } catch (const std::exception& error) {
      ADD_FAILURE() << to_string(setting) << ": " << error.what();
      comm->abort(error.what());
      return;
    }
  }
  EXPECT_GE(count, 1);
}

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) {
  return tessera::test::run_mpi_tests(argc, argv, tessera::test::environment);
}
