// optim.groups: settings of parameters by their names.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "launcher/experiment/components/rule_options.h"
#include "nn/optim/optimizer.h"

namespace tessera::experiment {

// A rule of an optimizer section, and what the parameters that it updates have unless a group says
// otherwise.
struct SectionRule {
  std::string name;  // for messages
  const RuleOptions* options;
  double lr;
  double weight_decay;      // of those of two dims or more; others have none
  std::string prefix = {};  // of its options' keys
};

// By which of a section's rules a parameter is updated.
using RuleOf = std::function<size_t(const std::string& name, const Tensor& parameter)>;

// Throws ConfigError where the options of a rule contradict each other ("optim.nesterov: ..."), and
// unless `text` is "PATTERN: KEY=VALUE, ...; ...", the keys being lr, weight_decay and the options
// of the rules ("optim.groups: ...").
void check_groups(const std::string& text, std::span<const SectionRule> rules);

// Groups of all the module's parameters, those with equal settings together, in the order of their
// first ones. What `text` says of a parameter counts for that one, whichever rule it has. Rates are
// scaled to `lr`. Throws ConfigError as check_groups, and for a pattern that matches no name or
// sets what none of its parameters has, and for a name that two match.
std::vector<optim::ParamGroup> divide_parameters(const nn::Module& module, const std::string& text,
                                                 std::span<const SectionRule> rules,
                                                 const RuleOf& rule_of, double lr);

}  // namespace tessera::experiment
