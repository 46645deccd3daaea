// What rules that keep an average beside another rule share.
#pragma once

#include <functional>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// The groups with make(rule) in the place of every rule, one for each: parameters with one rule
// share buckets.
std::vector<ParamGroup> with_rules(std::vector<ParamGroup> groups,
                                   const std::function<RulePtr(const RulePtr&)>& make);

// The values of a parameter that are meant to be used: those that an average is of. The slice is
// `rule`'s own, after its update.
const Array& meant(const UpdateRule& rule, const Slice& slice);

// average = kept * average + share * param, in place.
void move_average(const Array& average, double kept, const Array& param, double share);

}  // namespace tessera::optim
