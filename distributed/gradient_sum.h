// The sum of one bucket's gradients over the leaves of a step, on whatever grid of ranks.
#pragma once

#include <optional>

#include "distributed/shard_grid.h"
#include "distributed/tree_exchange.h"

namespace tessera {

// How sums over leaves are taken. `exact`: in the one binary tree over leaves (core/tree.h).
// `fast`: leaf after leaf on each rank, then the communicator's own reduction, whose bits depend on
// the number of ranks. `fast_bf16`: the same, with numbers that travel rounded to bf16.
enum class ReductionMode { exact, fast, fast_bf16 };
constexpr auto words_of(ReductionMode) {
  return std::array{Word{ReductionMode::exact, "exact"}, Word{ReductionMode::fast, "fast"},
                    Word{ReductionMode::fast_bf16, "fast_bf16"}};
}

// Rounds of leaves are summed into shards among grid.shards(), then what that gives among
// grid.replicas(). Ends with the elements that this rank updates: its shard among grid.owners(),
// all of them in ddp. The same bits for any grid, in exact mode.
class GradientSum {
 public:
  // Of flat arrays of `elements` elements of f32 or f64. The grid outlives this.
  GradientSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
              const ShardGrid& grid);

  // The leaf that this rank has in this round, (elements,), which belongs to the sum now; undefined
  // if it has none. It starts on its way. A collective where rounds are shared, and so are the
  // others.
  void add(const Array& gradient);
  // Waits for what the last add started, and adds it. Nothing after the first step.
  void settle();
  // After the last add, as often as it returns true: the next of the stages that the sum goes
  // through. Waits for what the last one started.
  bool step();
  // After all stages.
  Array result();

 private:
  enum class Stage { rounds, near, far, gathering, done };

  std::vector<Run> leaves_by_rank(int64_t first) const;
  std::vector<Run> leaves_by_machine(int64_t first) const;
  void add_fast(const Array& gradient);
  void settle_exact();
  void start_replicas();
  void start_replicas_fast();
  Array summed_shard();
  void start_gathering();

  int64_t num_leaves_;
  int64_t elements_;
  DType dtype_;
  ReductionMode mode_;
  const ShardGrid& grid_;
  bool keeps_whole_;  // whether replicas all get the whole of it
  Run run_;           // the leaves of this rank's group
  int64_t next_leaf_;
  ArrayFold fold_;  // exact: of this rank's shard among grid.shards()
  Array fast_sum_;  // the other modes: likewise

  // Under way: of a round, then of the replicas.
  std::optional<TreeExchange> exchange_;
  int64_t exchanged_leaf_ = 0;
  std::vector<Array> packed_;  // the other modes: what travels
  Work work_;
  std::optional<Gather> gather_;
  Stage stage_ = Stage::rounds;
  Array result_;
};

}  // namespace tessera
