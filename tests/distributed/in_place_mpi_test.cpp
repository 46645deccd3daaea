// Run by mpirun: a program that calls MPI itself, and trains on communicators that it has. What
// MPI_Init_thread is asked for is TESSERA_TEST_THREAD_LEVEL: multiple (if not set), serialized or
// single.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "core/digest.h"
#include "distributed/comm/direct/make_mpi_communicator.h"
#include "tests/distributed/outcome.h"
#include "tests/support/error_of.h"
#include "tests/support/failure_printer.h"

namespace tessera::test {
namespace {

constexpr std::chrono::seconds kTimeout(30);

int asked_level() {
  const char* level = std::getenv("TESSERA_TEST_THREAD_LEVEL");
  if (!level || level == std::string_view("multiple")) return MPI_THREAD_MULTIPLE;
  return level == std::string_view("serialized") ? MPI_THREAD_SERIALIZED : MPI_THREAD_SINGLE;
}

struct World {
  int rank = 0;
  int size = 0;
  int level = 0;  // provided
  std::string error_before_init;
};
World world;  // main's

std::string error_of_making(MPI_Comm comm, CommOptions options = {}) {
  return error_of([&] { make_mpi_communicator(comm, options); });
}

// The ranks of every other number, in the opposite order.
MPI_Comm half_of_world() {
  MPI_Comm half = MPI_COMM_NULL;
  MPI_Comm_split(MPI_COMM_WORLD, world.rank % 2, -world.rank, &half);
  return half;
}

std::string digest_on(MPI_Comm comm, CommOptions options, Strategy strategy) {
  auto ranks = make_mpi_communicator(comm, options);
  StepOptions step{.leaves = 5, .clip_norm = 1, .strategy = strategy};
  return digest(train_on(*ranks, make<GptTask>(), step).weights);
}

TEST(InPlaceMpi, RefusesMpiThatIsNotInitialized) {
  EXPECT_EQ(world.error_before_init,
            "[make_mpi_communicator] expected MPI to be initialized: the program calls "
            "MPI_Init_thread");
}

TEST(InPlaceMpi, RefusesWhatIsNoGroupOfRanks) {
  EXPECT_EQ(error_of_making(MPI_COMM_NULL),
            "[make_mpi_communicator] expected a communicator, got MPI_COMM_NULL");
  if (world.size < 2) return;
  MPI_Comm half = half_of_world();
  // The leaders are the last of each half, which has the highest ranks first.
  int size = 0;
  MPI_Comm_size(half, &size);
  MPI_Comm both = MPI_COMM_NULL;
  MPI_Intercomm_create(half, size - 1, MPI_COMM_WORLD, 1 - world.rank % 2, 7, &both);
  EXPECT_EQ(error_of_making(both),
            "[make_mpi_communicator] expected one group of ranks, got an inter-communicator, which "
            "has two");
  MPI_Comm_free(&both);
  MPI_Comm_free(&half);
}

TEST(InPlaceMpi, RefusesThreadsThatMayNotCall) {
  if (world.level >= MPI_THREAD_SERIALIZED) return;
  EXPECT_EQ(
      error_of_making(MPI_COMM_WORLD),
      fmt::format("[make_mpi_communicator] expected MPI with MPI_THREAD_SERIALIZED at least, "
                  "got {} on some rank: the program asks for it with MPI_Init_thread",
                  world.level == MPI_THREAD_SINGLE ? "MPI_THREAD_SINGLE" : "MPI_THREAD_FUNNELED"));
}

// A thread of the communicator's own would call MPI beside the program.
TEST(InPlaceMpi, NeedsMoreThreadsWhereNoMemoryIsShared) {
  if (world.level != MPI_THREAD_SERIALIZED || world.size < 2) return;
  EXPECT_EQ(
      error_of_making(MPI_COMM_WORLD, {.share_memory = false}),
      "[make_mpi_communicator] expected MPI with MPI_THREAD_MULTIPLE, got "
      "MPI_THREAD_SERIALIZED on some rank: between ranks that share no memory a thread of the "
      "communicator's own calls MPI");
  auto alone = make_mpi_communicator(MPI_COMM_SELF, {.share_memory = false});
  EXPECT_EQ(alone->size(), 1);
}

TEST(InPlaceMpi, RanksAreThoseOfTheCommunicator) {
  if (world.level < MPI_THREAD_SERIALIZED) return;
  MPI_Comm half = half_of_world();
  auto comm = make_mpi_communicator(half, {.timeout = kTimeout});
  int rank = 0;
  int size = 0;
  MPI_Comm_rank(half, &rank);
  MPI_Comm_size(half, &size);
  EXPECT_EQ(comm->rank(), rank);
  EXPECT_EQ(comm->size(), size);
  MPI_Comm_free(&half);
  // It has a duplicate of its own, and so has a second one.
  auto all = make_mpi_communicator(MPI_COMM_WORLD, {.timeout = kTimeout});
  Array sum = Array::full({3}, 1);
  Array whole = Array::full({3}, 1);
  Work of_all = all->all_reduce(whole);
  comm->all_reduce(sum).join();
  of_all.join();
  EXPECT_EQ(sum.to_vector<float>()[2], size);
  EXPECT_EQ(whole.to_vector<float>()[2], world.size);
}

// What the simulation sends meanwhile is its own affair.
TEST(InPlaceMpi, DoesNotMeetTheProgramsOwnMessages) {
  if (world.level < MPI_THREAD_SERIALIZED) return;
  auto comm = make_mpi_communicator(MPI_COMM_WORLD, {.timeout = kTimeout});
  int next = (world.rank + 1) % world.size;
  int received = -1;
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Irecv(&received, 1, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &request);
  Array array = Array::full({100000}, world.rank);
  comm->all_reduce(array).join();
  comm->barrier().join();
  EXPECT_EQ(received, -1);
  MPI_Send(&world.rank, 1, MPI_INT, next, 5, MPI_COMM_WORLD);
  MPI_Wait(&request, MPI_STATUS_IGNORE);
  EXPECT_EQ(received, (world.rank + world.size - 1) % world.size);
}

TEST(InPlaceMpi, TrainsOnAnyRanksToTheSameWeights) {
  if (world.level < MPI_THREAD_SERIALIZED) return;
  for (Strategy strategy : {Strategy::ddp, Strategy::zero3}) {
    std::string alone = digest_on(MPI_COMM_SELF, {.timeout = kTimeout}, strategy);
    EXPECT_EQ(digest_on(MPI_COMM_WORLD, {.timeout = kTimeout}, strategy), alone);
    MPI_Comm half = half_of_world();
    EXPECT_EQ(digest_on(half, {.timeout = kTimeout}, strategy), alone);
    if (world.level == MPI_THREAD_MULTIPLE) {
      CommOptions messages{.timeout = kTimeout, .share_memory = false};
      EXPECT_EQ(digest_on(half, messages, strategy), alone);
    }
    MPI_Comm_free(&half);
  }
}

TEST(InPlaceMpi, AFailureLeavesMpiToTheProgram) {
  if (world.level < MPI_THREAD_SERIALIZED) return;
  {
    auto comm = make_mpi_communicator(MPI_COMM_WORLD, {.timeout = kTimeout});
    if (world.rank == 0) comm->abort("enough");
    EXPECT_THROW(
        {
          comm->barrier().join();
          comm->barrier().join();
        },
        CommError);
    // Not before all know of it: a note that is under way needs its sender.
    MPI_Barrier(MPI_COMM_WORLD);
  }
  int sum = 1;
  MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  EXPECT_EQ(sum, world.size);
  auto again = make_mpi_communicator(MPI_COMM_WORLD, {.timeout = kTimeout});
  again->barrier().join();
}

}  // namespace
}  // namespace tessera::test

int main(int argc, char** argv) {
  using namespace tessera::test;
  testing::InitGoogleTest(&argc, argv);
  world.error_before_init = error_of_making(MPI_COMM_WORLD);
  MPI_Init_thread(&argc, &argv, asked_level(), &world.level);
  MPI_Comm_rank(MPI_COMM_WORLD, &world.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world.size);
  print_failures_of(world.rank);
  int failed = RUN_ALL_TESTS();
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  if (error_of_making(MPI_COMM_WORLD) !=
      "[make_mpi_communicator] expected MPI to be initialized, and it is finalized") {
    fmt::print(stderr, "a communicator was made after MPI_Finalize\n");
    return 1;
  }
  return failed;
}
