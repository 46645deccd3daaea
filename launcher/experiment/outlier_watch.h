// Steps whose loss or gradient is far from what it was before.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::experiment {

// Keeps the losses and the gradients' norms of the last steps. Ranks that hear of the same numbers
// decide alike.
class OutlierWatch {
 public:
  // A number is one where it lies more than z standard deviations above the mean of the last
  // `window` steps; before as many were seen, none is.
  OutlierWatch(double z, int64_t window) : z_(z), window_(static_cast<size_t>(window)) {}

  // Why a step with these numbers is to be skipped; empty: it is not. They are finite. Takes them
  // in, an outlier as one of twice z deviations at most: what stays as large as that is none any
  // more after a few steps, and a single enormous one hides no others.
  std::string look(double loss, double grad_norm);

  // What it keeps, in text, for a checkpoint; restore takes it, or what fits of it where windows
  // differ. An Error where it is no such text.
  std::string state() const;
  void restore(const std::string& text);

 private:
  struct Numbers {
    double loss;
    double grad_norm;
  };

  double z_;
  size_t window_;
  std::vector<Numbers> seen_;  // oldest first
};

}  // namespace tessera::experiment
