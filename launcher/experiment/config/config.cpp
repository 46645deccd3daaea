#include "launcher/experiment/config/config.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>

#include "launcher/experiment/config/nearest.h"
#include "launcher/experiment/config/sections.h"

namespace tessera::experiment {
namespace {

// A key that was given, and where.
struct Given {
  std::string key;
  std::string key_place;
  YamlNode value;
  std::string value_place;
  bool is_override = false;
  std::string replaced = {};  // of an override: what the file has for the key
};

// What was given for each section, by its name.
using Input = std::map<std::string, std::vector<Given>, std::less<>>;

class KeyCollector : public FieldVisitor {
 public:
  explicit KeyCollector(std::vector<std::string> keys = {}) : keys_(std::move(keys)) {}

  void field(const Field& field) override {
    for (const std::string& key : keys_) {
      TESSERA_CHECK(key != field.key, "a config section has two keys '{}'", field.key);
    }
    keys_.emplace_back(field.key);
  }

  const std::vector<std::string>& keys() const { return keys_; }

 private:
  std::vector<std::string> keys_;
};

class Reader : public FieldVisitor {
 public:
  Reader(std::string section, const std::vector<Given>& given)
      : section_(std::move(section)), given_(given) {}

  void field(const Field& field) override {
    check_default(field, section_);
    for (const Given& given : given_) {
      if (given.key != field.key) continue;
      read_field(field, given.value,
                 fmt::format("{}: {}.{}", given.value_place, section_, field.key));
    }
  }

