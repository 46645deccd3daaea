// What the rules of optimizer sections can be told.
#pragma once

#include <memory>
#include <string>

#include "launcher/experiment/config/schema.h"
#include "nn/optim/update_rule.h"

namespace tessera::experiment {

// The options of one rule, listed once: they are keys of its section, and settings that
// optim.groups has for some parameters. Rate and weight decay are not among them: every rule has
// these.
class RuleOptions {
 public:
  virtual ~RuleOptions() = default;
  // As Section::visit.
  virtual void visit(FieldVisitor& v) = 0;
  // For parameters that have some of them for themselves.
  virtual std::unique_ptr<RuleOptions> clone() const = 0;
  // Throws ConfigError, beginning with `place` and the key ("optim.", "nesterov"), where they
  // contradict each other.
  virtual optim::RulePtr rule(const std::string& place) const = 0;
};

// options.visit(v) with keys that begin with `prefix`.
void visit_prefixed(RuleOptions& options, const std::string& prefix, FieldVisitor& v);

}  // namespace tessera::experiment
