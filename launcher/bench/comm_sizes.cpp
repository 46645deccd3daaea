#include "launcher/bench/comm_sizes.h"

#include <algorithm>
#include <array>

namespace tessera::bench {
namespace {

constexpr int64_t kKibi = 1 << 10;
constexpr int64_t kMebi = 1 << 20;

constexpr std::array kCases{
    CommCase{Collective::all_reduce, 1 * kKibi},      CommCase{Collective::all_reduce, 16 * kKibi},
    CommCase{Collective::all_reduce, 256 * kKibi},    CommCase{Collective::all_reduce, 1 * kMebi},
    CommCase{Collective::all_reduce, 4 * kMebi},      CommCase{Collective::all_reduce, 64 * kMebi},
    CommCase{Collective::reduce_scatter, 64 * kMebi}, CommCase{Collective::all_gather, 64 * kMebi},
};

const char* word(Collective what) {
  switch (what) {
    case Collective::all_reduce: return "all_reduce";
    case Collective::reduce_scatter: return "reduce_scatter";
    case Collective::all_gather: return "all_gather";
  }
  return "";
}

float element(int64_t i, int rank) { return static_cast<float>((i + rank) % 7); }

}  // namespace

std::span<const CommCase> comm_cases() { return kCases; }

std::string name_of(const CommCase& one, int num_ranks) {
  bool large = one.bytes >= kMebi;
  return fmt::format("{}.{}x{}{}", word(one.what), num_ranks, one.bytes / (large ? kMebi : kKibi),
                     large ? "MiB" : "KiB");
}

int64_t num_elements(const CommCase& one, bool quick) {
  return std::min(one.bytes, quick ? 256 * kKibi : one.bytes) / 4;
}

int calls_of(const CommCase& one, bool quick) { return one.bytes >= kMebi || quick ? 1 : 200; }

void fill(const Array& array, int rank) {
  auto* data = array.data<float>();
  for (int64_t i = 0; i < array.numel(); ++i) data[i] = element(i, rank);
}

void check_sum(const Array& array, int64_t first, int num_ranks) {
  const auto* data = array.data<float>();
  for (int64_t i = 0; i < array.numel(); ++i) {
    float expected = 0;
    for (int rank = 0; rank < num_ranks; ++rank) expected += element(first + i, rank);
    TESSERA_CHECK(data[i] == expected, "a sum over {} ranks at {}: expected {}, got {}", num_ranks,
                  first + i, expected, data[i]);
  }
}

}  // namespace tessera::bench