 private:
  std::string section_;
  const std::vector<Given>& given_;
};

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  Config config;
  for_each_section(
      config, [&](const char* name, auto&) { names.emplace_back(name); },
      [&](const char* name, auto&, auto) { names.emplace_back(name); });
  return names;
}

// The given keys of that section, or ConfigError.
std::vector<Given>& find_section(Input& input, const std::string& name, const std::string& place) {
  auto found = input.find(name);
  if (found != input.end()) return found->second;
  throw ConfigError(fmt::format("{}: unknown section {}{}", place, job::in_quotes(name),
                                suggestion(name, section_names(), "the sections are")));
}

void add_file(Input& input, YamlNode root, const Source& source) {
  if (root.kind != YamlNode::Kind::map) {
    throw ConfigError(fmt::format("{}: expected a map of sections, got {}", source.at(root.mark),
                                  describe(root)));
  }
  for (YamlNode::Entry& section : root.entries) {
    auto& given = find_section(input, section.key, source.at(section.mark));
    if (section.value.kind != YamlNode::Kind::map) {
      throw ConfigError(fmt::format("{}: section '{}' must be a map of keys, got {}",
                                    source.at(section.value.mark), section.key,
                                    describe(section.value)));
    }
    for (YamlNode::Entry& entry : section.value.entries) {
      std::string value_place = source.at(entry.value.mark);
      given.push_back({std::move(entry.key), source.at(entry.mark), std::move(entry.value),
                       std::move(value_place), false});
    }
  }
}

void add_override(Input& input, std::string_view text) {
  Source source = Source::override_of(text);
  std::string place = source.at({});
  size_t equals = text.find('=');
  size_t dot = text.substr(0, equals).find('.');
  if (equals == std::string_view::npos || dot == std::string_view::npos) {
    throw ConfigError(place + ": expected section.key=value");
  }
  std::string section(text.substr(0, dot));
  std::string key(text.substr(dot + 1, equals - dot - 1));
  std::string_view value = text.substr(equals + 1);
  auto& given = find_section(input, section, place);
  YamlNode node;
  if (!value.empty()) node = parse_yaml(value, source);
  std::string replaced;
  for (const Given& old : given) {
    if (old.key == key) replaced = old.is_override ? old.replaced : old.value.text;
  }
  std::erase_if(given, [&](const Given& old) { return old.key == key; });
  given.push_back({std::move(key), place, std::move(node), place, true, std::move(replaced)});
}

void refuse_unknown_keys(const std::vector<Given>& given, const std::vector<std::string>& keys,
                         const std::string& section, const std::string& list_intro) {
  for (const Given& one : given) {
    if (std::find(keys.begin(), keys.end(), one.key) != keys.end()) continue;
    throw ConfigError(fmt::format("{}: unknown key {} in section '{}'{}", one.key_place,
                                  job::in_quotes(one.key), section,
                                  suggestion(one.key, keys, list_intro)));
  }
}

template <class T>
void load_fixed(T& section, const std::string& name, const std::vector<Given>& given) {
  KeyCollector collector;
  section.visit(collector);
  refuse_unknown_keys(given, collector.keys(), name, "its keys are");
  Reader reader(name, given);
  section.visit(reader);
}

// The option that `name` asks for, or the first.
const Option& choose(const std::vector<Option>& options, const std::string& section,
                     const std::vector<Given>& given) {
  TESSERA_CHECK(!options.empty(), "the catalog has no {}", section);
  auto found =
      std::find_if(given.begin(), given.end(), [](const Given& one) { return one.key == "name"; });
  if (found == given.end()) return options.front();
  std::vector<std::string> names;
  for (const Option& option : options) {
    bool is_named = found->value.kind == YamlNode::Kind::scalar;
    if (is_named && found->value.text == option.name) return option;
    names.push_back(option.name);
  }
  if (found->value.kind != YamlNode::Kind::scalar) {
    throw ConfigError(fmt::format("{}: {}.name: expected one of {}, got {}", found->value_place,
                                  section, fmt::join(names, ", "), describe(found->value)));
  }
  std::string near = nearest(found->value.text, names).value_or("");
  throw ConfigError(fmt::format("{}: {}.name: expected one of {}, got {}{}", found->value_place,
                                section, fmt::join(names, ", "), describe(found->value),
                                near.empty() ? "" : "; did you mean '" + near + "'?"));
}

// An override that names another option than the file does takes the place of the file's section:
// its other keys are those of what it replaces.
void drop_replaced(const std::vector<Option>& options, std::vector<Given>& given) {
  auto is_name = [](const Given& one) { return one.key == "name"; };
  auto name = std::find_if(given.begin(), given.end(), is_name);
  if (name == given.end() || !name->is_override) return;
  const std::string& before = name->replaced.empty() ? options.front().name : name->replaced;
  if (name->value.text == before) return;
  std::erase_if(given, [](const Given& one) { return !one.is_override; });
}

void load_chosen(Choice& choice, const std::string& name, const std::vector<Option>& options,
                 std::vector<Given>& given) {
  const Option& option = choose(options, name, given);
  drop_replaced(options, given);
  choice.name = option.name;
  choice.section = option.make();
  choice.make = option.make;
  KeyCollector collector({"name"});
  choice.section->visit(collector);
  refuse_unknown_keys(given, collector.keys(), name,
                      fmt::format("the keys of {} '{}' are", name, option.name));
  Reader reader(name, given);
  choice.section->visit(reader);
  choice.section->check();
}

}  // namespace

Config load_config(std::string_view text, std::string_view file,
                   std::span<const std::string> overrides, const Catalog& catalog) {
  Input input;
  for (std::string& name : section_names()) input[std::move(name)];
  Source source = Source::file(std::string(file));
  add_file(input, parse_yaml(text, source), source);
  for (const std::string& text_of_one : overrides) add_override(input, text_of_one);
  Config config;
  for_each_section(
      config, [&](const char* name, auto& section) { load_fixed(section, name, input[name]); },
      [&](const char* name, Choice& choice, auto options) {
        load_chosen(choice, name, catalog.*options, input[name]);
      });
  return config;
}

Config load_config_file(const std::string& path, std::span<const std::string> overrides,
                        const Catalog& catalog) {
  errno = 0;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                       &std::fclose);
  // One byte more than is allowed, so that parsing sees that there is too much.
  std::string text(kMaxYamlBytes + 1, '\0');
  if (file) text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (!file || std::ferror(file.get())) {
    throw ConfigError(
        fmt::format("cannot read config {}: {}", job::in_quotes(path), std::strerror(errno)));
  }
  return load_config(text, path, overrides, catalog);
}

}  // namespace tessera::experiment
