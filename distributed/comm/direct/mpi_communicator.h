// Ranks as processes, over Open MPI.
#pragma once

#include <memory>

#include "distributed/comm/communicator.h"

namespace tessera {

class MpiTransport;

// Whether mpirun, srun or an agent's PMIx server started this process. Looks at the environment
// only: a process started alone never pays for MPI_Init.
bool launched_by_mpi();

// The first line of what the MPI library says of itself.
std::string mpi_version();

// MPI, from MPI_Init to MPI_Finalize; one in a process, outliving its communicators. The
// constructor is a collective of the whole job.
//
// MPI is asked for MPI_THREAD_SERIALIZED: all calls to it from here go through one mutex, so that
// any thread may abort, and MPI_THREAD_MULTIPLE would only add locks of its own to every message.
//
// The destructor finalizes once every rank has come to it, within the timeout. Otherwise, and when
// an exception is under way, it leaves MPI as it is: MPI_Finalize would wait for ranks that may
// be dead, and mpirun ends the job when a process exits without it.
class MpiEnvironment {
 public:
  explicit MpiEnvironment(CommOptions options = {});
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  int rank() const;
  int size() const;
  // A new communicator of all ranks. Called by every rank, in the same order; talks to none.
  std::unique_ptr<Communicator> world();
  // Ends every process of the job: what a program does with an error it cannot recover from.
  [[noreturn]] void abort(int exit_code);

 private:
  std::shared_ptr<MpiTransport> transport_;
  CommOptions options_;
  int exceptions_at_start_;
};

}  // namespace tessera
