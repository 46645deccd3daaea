#include "distributed/levels.h"

#include "distributed/comm/direct/thread_communicator.h"

namespace tessera {

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
  TESSERA_CHECK(close >= 1 && size % close == 0, "[Levels] {} ranks do not divide into nodes of {}",
                size, close);
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

}  // namespace tessera
