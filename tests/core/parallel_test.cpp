#include "core/parallel.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/call_place.h"
#include "core/kernels.h"
#include "core/kernels/matmul.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::error_of;
using test::kThreadCounts;
using test::Threads;

TEST(ParallelFor, CallsEveryTileOnce) {
  for (int threads : kThreadCounts) {
    Threads guard(threads);
    for (int64_t tiles : {0, 1, 2, 7, 16, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(tiles));
      parallel_for(tiles, [&](int64_t tile) { ++calls[static_cast<size_t>(tile)]; });
      for (const auto& count : calls) ASSERT_EQ(count, 1) << threads << " threads";
    }
  }
}

TEST(ParallelFor, UsesAsManyThreadsAsToldAtMost) {
  for (int threads : kThreadCounts) {
    Threads guard(threads);
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    parallel_for(64, [&](int64_t) {
      int now = ++inside;
      for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      --inside;
    });
    EXPECT_LE(most, threads);
    if (threads > 1) {
      EXPECT_GT(most, 1);
    }
  }
}

TEST(ParallelFor, RethrowsAnException) {
  for (int threads : kThreadCounts) {
    Threads guard(threads);
    std::atomic<int> finished{0};
    try {
      parallel_for(100, [&](int64_t tile) {
        if (tile == 13) throw std::runtime_error("tile 13");
        ++finished;
      });
      FAIL() << "no exception with " << threads << " threads";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "tile 13");
    }
    EXPECT_LT(finished, 100);
    int after = 0;
    parallel_for(1, [&](int64_t) { ++after; });  // the pool still works
    EXPECT_EQ(after, 1);
  }
}

TEST(ParallelFor, RethrowsOneOfMany) {
  Threads guard(8);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(parallel_for(200, [](int64_t) { throw std::runtime_error("all"); }),
                 std::runtime_error);
  }
}

TEST(ParallelFor, RunsNestedCallsOnTheCallingThread) {
  Threads guard(8);
  std::atomic<int> elsewhere{0};
  std::atomic<int> calls{0};
  parallel_for(16, [&](int64_t) {
    auto self = std::this_thread::get_id();
    parallel_for(16, [&](int64_t) {
      ++calls;
      elsewhere += std::this_thread::get_id() != self;
    });
  });
  EXPECT_EQ(calls, 256);
  EXPECT_EQ(elsewhere, 0);
}

