// all_reduce of arrays in the communicator's memory against MPI_Allreduce and against a bound, in
// turns in one run. Run by mpirun; rank 0 prints two JSON records a size: value and reference in
// microseconds of the slowest rank, ratio is reference over value.
//
// The bound is what the memory allows: buffers that all ranks map, each owner adding its slice from
// all of them and storing the sum in all of them, in one pass between two barriers of plain flags.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#include <fcntl.h>
#include <mpi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/parallel.h"
#include "distributed/comm/direct/mpi_communicator.h"

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

// Bytes of every rank, which every rank maps.
class Windows {
 public:
  Windows(int rank, int size, size_t bytes) : bytes_(bytes) {
    int file = memfd_create("bench", 0);
    TESSERA_CHECK(file >= 0 && ftruncate(file, static_cast<off_t>(bytes)) == 0, "no window");
    struct Place {
      int process, file;
    } own{getpid(), file};
    std::vector<Place> places(static_cast<size_t>(size));
    MPI_Allgather(&own, 2, MPI_INT, places.data(), 2, MPI_INT, MPI_COMM_WORLD);
    for (int p = 0; p < size; ++p) {
      auto [process, peers_file] = places[static_cast<size_t>(p)];
      std::string path = fmt::format("/proc/{}/fd/{}", process, peers_file);
      int opened = p == rank ? file : open(path.c_str(), O_RDWR);
      void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
      TESSERA_CHECK(opened >= 0 && map != MAP_FAILED, "no window of rank {}", p);
      at_.push_back(static_cast<float*>(map));
      if (p != rank) close(opened);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    close(file);
  }
  ~Windows() {
    for (float* map : at_) munmap(map, bytes_);
  }
  Windows(const Windows&) = delete;
  Windows& operator=(const Windows&) = delete;

  float* at(int rank) const { return at_[static_cast<size_t>(rank)]; }

 private:
  size_t bytes_;
  std::vector<float*> at_;
};

class Bound {
 public:
  Bound(int rank, int size, int64_t count)
      : rank_(rank),
        size_(size),
        begin_(count * rank / size),
        end_(count * (rank + 1) / size),
        buffers_(rank, size, static_cast<size_t>(count) * 4),
        flags_(rank, size, 4096) {}

  float* own() const { return buffers_.at(rank_); }

  void all_reduce() {
    barrier();
    if (size_ == 2) add<2>();
    else if (size_ == 4) add<4>();
    else throw_error("the bound is for 2 and 4 ranks");
    barrier();
  }

 private:
  template <int kSize>
  void add() {
    float* buffers[kSize];
    for (int p = 0; p < kSize; ++p) buffers[p] = buffers_.at(p);
    for (int64_t i = begin_; i < end_; i += kBlock) {
      float sums[kBlock];
      int64_t count = std::min(kBlock, end_ - i);
      for (int64_t j = 0; j < count; ++j) sums[j] = buffers[0][i + j] + buffers[1][i + j];
      for (int p = 2; p < kSize; ++p) {
        for (int64_t j = 0; j < count; ++j) sums[j] += buffers[p][i + j];
      }
      for (float* to : buffers) std::copy_n(sums, count, to + i);
    }
  }

  // More ranks than cores let each other run.
  void barrier() {
    ++round_;
    flag(rank_).store(round_, std::memory_order_release);
    for (int p = 0; p < size_; ++p) {
      while (flag(p).load(std::memory_order_acquire) < round_) {
        if (size_ > 2) sched_yield();
      }
    }
  }
  std::atomic<int>& flag(int rank) const {
    return *reinterpret_cast<std::atomic<int>*>(flags_.at(rank));
  }

  static constexpr int64_t kBlock = 64;
  int rank_;
  int size_;
  int64_t begin_;
  int64_t end_;
  Windows buffers_;
  Windows flags_;
  int round_ = 0;
};

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
  Bound bound(comm.rank(), comm.size(), count);
  Array bounds = Array({Storage::wrap(bound.own(), static_cast<size_t>(bytes), {}, nullptr)},
                       DType::f32, {count}, {1}, 0);
  for (const Array& array : {ours, theirs, bounds}) fill(array, comm.rank());
  auto all_reduce = [&] { comm.all_reduce(ours).wait(); };
  auto by_mpi = [&] {
    MPI_Allreduce(MPI_IN_PLACE, theirs.data<float>(), static_cast<int>(count), MPI_FLOAT, MPI_SUM,
                  MPI_COMM_WORLD);
  };
  auto by_hand = [&] { bound.all_reduce(); };
  all_reduce();
  by_mpi();
  by_hand();
  const auto* a = ours.data<float>();
  for (const Array& other : {theirs, bounds}) {
    TESSERA_CHECK(std::equal(a, a + count, other.data<float>()), "sums of {} bytes differ", bytes);
  }
  int calls = bytes >= 1 << 20 ? 1 : 200;
  std::vector<double> times;
  std::vector<double> mpi_times;
  std::vector<double> bound_times;
  for (int round = 0; round < 21; ++round) {
    // Sums of sums would overflow to infinity, and zeros are faster than numbers.
    auto time = [&](const Array& array, const auto& call, std::vector<double>& out) {
      fill(array, comm.rank());
      out.push_back(time_of(calls, call));
    };
    time(bounds, by_hand, bound_times);
    time(ours, all_reduce, times);
    time(theirs, by_mpi, mpi_times);
  }
  if (comm.rank() != 0) return;
  auto print = [&](const char* suffix, double reference, const std::string& reference_name) {
    nlohmann::json record{
        {"name", fmt::format("comm.all_reduce{}.{}x{}", suffix, comm.size(), size_name(bytes))},
        {"value", median(times)},
        {"unit", "us"},
        {"reference", reference},
        {"reference_name", reference_name},
        {"ratio", reference / median(times)}};
    fmt::print("{}\n", record.dump());
  };
  print("", median(mpi_times), mpi_version() + ", MPI_Allreduce in place");
  print("_bound", median(bound_times), "each owner adds its slice in place, by hand");
}

}  // namespace
}  // namespace tessera

// usage: bench_comm [BYTES...]
int main(int argc, char** argv) {
  tessera::set_num_threads(1);
  tessera::MpiEnvironment mpi;
  auto comm = mpi.world();
  std::vector<int64_t> sizes{1 << 10, 16 << 10, 256 << 10, 1 << 20, 4 << 20, 64 << 20};
  if (argc > 1) sizes.clear();
  for (int i = 1; i < argc; ++i) sizes.push_back(std::atoll(argv[i]));
  for (int64_t bytes : sizes) tessera::measure(*comm, bytes);
}
