// The benchmarks, by file. Each function adds its own to the list.
#pragma once

#include <memory>
#include <vector>

#include "distributed/comm/direct/mpi_communicator.h"
#include "launcher/bench/benchmark.h"

namespace tessera::bench {

void add_overhead(std::vector<Benchmark>& to);      // ops: what an operation costs by itself
void add_memory_bound(std::vector<Benchmark>& to);  // ops: what moves more than it computes
void add_matmul(std::vector<Benchmark>& to);        // ops.matmul
void add_conv(std::vector<Benchmark>& to);          // ops.conv3x3
void add_attention(std::vector<Benchmark>& to);     // ops.attention
void add_comm(std::vector<Benchmark>& to);          // ranks as threads, and as processes by launch
void add_step(std::vector<Benchmark>& to);          // whole steps, by `tessera train`
void add_checkpoint(std::vector<Benchmark>& to);
void add_start(std::vector<Benchmark>& to);
void add_rendezvous(std::vector<Benchmark>& to);

// This process as a rank of an MPI job.
struct RankJob {
  MpiEnvironment mpi;
  std::unique_ptr<Communicator> comm = mpi.world();
};

// Those of comm that an MPI job of that many ranks measures, which outlive it not. To be called,
// and measured, by every rank in the same order.
std::vector<Benchmark> rank_benchmarks(RankJob& job);

}  // namespace tessera::bench
