// all_reduce of arrays in the communicator's memory against MPI_Allreduce, in turns in one run.
// Run by mpirun; rank 0 prints one JSON record a size: value and reference in microseconds of the
// slowest rank, ratio is reference over value.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "distributed/comm/mpi_communicator.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Microseconds that the slowest rank takes for one call.
template <class F>
double time_of(int calls, F&& call) {
  MPI_Barrier(MPI_COMM_WORLD);
  Clock::time_point start = Clock::now();
  for (int i = 0; i < calls; ++i) call();
  double own = std::chrono::duration<double, std::micro>(Clock::now() - start).count() / calls;
  double slowest = 0;
  MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return slowest;
}

void fill(const Array& array, int rank) {
  auto* data = array.data<float>();
  for (int64_t i = 0; i < array.numel(); ++i) data[i] = static_cast<float>((i + rank) % 7);
}

std::string size_name(int64_t bytes) {
  return bytes >= 1 << 20 ? fmt::format("{}MiB", bytes >> 20) : fmt::format("{}KiB", bytes >> 10);
}

void measure(Communicator& comm, int64_t bytes) {
  int64_t count = bytes / 4;
  Array ours = comm.allocate({count}, DType::f32);
  Array theirs = Array::empty({count});
  fill(ours, comm.rank());
  fill(theirs, comm.rank());
  auto all_reduce = [&] { comm.all_reduce(ours).wait(); };
  auto by_mpi = [&] {
    MPI_Allreduce(MPI_IN_PLACE, theirs.data<float>(), static_cast<int>(count), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
  };
  all_reduce();
  by_mpi();
  const auto* a = ours.data<float>();
  const auto* b = theirs.data<float>();
  TESSERA_CHECK(std::equal(a, a + count, b), "sums of {} bytes differ from MPI's", bytes);
  int calls = bytes >= 1 << 20 ? 1 : 200;
  std::vector<double> times;
  std::vector<double> mpi_times;
  for (int round = 0; round < 21; ++round) {
    // Sums of sums would overflow to infinity, and zeros are faster than numbers.
    fill(ours, comm.rank());
    fill(theirs, comm.rank());
    times.push_back(time_of(calls, all_reduce));
    mpi_times.push_back(time_of(calls, by_mpi));
  }
  if (comm.rank() != 0) return;
  nlohmann::json record{
      {"name", fmt::format("comm.all_reduce.{}x{}", comm.size(), size_name(bytes))},
      {"value", median(times)},
      {"unit", "us"},
      {"reference", median(mpi_times)},
      {"reference_name", mpi_version() + ", MPI_Allreduce in place"},
      {"ratio", median(mpi_times) / median(times)}};
  fmt::print("{}\n", record.dump());
}

}  // namespace
}  // namespace tessera

int main() {
  tessera::set_num_threads(1);
  tessera::MpiEnvironment mpi;
  auto comm = mpi.world();
  for (int64_t bytes : {1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20, 64 << 20}) {
    tessera::measure(*comm, bytes);
  }
}
