#include "launcher/experiment/components/parameter_groups.h"

#include <algorithm>

#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/nearest.h"
#include "launcher/experiment/config/number_text.h"
#include "launcher/job/in_quotes.h"
#include "nn/optim/groups.h"

namespace tessera::experiment {
namespace {

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(separator, begin);
    parts.push_back(trimmed(text.substr(begin, end - begin)));
  }
  return parts;
}

void read_setting(const std::string& text, GroupSettings& group) {
  size_t equals = text.find('=');
  std::string key = trimmed(text.substr(0, equals));
  std::string value = equals == std::string::npos ? "" : trimmed(text.substr(equals + 1));
  std::optional<double> number = parse_number(value);
  if (equals == std::string::npos || !number || *number < 0) {
    throw ConfigError(fmt::format("optim.groups: expected KEY=NUMBER of at least 0 for {}, got {}",
                                  job::in_quotes(group.pattern), job::in_quotes(text)));
  }
  if (key != "lr" && key != "weight_decay") {
    static const std::vector<std::string> known{"lr", "weight_decay"};
    throw ConfigError(fmt::format("optim.groups: there is no setting {}{}", job::in_quotes(key),
                                  suggestion(key, known, "there are")));
  }
  std::optional<double>& setting = key == "lr" ? group.lr : group.weight_decay;
  if (setting) {
    throw ConfigError(
        fmt::format("optim.groups: {} has two values of {}", job::in_quotes(group.pattern), key));
  }
  setting = number;
}

}  // namespace

std::vector<GroupSettings> parse_groups(const std::string& text) {
  std::vector<GroupSettings> groups;
  if (trimmed(text).empty()) return groups;
  for (const std::string& part : split(text, ';')) {
    size_t colon = part.find(':');
    GroupSettings group{trimmed(part.substr(0, colon))};
    if (colon == std::string::npos || group.pattern.empty()) {
      throw ConfigError(fmt::format("optim.groups: expected PATTERN: KEY=NUMBER, ..., got {}",
                                    job::in_quotes(part)));
    }
    for (const std::string& setting : split(part.substr(colon + 1), ',')) {
      read_setting(setting, group);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<optim::ParamGroup> divide_parameters(const nn::Module& module,
                                                 const std::vector<GroupSettings>& settings,
                                                 double default_lr, double default_decay) {
  std::vector<optim::ParamGroup> groups;
  std::vector<size_t> matches(settings.size());
  for (const auto& [name, parameter] : module.named_parameters()) {
    const GroupSettings* own = nullptr;
    for (size_t i = 0; i < settings.size(); ++i) {
      if (!optim::is_name_like(name, settings[i].pattern)) continue;
      if (own) {
        throw ConfigError(fmt::format("optim.groups: '{}' is in two groups, {} and {}", name,
                                      job::in_quotes(own->pattern),
                                      job::in_quotes(settings[i].pattern)));
      }
      own = &settings[i];
      ++matches[i];
    }
    double decay = parameter.dim() >= 2 ? default_decay : 0;
    if (own && own->weight_decay) decay = *own->weight_decay;
    double scale = own && own->lr ? *own->lr / default_lr : 1;
    auto alike = [&](const optim::ParamGroup& group) {
      return group.weight_decay == decay && group.lr_scale == scale;
    };
    auto group = std::find_if(groups.begin(), groups.end(), alike);
    if (group == groups.end()) {
      group = groups.insert(groups.end(), {.weight_decay = decay, .lr_scale = scale});
    }
    group->params.push_back(parameter);
    group->names.push_back(name);
  }
  for (size_t i = 0; i < settings.size(); ++i) {
    if (matches[i] > 0) continue;
    throw ConfigError(fmt::format("optim.groups: {} matches no parameter of the model",
                                  job::in_quotes(settings[i].pattern)));
  }
  return groups;
}

}  // namespace tessera::experiment
