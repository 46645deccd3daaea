// What surrounds an operation and is not an argument of it: whether a history is recorded, which
// random numbers come next, and whose module's forward runs. One per thread, with the place of the
// call (core/call_place.h) the only state of the library that is not passed along.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/call_place.h"
#include "core/error.h"
#include "core/philox.h"

namespace tessera {

class Recomputation;
struct Observation;

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
  bool inference = false;       // results can never take part in a recorded operation
  bool detect_anomaly = false;  // backward looks at every gradient
  RandomState random;
  // "blocks.0.attn"; null outside of every module.
  std::shared_ptr<const std::string> module_path;
  uint64_t init_seed = 0;   // initial values of parameters made from now on
  bool defer_init = false;  // they are made later (nn/module.h)
  // The checkpoint whose function runs, forward or again; null outside of one.
  std::shared_ptr<Recomputation> recomputation;
  // Where observations of running statistics go (running_statistics.h); null: they move at once.
  std::vector<Observation>* observations = nullptr;

  const std::string& path() const;
  RandomStream next_stream() { return random.next(path()); }
};

// The calling thread's.
Context& context();

// Seeds the calling thread: initial values of parameters, and random numbers outside of a step.
void manual_seed(uint64_t seed);

// While one lives, the thread's grad mode is as given: operations record a history, or none.
class GradMode {
 public:
  explicit GradMode(bool enabled) : before_(context().grad_enabled) {
    context().grad_enabled = enabled;
  }
  ~GradMode() { context().grad_enabled = before_; }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

// While one lives, operations on this thread record no history.
class NoGrad : public GradMode {
 public:
  NoGrad() : GradMode(false) {}
};

// Inside a NoGrad: records again.
class EnableGrad : public GradMode {
 public:
  EnableGrad() : GradMode(true) {}
};

// As NoGrad; besides, what is made while one lives keeps no track of views, and taking part in a
// recorded operation later is an error.
class InferenceMode : public NoGrad {
 public:
  InferenceMode() : before_(context().inference) { context().inference = true; }
  ~InferenceMode() { context().inference = before_; }

 private:
  bool before_;
};

// While one lives, backward on this thread stops at the first gradient with a NaN or an infinity,
// and the error names the operation, shapes, module and the place of the forward call.
class DetectAnomaly {
 public:
  DetectAnomaly() : before_(context().detect_anomaly) { context().detect_anomaly = true; }
  ~DetectAnomaly() { context().detect_anomaly = before_; }
  DetectAnomaly(const DetectAnomaly&) = delete;
  DetectAnomaly& operator=(const DetectAnomaly&) = delete;

 private:
  bool before_;
};

}  // namespace tessera
