// Communication between ranks of this node: as processes, which this command starts by `launch`
// and which measure themselves (comm_ranks.cpp), and as threads of this process.
#include <algorithm>
#include <array>
#include <barrier>
#include <exception>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/io/file_system.h"
#include "core/parallel.h"
#include "distributed/comm/direct/thread_communicator.h"
#include "launcher/bench/comm_sizes.h"
#include "launcher/bench/families.h"
#include "launcher/bench/processes.h"
#include "launcher/bench/report.h"

namespace tessera::bench {
namespace {

// The record of that name, measured by ranks that are processes.
Measured measure_by_ranks(const std::string& name, int num_ranks, const Settings& settings) {
  Scratch scratch(settings.folder);
  std::string json = scratch / "records.json";
  Words command{own_command(), "launch",      "-n",    std::to_string(num_ranks),
                "--",          own_command(), "bench", name,
                "--json",      json};
  if (settings.quick) command.push_back("--quick");
  if (settings.repetitions > 0) {
    command.insert(command.end(), {"--repetitions", std::to_string(settings.repetitions)});
  }
  run_program(scratch, command);
  constexpr uint64_t kMaxBytes = 1 << 20;
  std::vector<std::byte> bytes = FileSystem::real().read(json, kMaxBytes);
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  nlohmann::json file = nlohmann::json::parse(text, text + bytes.size());
  return measured_from_json(file.at("records").at(0));
}

// Ranks as threads, which sum their arrays over and over.
class ThreadRanks {
 public:
  ThreadRanks(int num_ranks, int64_t count)
      : group_(ThreadGroup::make(num_ranks)), num_ranks_(num_ranks) {
    for (int rank = 0; rank < num_ranks; ++rank) {
      comms_.push_back(group_->rank(rank));
      arrays_.push_back(comms_.back()->allocate({count}, DType::f32));
    }
  }

  // Microseconds of one of some calls of body(rank), by all ranks together.
  template <class Body>
  double time_us(int calls, const Body& body) const {
    std::vector<double> times(arrays_.size());
    std::vector<std::exception_ptr> failures(arrays_.size());
    std::barrier start(num_ranks_);
    auto run = [&](int rank) {
      set_num_threads(1);
      fill(array(rank), rank);
      start.arrive_and_wait();
      times[static_cast<size_t>(rank)] = 1e6 * seconds_of([&] {
                                           for (int i = 0; i < calls; ++i) body(rank);
                                         }) /
                                         calls;
    };
    auto guarded = [&](int rank) {
      try {
        run(rank);
      } catch (...) {
        failures[static_cast<size_t>(rank)] = std::current_exception();
        comms_[static_cast<size_t>(rank)]->abort("a rank failed");
      }
    };
    std::vector<std::thread> threads;
    for (int rank = 0; rank < num_ranks_; ++rank) threads.emplace_back(guarded, rank);
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
    return *std::max_element(times.begin(), times.end());
  }

  void all_reduce(int rank) const {
    comms_[static_cast<size_t>(rank)]->all_reduce(array(rank)).wait();
  }
  const Array& array(int rank) const { return arrays_[static_cast<size_t>(rank)]; }
  int size() const { return num_ranks_; }

 private:
  std::shared_ptr<ThreadGroup> group_;
  int num_ranks_;
  std::vector<std::unique_ptr<Communicator>> comms_;
  std::vector<Array> arrays_;
};

// What memory allows: each rank adds its slice of all arrays and stores the sum in all of them, in
// one pass between two barriers.
class ByHand {
 public:
  explicit ByHand(const ThreadRanks& ranks) : ranks_(ranks), barrier_(ranks.size()) {}
  void all_reduce(int rank) {
    int64_t count = ranks_.array(0).numel();
    barrier_.arrive_and_wait();
    add(count * rank / ranks_.size(), count * (rank + 1) / ranks_.size());
    barrier_.arrive_and_wait();
  }

 private:
  void add(int64_t begin, int64_t end) const {
    constexpr int64_t kBlock = 64;
    for (int64_t i = begin; i < end; i += kBlock) {
      float sums[kBlock] = {};
      int64_t count = std::min(kBlock, end - i);
      for (int p = 0; p < ranks_.size(); ++p) {
        const float* from = ranks_.array(p).data<float>() + i;
        for (int64_t j = 0; j < count; ++j) sums[j] += from[j];
      }
      for (int p = 0; p < ranks_.size(); ++p) {
        std::copy_n(sums, count, ranks_.array(p).data<float>() + i);
      }
    }
  }

  const ThreadRanks& ranks_;
  std::barrier<> barrier_;
};

Measured measure_threads(const CommCase& one, int num_ranks, const Settings& settings) {
  ThreadRanks ranks(num_ranks, num_elements(one, settings.quick));
  ByHand by_hand(ranks);
  int calls = calls_of(one, settings.quick);
  auto own = [&](int rank) { ranks.all_reduce(rank); };
  auto bound = [&](int rank) { by_hand.all_reduce(rank); };
  auto check = [&](const auto& body) {
    ranks.time_us(1, body);
    for (int rank = 0; rank < num_ranks; ++rank) check_sum(ranks.array(rank), 0, num_ranks);
  };
  check(own);
  check(bound);
  return in_turns(settings, 21,
                  {.value = [&] { return ranks.time_us(calls, own); },
                   .reference = [&] { return ranks.time_us(calls, bound); },
                   .reference_name = "each rank adds its slice in place, by hand"});
}

std::string doc_of(const CommCase& one, int num_ranks, const char* kind) {
  return fmt::format("{} KiB, {} ranks as {}", one.bytes >> 10, num_ranks, kind);
}

}  // namespace

void add_comm(std::vector<Benchmark>& to) {
  auto by_ranks = [&](const std::string& name, int num_ranks, const std::string& doc) {
    to.push_back(
        {name, "us", doc, [=](const Settings& s) { return measure_by_ranks(name, num_ranks, s); }});
  };
  for (int num_ranks : {2, 4}) {
    for (const CommCase& one : comm_cases()) {
      by_ranks("comm." + name_of(one, num_ranks), num_ranks, doc_of(one, num_ranks, "processes"));
    }
    by_ranks(fmt::format("comm.barrier.{}", num_ranks), num_ranks,
             fmt::format("{} ranks as processes", num_ranks));
  }
  for (const CommCase& one : comm_cases()) {
    if (one.what != Collective::all_reduce) continue;
    to.push_back({"comm.threads." + name_of(one, 2), "us", doc_of(one, 2, "threads"),
                  [&one](const Settings& s) { return measure_threads(one, 2, s); }});
  }
}

}  // namespace tessera::bench
