#include "autograd/context.h"

namespace tessera {

void RandomState::begin(uint64_t seed, uint64_t step, uint64_t leaf) {
  seed_ = seed;
  step_ = step;
  leaf_ = leaf;
  calls_.clear();
}

RandomStream RandomState::next(const std::string& module_path) {
  return call_stream(seed_, step_, leaf_, module_path, calls_[module_path]++);
}

const std::string& Context::path() const {
  static const std::string none;
  return module_path ? *module_path : none;
}

Context& context() {
  thread_local Context instance;
  return instance;
}

void manual_seed(uint64_t seed) {
  context().init_seed = seed;
  context().random.begin(seed, 0, 0);
}

}  // namespace tessera
