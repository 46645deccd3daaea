#include "nn/optim/groups.h"

#include <fnmatch.h>

namespace tessera::optim {

bool is_name_like(const std::string& name, const std::string& pattern) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

GroupChoice names_like(const std::string& pattern, ParamGroup settings) {
  auto takes = [pattern](const std::string& name, const Tensor&) {
    return is_name_like(name, pattern);
  };
  return {fmt::format("'{}'", pattern), takes, std::move(settings)};
}

std::vector<ParamGroup> groups_of(const nn::Module& module, const std::vector<GroupChoice>& choices,
                                  ParamGroup rest) {
  std::vector<ParamGroup> groups;
  for (const GroupChoice& choice : choices) groups.push_back(choice.settings);
  groups.push_back(std::move(rest));
  for (const auto& [name, parameter] : module.named_parameters()) {
    if (!parameter.requires_grad()) continue;
    size_t taken_by = choices.size();
    for (size_t i = 0; i < choices.size(); ++i) {
      if (!choices[i].takes(name, parameter)) continue;
      TESSERA_CHECK(taken_by == choices.size(), "[groups_of] '{}' is in two groups, {} and {}",
                    name, choices[taken_by].what, choices[i].what);
      taken_by = i;
    }
    groups[taken_by].params.push_back(parameter);
    groups[taken_by].names.push_back(name);
  }
  for (size_t i = 0; i < choices.size(); ++i) {
    TESSERA_CHECK(!groups[i].params.empty(),
                  "[groups_of] {} takes no parameter of the model that is trained",
                  choices[i].what);
  }
  std::erase_if(groups, [](const ParamGroup& group) { return group.params.empty(); });
  return groups;
}

}  // namespace tessera::optim
