#include "distributed/comm/direct/mpi_communicator.h"

#include <array>
#include <cstdlib>
#include <exception>

#include "distributed/comm/direct/direct_communicator.h"
#include "distributed/comm/direct/mpi_transport.h"

namespace tessera {
namespace {

MPI_Comm initialize() {
  int initialized = 0;
  check_mpi(MPI_Initialized(&initialized), "MPI_Initialized");
  TESSERA_CHECK(!initialized, "[MpiEnvironment] MPI was initialized before in this process");
  int provided = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  TESSERA_CHECK(provided >= MPI_THREAD_SERIALIZED,
                "[MpiEnvironment] expected an MPI with MPI_THREAD_SERIALIZED, got level {}",
                provided);
  // Apart from what a program may send on MPI_COMM_WORLD itself.
  MPI_Comm comm = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &comm), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  return comm;
}

}  // namespace

bool launched_by_mpi() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  check_mpi(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
  std::string version(text.data(), static_cast<size_t>(length));
  return version.substr(0, version.find_first_of(",\n"));
}

MpiEnvironment::MpiEnvironment(CommOptions options)
    : transport_(std::make_shared<MpiTransport>(initialize(), options.share_memory)),
      options_(options),
      exceptions_at_start_(std::uncaught_exceptions()) {
  transport_->start_mover();
}

MpiEnvironment::~MpiEnvironment() {
  if (std::uncaught_exceptions() > exceptions_at_start_) return;
  try {
    world()->barrier().join();
  } catch (const std::exception& error) {
    fmt::print(stderr, "tessera: MPI is not finalized: {}\n", error.what());
    return;
  }
  transport_->close();
  MPI_Finalize();
}

int MpiEnvironment::rank() const { return transport_->rank(); }
int MpiEnvironment::size() const { return transport_->size(); }

std::unique_ptr<Communicator> MpiEnvironment::world() {
  return std::make_unique<DirectCommunicator>(transport_, options_);
}

void MpiEnvironment::abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::_Exit(exit_code);
}

}  // namespace tessera
