#include "distributed/gradient_sum.h"

namespace tessera {

GradientSum::GradientSum(int64_t num_leaves, int64_t elements, DType dtype, ReductionMode mode,
                         const Mesh& mesh)
    : rounds_(num_leaves, part_of_rank(num_leaves, mesh.replicas().rank(), mesh.replicas().size()),
              elements, dtype, mode, mesh.shards()),
      mode_(mode),
      has_replicas_(mesh.replicas().size() > 1),
      keep_(mesh.strategy() == Strategy::zero1 ? LeafSum::Keep::own_shard : LeafSum::Keep::whole),
      replicas_(num_leaves, shard_of(elements, mesh.shards().rank(), mesh.shards().size()).size(),
                dtype, mode, mesh.replicas()) {}

void GradientSum::add(const Array& gradient) { rounds_.add(gradient); }

bool GradientSum::step() {
  switch (stage_) {
    case Stage::rounds:
      rounds_.settle();
      stage_ = Stage::done;
      if (!has_replicas_) break;
      if (mode_ == ReductionMode::exact) {
        for (const auto& entry : rounds_.subtrees()) replicas_.add_subtree(entry.node, entry.value);
      } else {
        replicas_.add_all(rounds_.fast_sum());
      }
      replicas_.start(keep_);
      stage_ = Stage::pieces;
      break;
    case Stage::pieces:
      replicas_.step();
      stage_ = Stage::gathering;
      break;
    case Stage::gathering:
    case Stage::done: stage_ = Stage::done;
  }
  return stage_ != Stage::done;
}

Array GradientSum::result() {
  while (step()) {
  }
  return has_replicas_ ? replicas_.finish() : rounds_.shard();
}

}  // namespace tessera
