// A search along a line.
#pragma once

#include "nn/optim/closure_rule.h"

namespace tessera::optim {

// A loss or gradient that is not finite was met.
struct NotFinite {
  double loss;
};

// A point start + t direction, and what is known there.
struct LinePoint {
  double t = 0;
  double loss = 0;
  double slope = 0;  // of the loss, along the direction
  Pieces gradient = {};
};

// The parameters of an objective, and a direction from where they are now.
class Line {
 public:
  Line(Objective& objective, const Pieces& direction);

  void move_to(double t) const;
  // To where they were, after what the objective threw.
  void put_back() const;
  // Moves there and asks; throws NotFinite.
  LinePoint at(double t) const;
  // Where the parameters are, without the slope.
  LinePoint here(double t) const;
  // The largest size of an element of the direction.
  double length() const;

 private:
  Objective& objective_;
  Pieces start_;
  const Pieces& direction_;
};

struct WolfeLimits {
  double sufficient = 1e-4;     // of the fall that the first slope promises
  double curvature = 0.9;       // of the first slope, what the last one may have
  double least_bracket = 1e-9;  // of the parameters, when the search has nothing left to divide
  int64_t max_iter = 25;
};

// A point where the strong Wolfe conditions hold (Nocedal and Wright 2006, algorithms 3.5 and 3.6,
// with cubic interpolation, as torch.optim.LBFGS has them), or the lowest that was found. `first`,
// at t = 0, goes down. The parameters are anywhere on the line afterwards. `evaluations` is counted
// up.
LinePoint wolfe_search(const Line& line, const LinePoint& first, double t,
                       const WolfeLimits& limits, int& evaluations);

}  // namespace tessera::optim
