// Collectives of this job's ranks, arrays in the communicator's memory, against the same of MPI, in
// turns in one run: microseconds of the slowest rank.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <mpi.h>

#include "core/parallel.h"
#include "launcher/bench/comm_sizes.h"
#include "launcher/bench/families.h"

namespace tessera::bench {
namespace {

constexpr int kCollectiveRepetitions = 21;

// Microseconds that the slowest rank takes for one of some calls.
double slowest_us(int calls, const std::function<void()>& call) {
  MPI_Barrier(MPI_COMM_WORLD);
  double own = 1e6 * seconds_of([&] {
                 for (int i = 0; i < calls; ++i) call();
               }) /
               calls;
  double slowest = 0;
  MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return slowest;
}

// One array of a rank, cut into equal shards: the last ones may be empty.
struct Shards {
  Array whole;
  std::vector<Array> shards;

  Shards(Array array, int size) : whole(std::move(array)) {
    int64_t count = whole.numel();
    for (int p = 0; p < size; ++p) {
      shards.push_back(whole.slice(0, count * p / size, count * (p + 1) / size));
    }
  }
  const Array& of(int rank) const { return shards[static_cast<size_t>(rank)]; }
};

// The same collective by this library and by MPI, each on arrays of its own.
class Both {
 public:
  Both(Communicator& comm, Collective what, int64_t count)
      : comm_(comm),
        what_(what),
        ours_(comm.allocate({count}, DType::f32), comm.size()),
        theirs_(Array::empty({count}), comm.size()),
        received_(Array::empty({count})) {
    for (const Array& shard : theirs_.shards) {
      counts_.push_back(static_cast<int>(shard.numel()));
      starts_.push_back(static_cast<int>(shard.offset() - theirs_.whole.offset()));
    }
  }

  void refill() const {
    for (const Shards* one : {&ours_, &theirs_}) fill(one->whole, comm_.rank());
  }
  void run_ours() const {
    int rank = comm_.rank();
    switch (what_) {
      case Collective::all_reduce: return comm_.all_reduce(ours_.whole).wait();
      case Collective::reduce_scatter:
        return comm_.reduce_scatter(ours_.shards, ours_.of(rank)).wait();
      case Collective::all_gather: return comm_.all_gather(ours_.of(rank), ours_.shards).wait();
    }
  }
  void run_mpi() const {
    auto* data = theirs_.whole.data<float>();
    switch (what_) {
      case Collective::all_reduce:
        MPI_Allreduce(MPI_IN_PLACE, data, static_cast<int>(theirs_.whole.numel()), MPI_FLOAT,
                      MPI_SUM, MPI_COMM_WORLD);
        return;
      case Collective::reduce_scatter:
        MPI_Reduce_scatter(data, received_.data<float>(), counts_.data(), MPI_FLOAT, MPI_SUM,
                           MPI_COMM_WORLD);
        return;
      case Collective::all_gather:
        MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, counts_.data(), starts_.data(),
                       MPI_FLOAT, MPI_COMM_WORLD);
        return;
    }
  }
  // Of both, once each.
  void check() const {
    refill();
    run_ours();
    run_mpi();
    int rank = comm_.rank();
    int64_t first = starts_[static_cast<size_t>(rank)];
    if (what_ == Collective::all_reduce) {
      check_sum(ours_.whole, 0, comm_.size());
      check_sum(theirs_.whole, 0, comm_.size());
    } else if (what_ == Collective::reduce_scatter) {
      check_sum(ours_.of(rank), first, comm_.size());
      check_sum(received_.slice(0, 0, ours_.of(rank).numel()), first, comm_.size());
    } else {
      const auto* a = ours_.whole.data<float>();
      TESSERA_CHECK(std::equal(a, a + ours_.whole.numel(), theirs_.whole.data<float>()),
                    "what was gathered differs");
    }
  }

 private:
  Communicator& comm_;
  Collective what_;
  Shards ours_;
  Shards theirs_;
  Array received_;
  std::vector<int> counts_;
  std::vector<int> starts_;
};

const char* call_of(Collective what) {
  switch (what) {
    case Collective::all_reduce: return "MPI_Allreduce in place";
    case Collective::reduce_scatter: return "MPI_Reduce_scatter";
    case Collective::all_gather: return "MPI_Allgatherv in place";
  }
  return "";
}

Measured measure_collective(Communicator& comm, const CommCase& one, const Settings& settings) {
  // A rank is a thread's work here, as in training on as many ranks as cores.
  set_num_threads(1);
  Both both(comm, one.what, num_elements(one, settings.quick));
  both.check();
  int calls = calls_of(one, settings.quick);
  // Sums of sums would overflow to infinity, and zeros are faster than numbers.
  auto sample = [&](const std::function<void()>& call) {
    both.refill();
    return slowest_us(calls, call);
  };
  return in_turns(settings, kCollectiveRepetitions,
                  {.value = [&] { return sample([&] { both.run_ours(); }); },
                   .reference = [&] { return sample([&] { both.run_mpi(); }); },
                   .reference_name = mpi_version() + ", " + call_of(one.what)});
}

Measured measure_barrier(Communicator& comm, const Settings& settings) {
  int calls = settings.quick ? 1 : 200;
  return in_turns(
      settings, kCollectiveRepetitions,
      {.value = [&] { return slowest_us(calls, [&] { comm.barrier().wait(); }); },
       .reference = [&] { return slowest_us(calls, [] { MPI_Barrier(MPI_COMM_WORLD); }); },
       .reference_name = mpi_version() + ", MPI_Barrier"});
}

}  // namespace

std::vector<Benchmark> rank_benchmarks(RankJob& job) {
  Communicator& comm = *job.comm;
  std::vector<Benchmark> all;
  for (const CommCase& one : comm_cases()) {
    all.push_back({"comm." + name_of(one, comm.size()), "us", "",
                   [&](const Settings& s) { return measure_collective(comm, one, s); }});
  }
  all.push_back({fmt::format("comm.barrier.{}", comm.size()), "us", "",
                 [&](const Settings& s) { return measure_barrier(comm, s); }});
  return all;
}

}  // namespace tessera::bench
