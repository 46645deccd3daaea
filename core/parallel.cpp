#include "core/parallel.h"

#include <sched.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "core/error.h"

namespace tessera {
namespace {

thread_local int threads_of_caller = 0;

int default_threads() {
  const char* text = std::getenv("TESSERA_NUM_THREADS");
  if (!text || !*text) return num_cores();
  std::string_view view(text);
  int count = 0;
  auto [end, error] = std::from_chars(view.begin(), view.end(), count);
  TESSERA_CHECK(error == std::errc() && end == view.end() && count >= 1 && count <= 1024,
                "TESSERA_NUM_THREADS: expected an integer from 1 to 1024, got '{}'", view);
  return count;
}

}  // namespace

int num_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

int num_threads() {
  if (threads_of_caller == 0) threads_of_caller = default_threads();
  return threads_of_caller;
}

void set_num_threads(int count) {
  TESSERA_CHECK(count >= 1 && count <= 1024, "[set_num_threads] expected 1 to 1024, got {}", count);
  threads_of_caller = count;
}

}  // namespace tessera
