// What surrounds an operation and is not an argument of it: whether a history is recorded, which
// random numbers come next, and whose module's forward runs. One per thread, the only state of the
// library that is not passed along.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "core/philox.h"

namespace tessera {

// Where random numbers come from. Each call takes the stream of (seed, step, leaf, path of the
// module, how often this module asked before in this leaf), so the numbers do not depend on which
// rank or thread runs the leaf, nor on what other modules do.
class RandomState {
 public:
  // Begins a leaf: all counts of calls start again.
  void begin(uint64_t seed, uint64_t step, uint64_t leaf);
  RandomStream next(const std::string& module_path);

 private:
  uint64_t seed_ = 0;
  uint64_t step_ = 0;
  uint64_t leaf_ = 0;
  std::unordered_map<std::string, uint64_t> calls_;
};

struct Context {
  bool grad_enabled = true;
  RandomState random;
  std::string module_path;  // "blocks.0.attn"; empty outside of every module
  uint64_t init_seed = 0;   // initial values of parameters made from now on
};

// The calling thread's.
Context& context();

// Seeds the calling thread: initial values of parameters, and random numbers outside of a step.
void manual_seed(uint64_t seed);

// While one lives, operations on this thread record no history.
class NoGrad {
 public:
  NoGrad() : before_(context().grad_enabled) { context().grad_enabled = false; }
  ~NoGrad() { context().grad_enabled = before_; }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};

}  // namespace tessera
