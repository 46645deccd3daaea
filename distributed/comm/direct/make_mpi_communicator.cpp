#include "distributed/comm/direct/make_mpi_communicator.h"

#include "distributed/comm/direct/direct_communicator.h"
#include "distributed/comm/direct/mpi_transport.h"

namespace tessera {
namespace {

constexpr const char* kOp = "[make_mpi_communicator]";

std::string_view thread_level_name(int level) {
  switch (level) {
    case MPI_THREAD_SINGLE: return "MPI_THREAD_SINGLE";
    case MPI_THREAD_FUNNELED: return "MPI_THREAD_FUNNELED";
    case MPI_THREAD_SERIALIZED: return "MPI_THREAD_SERIALIZED";
    default: return "MPI_THREAD_MULTIPLE";
  }
}

bool mpi_is_finalized() {
  int finalized = 0;
  check_mpi(MPI_Finalized(&finalized), "MPI_Finalized");
  return finalized != 0;
}

void require_group_of_ranks(MPI_Comm comm) {
  int initialized = 0;
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  TESSERA_CHECK(initialized, "{} expected MPI to be initialized: the program calls MPI_Init_thread",
                kOp);
  TESSERA_CHECK(!mpi_is_finalized(), "{} expected MPI to be initialized, and it is finalized", kOp);
  TESSERA_CHECK(comm != MPI_COMM_NULL, "{} expected a communicator, got MPI_COMM_NULL", kOp);
  int inter = 0;
  check_mpi(MPI_Comm_test_inter(comm, &inter), "MPI_Comm_test_inter");
  TESSERA_CHECK(!inter, "{} expected one group of ranks, got an inter-communicator, which has two",
                kOp);
}

// Of all ranks: each asked for its own, and they have to refuse together.
int lowest_thread_level(MPI_Comm comm) {
  int own = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&own), "MPI_Query_thread");
  int lowest = own;
  check_mpi(MPI_Allreduce(&own, &lowest, 1, MPI_INT, MPI_MIN, comm), "MPI_Allreduce");
  return lowest;
}

// A duplicate whose errors are returned; freed with its last holder, or by MPI_Finalize. Freeing is
// local in MPI libraries, as the standard expects of them.
std::shared_ptr<MPI_Comm> duplicate(MPI_Comm comm) {
  auto copy = std::shared_ptr<MPI_Comm>(new MPI_Comm(MPI_COMM_NULL), [](MPI_Comm* held) {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (!finalized && *held != MPI_COMM_NULL) MPI_Comm_free(held);
    delete held;
  });
  check_mpi(MPI_Comm_dup(comm, copy.get()), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(*copy, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  return copy;
}

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm comm, CommOptions options) {
  require_group_of_ranks(comm);
  int level = lowest_thread_level(comm);
  TESSERA_CHECK(level >= MPI_THREAD_SERIALIZED,
                "{} expected MPI with MPI_THREAD_SERIALIZED at least, got {} on some rank: the "
                "program asks for it with MPI_Init_thread",
                kOp, thread_level_name(level));
  std::shared_ptr<MPI_Comm> own = duplicate(comm);
  // The duplicate goes after the transport that uses it.
  std::shared_ptr<MpiTransport> shared(new MpiTransport(*own, options.share_memory),
                                       [own](MpiTransport* last) {
                                         last->leave_to_mpi();
                                         delete last;
                                       });
  TESSERA_CHECK(!shared->needs_mover() || level >= MPI_THREAD_MULTIPLE,
                "{} expected MPI with MPI_THREAD_MULTIPLE, got {} on some rank: between ranks that "
                "share no memory a thread of the communicator's own calls MPI",
                kOp, thread_level_name(level));
  shared->start_mover();
  return std::make_unique<DirectCommunicator>(std::move(shared), options);
}

}  // namespace tessera
