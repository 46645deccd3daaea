// Checks of rules' options. An error begins with the rule, as its class calls it.
#pragma once

#include "core/error.h"

namespace tessera::optim {

inline void check_betas(const char* rule, double beta1, double beta2) {
  auto is_beta = [](double beta) { return beta >= 0 && beta < 1; };
  TESSERA_CHECK(is_beta(beta1) && is_beta(beta2), "[{}] expected betas in [0, 1), got {} and {}",
                rule, beta1, beta2);
}

inline void check_eps(const char* rule, double eps) {
  TESSERA_CHECK(eps > 0, "[{}] expected an eps above 0, got {}", rule, eps);
}

// A share of a mean that stays in a step.
inline void check_decay(const char* rule, const char* option, double decay) {
  TESSERA_CHECK(decay >= 0 && decay < 1, "[{}] expected {} in [0, 1), got {}", rule, option, decay);
}

inline void check_not_negative(const char* rule, const char* option, double value) {
  TESSERA_CHECK(value >= 0, "[{}] expected {} of at least 0, got {}", rule, option, value);
}

}  // namespace tessera::optim