TEST(ParallelFor, MayBeCalledFromSeveralThreadsAtOnce) {
  std::vector<std::thread> callers;
  std::vector<int64_t> sums(6);
  for (size_t c = 0; c < sums.size(); ++c) {
    callers.emplace_back([c, &sums] {
      set_num_threads(static_cast<int>(c) % 3 + 1);
      for (int round = 0; round < 50; ++round) {
        std::atomic<int64_t> sum{0};
        parallel_for(100, [&](int64_t tile) { sum += tile; });
        sums[c] += sum;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sums, std::vector<int64_t>(6, 50 * 4950));
}

TEST(ParallelTiles, CoverTheRangeInPieces) {
  Threads guard(3);
  for (int64_t count : {0, 1, 9, 10, 11, 1000}) {
    std::vector<std::atomic<int>> hits(static_cast<size_t>(count));
    parallel_tiles(count, 10, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(begin % 10, 0);
      EXPECT_LE(end - begin, 10);
      for (int64_t i = begin; i < end; ++i) ++hits[static_cast<size_t>(i)];
    });
    for (const auto& hit : hits) ASSERT_EQ(hit, 1);
  }
}

TEST(NumThreads, BelongsToTheCallingThread) {
  Threads guard(3);
  int other_before = 0;
  int other_after = 0;
  std::thread([&] {
    other_before = num_threads();
    set_num_threads(7);
    other_after = num_threads();
  }).join();
  EXPECT_EQ(num_threads(), 3);
  EXPECT_GE(other_before, 1);
  EXPECT_EQ(other_after, 7);
}

TEST(NumThreads, RefusesImpossibleNumbers) {
  EXPECT_EQ(error_of([] { set_num_threads(0); }), "[set_num_threads] expected 1 to 1024, got 0");
  EXPECT_EQ(error_of([] { set_num_threads(1025); }),
            "[set_num_threads] expected 1 to 1024, got 1025");
}

TEST(NumThreads, IsReadFromTheEnvironment) {
  const char* before = std::getenv("TESSERA_NUM_THREADS");
  std::string kept = before ? before : "";
  auto in_new_thread = [](const char* text) {
    setenv("TESSERA_NUM_THREADS", text, 1);
    std::string out;
    std::thread([&] {
      out = error_of([] { num_threads(); });
      if (out.empty()) out = std::to_string(num_threads());
    }).join();
    return out;
  };
  EXPECT_EQ(in_new_thread("5"), "5");
  EXPECT_EQ(in_new_thread(""), std::to_string(num_cores()));
  for (const char* bad : {"0", "-1", "two", "4x", "1025", "99999999999999"}) {
    EXPECT_EQ(
        in_new_thread(bad),
        fmt::format("TESSERA_NUM_THREADS: expected an integer from 1 to 1024, got '{}'", bad));
  }
  if (before) setenv("TESSERA_NUM_THREADS", kept.c_str(), 1);
  else unsetenv("TESSERA_NUM_THREADS");
}

// Whether this process was forked below.
bool is_forked = false;

// Whether a child that this process forks now ends well within ten seconds.
bool child_ends_well(const std::function<bool()>& work) {
  pid_t child = fork();
  if (child == 0) {
    is_forked = true;
    alarm(10);
    std::exit(work() ? 0 : 1);  // and not _exit: threads that are not there must not be waited for
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace
}  // namespace tessera

// Asked by the leak sanitizer, for which what threads held that a child does not have is leaked.
extern "C" int __lsan_is_turned_off() { return tessera::is_forked ? 1 : 0; }

namespace tessera {
namespace {

TEST(ParallelFor, AChildThatWasForkedHasHelpersOfItsOwn) {
  Threads guard(3);
  auto sums_well = [] {
    std::atomic<int64_t> sum{0};
    for (int round = 0; round < 50; ++round) parallel_for(64, [&](int64_t tile) { sum += tile; });
    return sum == 50 * 64 * 63 / 2;
  };
  EXPECT_TRUE(sums_well());
  EXPECT_TRUE(child_ends_well(sums_well));
  EXPECT_TRUE(child_ends_well([&] { return sums_well() && child_ends_well(sums_well); }));
  EXPECT_TRUE(child_ends_well([] { return true; }));
  EXPECT_TRUE(sums_well());
}

TEST(ParallelFor, AChildThatWasForkedMultiplies) {
  Threads guard(2);
  Array a = test::random_array({1, 300, 300}, DType::f32, 1);
  auto product = [&] {
    Array out = Array::empty({1, 300, 300});
    kernels({}).matmul().run(a, a, Array(), out);
    return out;
  };
  Array expected = product();
  // Other threads of the parent allocate while it forks.
  std::atomic<bool> ended = false;
  std::thread other([&] {
    while (!ended) Array::empty({1000});
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(child_ends_well([&] { return bool(test::same_bits(product(), expected)); })) << i;
  }
  ended = true;
  other.join();
}

// Helpers know nothing of the caller's place.
TEST(ParallelFor, ErrorsOfAnyThreadEndInTheCallersPlace) {
  Threads threads(4);
  NotedCall call(CallSite("net.cpp", 12));
  std::thread::id caller = std::this_thread::get_id();
  std::string error;
  for (int i = 0; i < 1000 && error.empty(); ++i) {
    error = test::error_with_place([&] {
      parallel_for(64, [&](int64_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
        if (std::this_thread::get_id() != caller) throw_error("[test] wrong");
      });
    });
  }
  EXPECT_EQ(error, "[test] wrong, called at net.cpp:12");
}

}  // namespace
}  // namespace tessera
