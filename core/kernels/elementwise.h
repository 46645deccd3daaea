// Names of elementwise functions, and what they take.
#pragma once

#include <array>

#include "core/formulas.h"

namespace tessera {

// Numbers that some functions take; core/formulas says beside their names what they are.
using ElementwiseParams = std::array<double, 3>;

}  // namespace tessera
