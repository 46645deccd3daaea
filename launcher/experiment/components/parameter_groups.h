// optim.groups: settings of parameters by their names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/optim/optimizer.h"

namespace tessera::experiment {

// What one pattern says: of the parameters whose names match it.
struct GroupSettings {
  std::string pattern;
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

// "PATTERN: KEY=NUMBER, ...; ...", the keys being lr and weight_decay; empty: none. Throws
// ConfigError, beginning with "optim.groups: ", for anything else.
std::vector<GroupSettings> parse_groups(const std::string& text);

// Groups of all the module's parameters. What a pattern says of one counts; else its rate is
// default_lr, which others are scaled to, and its weight decay default_decay if it has two dims or
// more, or 0. Throws ConfigError for a pattern that matches no name, and for a name that two match.
std::vector<optim::ParamGroup> divide_parameters(const nn::Module& module,
                                                 const std::vector<GroupSettings>& settings,
                                                 double default_lr, double default_decay);

}  // namespace tessera::experiment
