#include "nn/optim/plateau.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/error.h"

namespace tessera::optim {

PlateauSchedule::PlateauSchedule(double lr, Options options)
    : options_(options), lr_(lr), rate_(lr) {
  const Options& o = options;
  TESSERA_CHECK(std::isfinite(lr) && lr >= 0,
                "[PlateauSchedule] expected a finite rate of at least 0, got {}", lr);
  TESSERA_CHECK(o.factor >= 0 && o.factor < 1,
                "[PlateauSchedule] expected a factor in [0, 1), got {}", o.factor);
  TESSERA_CHECK(o.patience >= 0 && o.cooldown >= 0,
                "[PlateauSchedule] expected a patience and a cooldown of at least 0, got {} and {}",
                o.patience, o.cooldown);
  TESSERA_CHECK(
      o.threshold >= 0 && o.min_lr >= 0 && o.eps >= 0,
      "[PlateauSchedule] expected a threshold, a min_lr and an eps of at least 0, got {}, "
      "{} and {}",
      o.threshold, o.min_lr, o.eps);
}

bool PlateauSchedule::is_better(double loss) const {
  if (!std::isfinite(loss)) return false;
  if (options_.threshold_mode == Threshold::abs) return loss < best_ - options_.threshold;
  return loss < best_ * (1 - options_.threshold);
}

void PlateauSchedule::observe(double loss) {
  if (is_better(loss)) {
    best_ = loss;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooldown_ > 0) {
    --cooldown_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience) return;
  double lower = std::max(rate_ * options_.factor, options_.min_lr);
  if (rate_ - lower > options_.eps) rate_ = lower;
  cooldown_ = options_.cooldown;
  bad_ = 0;
}

// Hexadecimal: every bit comes back.
std::string PlateauSchedule::state() const {
  return fmt::format("{:a} {:a} {:a} {} {}", lr_, rate_, best_, bad_, cooldown_);
}

void PlateauSchedule::restore(const std::string& text) {
  const char* at = text.c_str();
  char* end = nullptr;
  bool good = true;
  auto next = [&](auto read) {
    auto number = read(at, &end);
    good = good && end != at && (*end == ' ' || *end == 0);
    at = *end == ' ' ? end + 1 : end;
    return number;
  };
  auto real = [](const char* from, char** to) { return std::strtod(from, to); };
  auto whole = [](const char* from, char** to) { return int64_t{std::strtoll(from, to, 10)}; };
  double lr = next(real);
  double rate = next(real);
  double best = next(real);
  int64_t bad = next(whole);
  int64_t cooldown = next(whole);
  // Before there is a best loss, it is infinite.
  bool fits = std::isfinite(lr) && std::isfinite(rate) && lr >= 0 && rate >= 0 &&
              best > -std::numeric_limits<double>::infinity();
  TESSERA_CHECK(good && *at == 0 && fits && bad >= 0 && cooldown >= 0,
                "[PlateauSchedule] expected two rates, the best loss and two counts, got '{}'",
                text);
  rate_ = lr == lr_ || lr == 0 ? rate : rate * (lr_ / lr);
  best_ = best;
  bad_ = bad;
  cooldown_ = cooldown;
}

}  // namespace tessera::optim
