#include "launcher/experiment/components/parameter_groups.h"

#include <algorithm>
#include <map>
#include <set>

#include "launcher/experiment/components/setting_text.h"
#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/nearest.h"
#include "launcher/job/in_quotes.h"
#include "nn/optim/groups.h"

namespace tessera::experiment {
namespace {

constexpr const char* kLr = "lr";
constexpr const char* kWeightDecay = "weight_decay";

// What one pattern says of the parameters whose names match it.
struct GroupSettings {
  std::string pattern;
  std::vector<std::string> keys = {};  // that it sets; the rest is as in the section
  double lr = 0;
  double weight_decay = 0;
  std::vector<std::unique_ptr<RuleOptions>> options = {};  // of each rule
  std::set<size_t> rules = {};                             // that update those it matches

  bool sets(const std::string& key) const {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
  }
  std::string place() const { return fmt::format("optim.groups: {}: ", job::in_quotes(pattern)); }
};

// "lr" for the key "adamw_lr" of a section, which has its own one for a rule; else empty.
std::string without_prefix(const std::string& key, std::span<const SectionRule> rules) {
  for (const SectionRule& rule : rules) {
    for (const char* common : {kLr, kWeightDecay}) {
      if (key == rule.prefix + common) return common;
    }
  }
  return {};
}

void read_setting(const std::string& text, std::span<const SectionRule> rules,
                  GroupSettings& group) {
  auto [key, value] = parse_setting(text, group.place());
  if (group.sets(key)) {
    throw ConfigError(fmt::format("{}there are two values of {}", group.place(), key));
  }
  SettingReader reader(key, value, group.place() + key);
  FieldVisitor& v = reader;
  v(kLr, group.lr, "", at_least(0).in_f32());
  v(kWeightDecay, group.weight_decay, "", at_least(0).in_f32());
  for (size_t i = 0; i < rules.size(); ++i) {
    visit_prefixed(*group.options[i], rules[i].prefix, reader);
  }
  if (!reader.found()) {
    std::string common = without_prefix(key, rules);
    std::string hint = common.empty() ? suggestion(key, reader.known(), "there are")
                                      : fmt::format("; did you mean '{}'?", common);
    throw ConfigError(
        fmt::format("{}there is no setting {}{}", group.place(), job::in_quotes(key), hint));
  }
  group.keys.push_back(std::move(key));
}

std::vector<GroupSettings> parse_groups(const std::string& text,
                                        std::span<const SectionRule> rules) {
  for (const SectionRule& rule : rules) rule.options->rule("optim." + rule.prefix);
  std::vector<GroupSettings> groups;
  if (trimmed(text).empty()) return groups;
  for (const std::string& part : split_trimmed(text, ';')) {
    size_t colon = part.find(':');
    GroupSettings group{trimmed(part.substr(0, colon))};
    if (colon == std::string::npos || group.pattern.empty()) {
      throw ConfigError(fmt::format("optim.groups: expected PATTERN: KEY=VALUE, ..., got {}",
                                    job::in_quotes(part)));
    }
    for (const SectionRule& rule : rules) group.options.push_back(rule.options->clone());
    for (const std::string& setting : split_trimmed(part.substr(colon + 1), ',')) {
      read_setting(setting, rules, group);
    }
    for (size_t i = 0; i < rules.size(); ++i) {
      group.options[i]->rule(group.place() + rules[i].prefix);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

// The group that a name is in, or null.
GroupSettings* group_of(const std::string& name, std::vector<GroupSettings>& groups) {
  GroupSettings* own = nullptr;
  for (GroupSettings& group : groups) {
    if (!optim::is_name_like(name, group.pattern)) continue;
    if (own) {
      throw ConfigError(fmt::format("optim.groups: '{}' is in two groups, {} and {}", name,
                                    job::in_quotes(own->pattern), job::in_quotes(group.pattern)));
    }
    own = &group;
  }
  return own;
}

class OptionLister : public FieldVisitor {
 public:
  void field(const Field& field) override {
    keys.insert(field.key);
    text += fmt::format("{}={} ", field.key, write_field(field));
  }
  std::set<std::string> keys;
  std::string text;  // with values
};

OptionLister listed(const RuleOptions& options, const std::string& prefix = {}) {
  OptionLister lister;
  visit_prefixed(*options.clone(), prefix, lister);
  return lister;
}

// One rule for equal options: parameters with one rule share buckets.
class RuleMaker {
 public:
  // Of options that do not contradict each other.
  optim::RulePtr make(size_t index, const RuleOptions& options) {
    optim::RulePtr& rule = made_[{index, listed(options).text}];
    if (!rule) rule = options.rule({});
    return rule;
  }

 private:
  std::map<std::pair<size_t, std::string>, optim::RulePtr> made_;
};

// Adds a parameter with such settings, which are those of a group without parameters.
void add_parameter(std::vector<optim::ParamGroup>& groups, optim::ParamGroup settings,
                   const std::string& name, const Tensor& parameter) {
  auto alike = [&](const optim::ParamGroup& group) {
    return group.weight_decay == settings.weight_decay && group.lr_scale == settings.lr_scale &&
           group.rule == settings.rule;
  };
  auto group = std::find_if(groups.begin(), groups.end(), alike);
  if (group == groups.end()) group = groups.insert(groups.end(), std::move(settings));
  group->params.push_back(parameter);
  group->names.push_back(name);
}

// That every setting is one of some parameter.
void check_used(const GroupSettings& group, std::span<const SectionRule> rules) {
  if (group.rules.empty()) {
    throw ConfigError(fmt::format("optim.groups: {} matches no parameter of the model",
                                  job::in_quotes(group.pattern)));
  }
  std::set<std::string> used{kLr, kWeightDecay};
  std::vector<std::string> names;
  for (size_t index : group.rules) {
    names.push_back(rules[index].name);
    used.merge(listed(*rules[index].options, rules[index].prefix).keys);
  }
  for (const std::string& key : group.keys) {
    if (used.contains(key)) continue;
    throw ConfigError(
        fmt::format("{}{}: its parameters are updated by {}, which has no such option",
                    group.place(), key, fmt::join(names, " and ")));
  }
}

}  // namespace

void check_groups(const std::string& text, std::span<const SectionRule> rules) {
  parse_groups(text, rules);
}

std::vector<optim::ParamGroup> divide_parameters(const nn::Module& module, const std::string& text,
                                                 std::span<const SectionRule> rules,
                                                 const RuleOf& rule_of, double lr) {
  RuleMaker maker;
  std::vector<GroupSettings> settings = parse_groups(text, rules);
  std::vector<optim::ParamGroup> groups;
  for (const auto& [name, parameter] : module.named_parameters()) {
    size_t index = rule_of(name, parameter);
    const SectionRule& rule = rules[index];
    double decay = parameter.dim() >= 2 ? rule.weight_decay : 0;
    GroupSettings* own = group_of(name, settings);
    if (own) own->rules.insert(index);
    optim::ParamGroup wanted{
        .weight_decay = own && own->sets(kWeightDecay) ? own->weight_decay : decay,
        .lr_scale = (own && own->sets(kLr) ? own->lr : rule.lr) / lr,
        .rule = maker.make(index, own ? *own->options[index] : *rule.options)};
    add_parameter(groups, std::move(wanted), name, parameter);
  }
  for (const GroupSettings& group : settings) check_used(group, rules);
  return groups;
}

}  // namespace tessera::experiment
