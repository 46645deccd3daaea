// Groups of a model's parameters, chosen by their names.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "nn/optim/optimizer.h"

namespace tessera::optim {

// Which parameters a group takes, and its settings (params and names are filled in).
struct GroupChoice {
  using Takes = std::function<bool(const std::string& name, const Tensor& parameter)>;
  std::string what;  // for messages: "'*.bias'"
  Takes takes;
  ParamGroup settings = {};
};

// By a pattern for names, in which * stands for any text, dots too, ? for one character and [abc]
// for one of several: "blocks.*.weight", "*norm*".
GroupChoice names_like(const std::string& pattern, ParamGroup settings = {});
bool is_name_like(const std::string& name, const std::string& pattern);

// Every parameter of the module that requires a gradient is in one group: that of the choice that
// takes it, in the order of the choices, or `rest`, the last; empty groups are left out. An Error
// names a choice that takes none, and a parameter that two of them take.
std::vector<ParamGroup> groups_of(const nn::Module& module, const std::vector<GroupChoice>& choices,
                                  ParamGroup rest = {});

}  // namespace tessera::optim
