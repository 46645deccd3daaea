#include "nn/optim/wolfe_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/context.h"
#include "autograd/ops/in_place.h"

namespace tessera::optim {
namespace {

// Shares of a bracket that a trial stays away from its ends, where it came too close to one twice.
constexpr double kMargin = 0.1;
// While there is no bracket: the next point, in distances of the last two, and as a multiple.
constexpr double kLeastGrowth = 0.01;
constexpr double kMostGrowth = 10;

// Where the cubic through two points with their slopes is lowest, between low and high.
double lowest_of_cubic(const LinePoint& a, const LinePoint& b, double low, double high) {
  const LinePoint& left = a.t <= b.t ? a : b;
  const LinePoint& right = a.t <= b.t ? b : a;
  double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t);
  double square = d1 * d1 - a.slope * b.slope;
  if (!(square >= 0)) return (low + high) / 2;
  double d2 = std::sqrt(square);
  double t = right.t -
             (right.t - left.t) * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2));
  return std::min(std::max(t, low), high);
}

class Search {
 public:
  Search(const Line& line, const LinePoint& first, const WolfeLimits& limits, int& evaluations)
      : line_(line), first_(first), limits_(limits), evaluations_(evaluations) {}

  LinePoint run(double t) {
    bracket(t);
    if (!done_) divide();
    return ends_[low_];
  }

 private:
  LinePoint at(double t) {
    ++evaluations_;
    return line_.at(t);
  }
  bool is_high(const LinePoint& point) const {
    return point.loss > first_.loss + limits_.sufficient * point.t * first_.slope;
  }
  bool is_flat(const LinePoint& point) const {
    return std::abs(point.slope) <= -limits_.curvature * first_.slope;
  }

  // Goes on until two points have a minimum between them; or one is good.
  void bracket(double t) {
    LinePoint before = first_;
    LinePoint now = at(t);
    for (; trials_ < limits_.max_iter; ++trials_) {
      if (is_high(now) || (trials_ > 1 && now.loss >= before.loss)) break;
      done_ = is_flat(now);
      if (done_ || now.slope >= 0) break;
      double next = lowest_of_cubic(before, now, now.t + kLeastGrowth * (now.t - before.t),
                                    now.t * kMostGrowth);
      before = std::exchange(now, at(next));
    }
    if (trials_ == limits_.max_iter) before = first_;
    if (done_) before = now;
    ends_ = {std::move(before), std::move(now)};
    order();
  }

  void order() { low_ = ends_[0].loss <= ends_[1].loss ? 0 : 1; }

  // Makes the bracket smaller until its lower end is good.
  void divide() {
    double length = line_.length();
    for (; trials_ < limits_.max_iter && !done_; ++trials_) {
      if (std::abs(ends_[1].t - ends_[0].t) * length < limits_.least_bracket) return;
      LinePoint now = at(next_trial());
      LinePoint& low = ends_[low_];
      LinePoint& high = ends_[1 - low_];
      if (is_high(now) || now.loss >= low.loss) {
        high = std::move(now);
        order();
        continue;
      }
      done_ = is_flat(now);
      if (!done_ && now.slope * (high.t - low.t) >= 0) high = low;
      low = std::move(now);
    }
  }

  double next_trial() {
    auto [left, right] = std::minmax(ends_[0].t, ends_[1].t);
    double t = lowest_of_cubic(ends_[0], ends_[1], left, right);
    double margin = kMargin * (right - left);
    bool near_end = std::min(right - t, t - left) < margin;
    if (near_end && (was_near_end_ || t >= right || t <= left)) {
      was_near_end_ = false;
      return std::abs(t - right) < std::abs(t - left) ? right - margin : left + margin;
    }
    was_near_end_ = near_end;
    return t;
  }

  const Line& line_;
  const LinePoint& first_;
  const WolfeLimits& limits_;
  int& evaluations_;
  std::array<LinePoint, 2> ends_;  // of the bracket
  size_t low_ = 0;                 // the one with the lower loss
  int64_t trials_ = 0;             // but the first
  bool done_ = false;
  bool was_near_end_ = false;
};

}  // namespace

Line::Line(Objective& objective, const Pieces& direction)
    : objective_(objective), direction_(direction) {
  for (const Array& piece : objective.params()) start_.push_back(piece.clone());
}

void Line::move_to(double t) const {
  NoGrad no_grad;
  put_back();
  for (size_t i = 0; t != 0 && i < start_.size(); ++i) {
    add_(Tensor(objective_.params()[i]), Tensor(direction_[i]), t);
  }
  objective_.params_changed();
}

void Line::put_back() const {
  for (size_t i = 0; i < start_.size(); ++i) objective_.params()[i].copy_(start_[i]);
}

LinePoint Line::here(double t) const {
  Objective::Value value = objective_.evaluate();
  if (!std::isfinite(value.loss) || !std::isfinite(objective_.max_abs(value.gradient))) {
    throw NotFinite{value.loss};
  }
  return {t, value.loss, 0, std::move(value.gradient)};
}

LinePoint Line::at(double t) const {
  move_to(t);
  LinePoint point = here(t);
  point.slope = objective_.dot(point.gradient, direction_);
  return point;
}

double Line::length() const { return objective_.max_abs(direction_); }

LinePoint wolfe_search(const Line& line, const LinePoint& first, double t,
                       const WolfeLimits& limits, int& evaluations) {
  return Search(line, first, limits, evaluations).run(t);
}

}  // namespace tessera::optim
