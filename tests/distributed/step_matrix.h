// Settings of a training step that must not matter, in combination.
#pragma once

#include <string>
#include <vector>

#include "distributed/train_step.h"

namespace tessera::test {

struct Setting {
  std::string task;  // "gpt": dropout, tied weights; "conv": batch norm, a block that leaves skip
  bool bf16 = false;
  std::string backend;  // "thread" or "mpi"
  Strategy strategy = Strategy::ddp;
  int ranks = 1;
  int threads = 1;  // of a rank
  int64_t bucket_bytes = 1;
  bool recompute = false;
  bool nodes = false;               // whether pairs of ranks count as nodes, where ranks are even
  std::string optimizer = "adamw";  // or another of optimizer_of
};
std::string to_string(const Setting& setting);

// Every pair of two settings at least once; or the whole product, where the environment has
// TESSERA_TEST_WHOLE_PRODUCT.
const std::vector<Setting>& settings();

// The digest of weights and buffers after ten steps with clipping, over nine leaves of which the
// last is smaller. A collective.
std::string digest_after_training(Communicator& comm, const Setting& setting,
                                  ReductionMode mode = ReductionMode::exact);
// That of one rank with one thread and whole buckets.
std::string expected_digest(const Setting& setting);

}  // namespace tessera::test
