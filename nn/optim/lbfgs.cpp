#include "nn/optim/lbfgs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/context.h"
#include "autograd/ops/arithmetic.h"
#include "autograd/ops/in_place.h"
#include "nn/optim/option_checks.h"
#include "nn/optim/wolfe_search.h"

namespace tessera::optim {
namespace {

// Of states(); pairs follow.
constexpr size_t kLastStep = 0;
constexpr size_t kLastGrad = 1;
constexpr size_t kFirstPair = 2;

// Less of y s tells of no curvature that could be divided by.
constexpr double kLeastCurvature = 1e-10;

void copy_pieces(const Pieces& from, const Pieces& to) {
  for (size_t i = 0; i < to.size(); ++i) to[i].copy_(from[i]);
}

void set_zero(const Pieces& x) {
  for (const Array& piece : x) piece.fill_(0);
}

Pieces scaled(const Pieces& x, double factor) {
  Pieces out;
  for (const Array& piece : x) out.push_back((Tensor(piece) * factor).data());
  return out;
}

Pieces difference(const Pieces& a, const Pieces& b) {
  Pieces out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back((Tensor(a[i]) - Tensor(b[i])).data());
  return out;
}

// x += factor * y
void add_scaled(const Pieces& x, double factor, const Pieces& y) {
  for (size_t i = 0; i < x.size(); ++i) add_(Tensor(x[i]), Tensor(y[i]), factor);
}

// The last steps s, and what the gradient changed by over each, y. From the oldest on.
class History {
 public:
  History(Objective& objective, int64_t capacity)
      : objective_(objective), capacity_(static_cast<size_t>(capacity)) {
    // What is not there yet is zero.
    while (curvatures_.size() < capacity_) {
      size_t next = curvatures_.size();
      double curvature = objective.dot(y(next), s(next));
      if (!(curvature > kLeastCurvature)) break;
      curvatures_.push_back(curvature);
    }
  }

  void add(const Pieces& step, const Pieces& change) {
    double curvature = objective_.dot(change, step);
    if (!(curvature > kLeastCurvature)) return;
    if (curvatures_.size() == capacity_) {
      curvatures_.erase(curvatures_.begin());
      for (size_t i = 0; i + 1 < capacity_; ++i) {
        copy_pieces(s(i + 1), s(i));
        copy_pieces(y(i + 1), y(i));
      }
    }
    copy_pieces(step, s(curvatures_.size()));
    copy_pieces(change, y(curvatures_.size()));
    curvatures_.push_back(curvature);
  }

  // -H gradient, by the recursion in two loops.
  Pieces direction(const Pieces& gradient) const {
    Pieces d = scaled(gradient, -1);
    size_t count = curvatures_.size();
    if (count == 0) return d;
    std::vector<double> along(count);
    for (size_t i = count; i-- > 0;) {
      along[i] = objective_.dot(s(i), d) / curvatures_[i];
      add_scaled(d, -along[i], y(i));
    }
    const Pieces& newest = y(count - 1);
    d = scaled(d, curvatures_.back() / objective_.dot(newest, newest));
    for (size_t i = 0; i < count; ++i) {
      add_scaled(d, along[i] - objective_.dot(y(i), d) / curvatures_[i], s(i));
    }
    return d;
  }

 private:
  const Pieces& s(size_t i) const { return objective_.states()[kFirstPair + 2 * i]; }
  const Pieces& y(size_t i) const { return objective_.states()[kFirstPair + 2 * i + 1]; }

  Objective& objective_;
  size_t capacity_;
  std::vector<double> curvatures_;  // y s of each
};

// One step: iterations from a point to another.
class Descent {
 public:
  Descent(Objective& objective, Objective::Value start, const LbfgsRule::Options& options,
          int64_t max_eval, double lr)
      : objective_(objective),
        options_(options),
        lr_(lr),
        max_eval_(max_eval),
        now_(std::move(start)),
        history_(objective, options.history_size) {}

  ClosureOutcome run() {
    ClosureOutcome out{.loss = now_.loss};
    try {
      if (!is_flat()) iterate();
    } catch (const NotFinite& met) {
      out.loss = met.loss;
      out.finite = false;
    }
    out.evaluations = evaluations_;
    return out;
  }

 private:
  const Pieces& last_step() const { return objective_.states()[kLastStep]; }
  const Pieces& last_grad() const { return objective_.states()[kLastGrad]; }
  bool is_flat() const { return objective_.max_abs(now_.gradient) <= options_.tolerance_grad; }

