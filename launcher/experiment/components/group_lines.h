// Which rule trains which parameters, for people.
#pragma once

#include <string>
#include <vector>

#include "nn/optim/optimizer.h"

namespace tessera::experiment {

// A line for each of the optimizer's groups, and one for parameters that nothing trains:
//
//   adamw, betas 0.9 and 0.95, eps 1e-08: lr 0.001, weight decay 0.1, 12 parameters with 50304
//   elements: wte.weight, blocks.*.c_fc.weight
//
// (on one line), where `lr` is the highest rate of the run and * stands for any number. Every
// parameter is under one name of one line.
std::vector<std::string> group_lines(const optim::Optimizer& optimizer, double lr);

}  // namespace tessera::experiment
