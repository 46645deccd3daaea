// Probability distributions, as torch.distributions has them.
#pragma once

#include "nn/distributions/discrete.h"
#include "nn/distributions/distribution.h"
#include "nn/distributions/gamma.h"
#include "nn/distributions/independent.h"
#include "nn/distributions/kl.h"
#include "nn/distributions/location_scale.h"
#include "nn/distributions/multivariate_normal.h"
