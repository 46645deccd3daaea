// A communicator in a program that calls MPI itself, as a simulation that trains in place does.
#pragma once

// The C++ bindings, removed from MPI 3, warn when compiled.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <memory>

#include "distributed/comm/communicator.h"

namespace tessera {

// A communicator of comm's ranks, in their order, apart from what the program sends on comm itself:
// comm is duplicated, and may be freed at once. A collective of comm's ranks, without a timeout,
// since it is MPI's.
//
// The program has called MPI_Init_thread, and calls MPI_Finalize when all communicators made here,
// those split from them and their Works are gone; neither is done for it. MPI_THREAD_SERIALIZED at
// least is asked for, because a communicator may be aborted by another thread than its own; the
// program sees to it then that no other thread of its calls MPI during calls on the communicator.
// Where some ranks share no memory (several nodes, or options.share_memory false),
// MPI_THREAD_MULTIPLE is: a thread of the communicator's own calls MPI then while messages are
// under way.
//
// An Error where comm is null or an inter-communicator, MPI is not initialized or finalized
// already (found by each rank for itself); and, on all ranks alike, where some rank's thread level
// is too low.
std::unique_ptr<Communicator> make_mpi_communicator(MPI_Comm comm, CommOptions options = {});

}  // namespace tessera
