#include "distributed/levels.h"

#include "distributed/comm/direct/thread_communicator.h"

namespace tessera {
namespace {

Run moved(Run run, int64_t by) { return {run.begin + by, run.end + by}; }

}  // namespace

std::unique_ptr<Communicator> rank_alone(Communicator& comm) {
  if (comm.device().type == DeviceType::cpu) return make_self_communicator();
  int own = comm.rank();
  return comm.subgroup({&own, 1});
}

Levels::Levels(std::unique_ptr<Communicator> all, int close) : Levels(*all, close) {
  owned_ = std::move(all);
}

Levels::Levels(Communicator& all, int close) : all_(all) {
  int size = all.size();
  TESSERA_CHECK(close >= 1 && size % close == 0,
                "[Levels] {} ranks do not divide into machines of {}", size, close);
  if (close == 1 || close == size) {
    far_ = rank_alone(all);
    return;
  }
  std::vector<int> near;
  std::vector<int> far;
  for (int i = 0; i < close; ++i) near.push_back(all.rank() / close * close + i);
  for (int i = 0; i < size / close; ++i) far.push_back(all.rank() % close + i * close);
  near_ = all.subgroup(near);
  far_ = all.subgroup(far);
}

Run Levels::shard(int64_t elements, int rank) const {
  int close = near().size();
  Run outer = shard_of(elements, rank % close, close);
  return moved(shard_of(outer.size(), rank / close, far().size()), outer.begin);
}

Run Levels::near_shard(int64_t elements) const {
  return shard_of(elements, near().rank(), near().size());
}

std::vector<Array> Levels::cut(const Array& flat) const {
  std::vector<Array> parts;
  for (int p = 0; p < size(); ++p) parts.push_back(part(flat, shard(flat.numel(), p)));
  return parts;
}

Gather::Gather(const Levels& levels, const Array& own, const Array& whole)
    : near_(&levels.near()), near_parts_(cut_into_shards(whole, levels.near().size())) {
  near_part_ = near_parts_[static_cast<size_t>(near_->rank())];
  if (levels.far().size() == 1) {
    work_ = near_->all_gather(own, near_parts_);
    near_parts_.clear();
  } else {
    work_ = levels.far().all_gather(own, cut_into_shards(near_part_, levels.far().size()));
  }
}

void Gather::step() {
  if (near_parts_.empty()) return;
  work_.wait();
  work_ = near_->all_gather(near_part_, near_parts_);
  near_parts_.clear();
}

void Gather::wait() {
  step();
  work_.wait();
}

}  // namespace tessera
