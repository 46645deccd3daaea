// The order of a round's collectives, and who waits for which.
#pragma once

#include <memory>
#include <vector>

#include "distributed/bucket.h"
#include "distributed/gradient_sum.h"
#include "nn/block.h"

namespace tessera {

// Takes a leaf through a model whose blocks are gathered, recomputed and reduced one at a time, on
// the one list of collectives that every rank keeps to in every round:
//
//   forward   gather block 0, 1, ..., each while the block before it is computed
//   backward  for each block from the last on: gather the block below it, reduce its buckets;
//             at the end the root's buckets
//
// The last block stays from forward to backward. Gathers are left out where parameters are whole.
// A block that a leaf skips is gathered and dropped; a rank without a leaf in a round goes through
// the list without computing. A bucket is reduced as soon as all its gradients are there, or the
// block's backward is over, and its predecessors in the list are on their way.
class RoundSchedule final : public nn::BlockRunner {
 public:
  // All of them outlive this.
  RoundSchedule(const nn::Module& module, std::vector<Bucket>& buckets, const ShardGrid& grid,
                bool recompute);
  ~RoundSchedule() override;

  // A round with backward: gradients go into `sums`, one for each trained bucket in order, which
  // begin to be joined in the last round. got: of parameters, by Segment::index.
  void begin(std::vector<GradientSum>& sums, std::vector<bool>& got, bool has_leaf, bool is_last);
  // Before the backward of this round's leaf, which gives its gradients times 1 / factor.
  void unscale_by(double factor) { unscale_ = factor; }
  // A round of forward alone.
  void begin_forward();
  // What the list still has, with nothing in it that has not come by now.
  void end();

  // Whole parameters from here to release(), for whatever happens outside of rounds.
  void gather_all();
  void release_all();

  std::vector<Tensor> run(const nn::Module& block, const TensorFunction& forward,
                          const std::vector<Tensor>& inputs) override;

 private:
  enum class Kind { gather, reduce };
  struct Entry {
    Kind kind;
    size_t index;  // of a block or a bucket
  };
  enum class State { absent, arriving, whole };
  struct Block {
    const nn::Module* module;
    std::vector<size_t> sharded;  // buckets
    State state = State::absent;
    std::vector<Gather> gathers;
  };
  class Watch;

  void check_not_whole() const;
  void make_lists();
  size_t index_of(const nn::Module& block) const;
  void begin_list(const std::vector<Entry>& list);
  // Runs the list up to the block's gather, which must be there before entry `end`.
  void gather_in_turn(size_t block, size_t end, const char* what);
  void run_entry(Entry entry);
  void reduce(size_t bucket);
  // Goes on while the list has reductions whose gradients are there.
  void flush();

  void start_gather(Block& block);
  void finish_gather(Block& block);
  void drop(Block& block);
  void drop_all_but(std::optional<size_t> block);

  void before_forward(size_t block);
  void after_forward(size_t block);
  void before_backward(size_t block);
  void after_backward(size_t block);
  void gradient_arrived(size_t bucket);
  std::vector<Tensor> enter(size_t block, const std::vector<Tensor>& inputs);

  const nn::Module& module_;
  std::vector<Bucket>& buckets_;
  const ShardGrid& grid_;
  bool recompute_;
  std::vector<Block> blocks_;
  std::vector<Entry> forward_, both_;  // the latter begins with the former
  std::vector<size_t> place_of_sum_;   // of buckets, among those that are trained
  std::shared_ptr<Watch> watch_;       // what the parameters' hooks hold on to

  // The round.
  bool running_ = false;
  bool all_gathered_ = false;
  std::vector<Entry> list_;
  size_t next_ = 0;
  std::optional<size_t> in_backward_;  // the block whose gradients arrived last
  std::vector<GradientSum>* sums_ = nullptr;
  std::vector<bool>* got_ = nullptr;
  bool has_leaf_ = false;
  bool is_last_ = false;
  double unscale_ = 1;
  size_t first_going_on_ = 0;    // of the sums
  std::vector<size_t> missing_;  // of each bucket: gradients that have not arrived
};

}  // namespace tessera