  void iterate() {
    for (int64_t iteration = 1;; ++iteration) {
      // The gradient of an iteration is not zero.
      bool first = objective_.max_abs(last_grad()) == 0;
      if (!first) history_.add(last_step(), difference(now_.gradient, last_grad()));
      Pieces direction = history_.direction(now_.gradient);
      set_zero(last_step());
      double slope = objective_.dot(now_.gradient, direction);
      if (slope > -options_.tolerance_change) return copy_pieces(now_.gradient, last_grad());
      double t = first ? std::min(1.0, 1 / objective_.sum_abs(now_.gradient)) * lr_ : lr_;
      double before = now_.loss;
      bool is_last = iteration == options_.max_iter;
      Pieces gradient = now_.gradient;
      walk(direction, slope, t, is_last);
      copy_pieces(gradient, last_grad());  // not before: one that fails is none
      if (is_last || evaluations_ >= max_eval_ || is_flat()) return;
      if (objective_.max_abs(last_step()) <= options_.tolerance_change) return;
      if (std::abs(now_.loss - before) < options_.tolerance_change) return;
    }
  }

  // Takes the iteration's step. Without a search nobody asks what it led to after the last one.
  void walk(const Pieces& direction, double slope, double t, bool is_last) {
    Line line(objective_, direction);
    try {
      if (options_.line_search == LineSearch::strong_wolfe) {
        t = search(line, slope, t);
      } else {
        line.move_to(t);
        if (!is_last) take(line, t);
      }
    } catch (const NotFinite&) {
      line.move_to(0);
      throw;
    } catch (...) {
      line.put_back();
      throw;
    }
    copy_pieces(scaled(direction, t), last_step());
  }

  double search(const Line& line, double slope, double t) {
    LinePoint first{0, now_.loss, slope, now_.gradient};
    WolfeLimits limits{.least_bracket = options_.tolerance_change,
                       .max_iter = max_eval_ - evaluations_};
    LinePoint found = wolfe_search(line, first, t, limits, evaluations_);
    line.move_to(found.t);
    now_ = {found.loss, std::move(found.gradient)};
    return found.t;
  }

  void take(const Line& line, double t) {
    ++evaluations_;
    LinePoint point = line.here(t);
    now_ = {point.loss, std::move(point.gradient)};
  }

  Objective& objective_;
  const LbfgsRule::Options& options_;
  double lr_;
  int64_t max_eval_;
  Objective::Value now_;
  History history_;
  int evaluations_ = 1;
};

}  // namespace

LbfgsRule::LbfgsRule(Options options) : options_(options) {
  TESSERA_CHECK(options.max_iter >= 1 && options.max_eval.value_or(1) >= 1,
                "[Lbfgs] expected a max_iter and a max_eval of at least 1, got {} and {}",
                options.max_iter, options.max_eval.value_or(1));
  TESSERA_CHECK(options.max_iter <= INT32_MAX && options.max_eval.value_or(1) <= INT32_MAX,
                "[Lbfgs] expected a max_iter and a max_eval of at most {}", INT32_MAX);
  TESSERA_CHECK(options.history_size >= 1 && options.history_size <= 10000,
                "[Lbfgs] expected a history_size from 1 to 10000, got {}", options.history_size);
  check_not_negative("Lbfgs", "a tolerance_grad", options.tolerance_grad);
  check_not_negative("Lbfgs", "a tolerance_change", options.tolerance_change);
}

std::vector<StateInfo> LbfgsRule::states(const Dims& shape) const {
  std::vector<StateInfo> states{{"last_step", shape}, {"last_grad", shape}};
  for (int64_t i = 0; i < options_.history_size; ++i) {
    states.push_back({fmt::format("s.{}", i), shape});
    states.push_back({fmt::format("y.{}", i), shape});
  }
  return states;
}

// A search begins with one, whatever is left; without one there is an iteration in any case, and
// nobody asks after the last.
int64_t LbfgsRule::most_evaluations() const {
  if (options_.line_search == LineSearch::strong_wolfe) return max_eval() + 1;
  return std::min(options_.max_iter, std::max<int64_t>(max_eval(), 2));
}

std::string LbfgsRule::describe() const {
  const Options& o = options_;
  return fmt::format(
      "lbfgs, {} iterations, {} evaluations, tolerances {} and {}, history {}, line_search {}",
      o.max_iter, max_eval(), o.tolerance_grad, o.tolerance_change, o.history_size,
      tessera::name(o.line_search));
}

ClosureOutcome LbfgsRule::step(Objective& objective, Objective::Value start, double lr) const {
  TESSERA_CHECK(lr >= 0, "[Lbfgs] expected a rate of at least 0, got {}", lr);
  if (lr == 0) return {.loss = start.loss};
  NoGrad no_grad;
  return Descent(objective, std::move(start), options_, max_eval(), lr).run();
}

}  // namespace tessera::optim
