// The experiment config: one YAML file is one whole run.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "launcher/experiment/config/config_error.h"
#include "launcher/experiment/config/run_sections.h"
#include "launcher/experiment/config/schema.h"

namespace tessera::experiment {

// One name that a chosen section knows, with the struct that holds its keys.
struct Option {
  std::string name;
  // One line.
  std::string doc;
  std::function<std::unique_ptr<Section>()> make;
};

template <class T>
Option option(std::string name, std::string doc) {
  return {std::move(name), std::move(doc), [] { return std::make_unique<T>(); }};
}

// What `name` can be in each chosen section. None is empty, and the first one is the default.
struct Catalog {
  std::vector<Option> model;
  std::vector<Option> data;
  std::vector<Option> optim;
  std::vector<Option> schedule;
};

// A section whose keys depend on its `name`.
struct Choice {
  std::string name;
  std::unique_ptr<Section> section;
  std::function<std::unique_ptr<Section>()> make = {};  // such a section with its defaults

  // The section as a T, which the catalog made for this name; Error if it is something else.
  template <class T>
  const T& as() const {
    auto* typed = dynamic_cast<const T*>(section.get());
    TESSERA_CHECK(typed, "the config section chosen by '{}' is of another type", name);
    return *typed;
  }
};

struct Config {
  RunConfig run;
  InitConfig init;
  Choice model;
  Choice data;
  Choice optim;
  Choice schedule;
  ParallelConfig parallel;
  ComputeConfig compute;
  CheckpointConfig checkpoint;
  LogConfig log;
};

// The config that YAML text and the overrides `section.key=value` on top of it describe. Absent
// keys have their defaults. An override replaces what the file says, and of two for one key the
// last one counts; its value is a YAML scalar. Throws ConfigError with the place (FILE:LINE:COLUMN,
// with file standing for FILE, or the override) and a suggestion where a word is unknown.
Config load_config(std::string_view text, std::string_view file,
                   std::span<const std::string> overrides, const Catalog& catalog);

// The same for the text of the file at path; ConfigError also if it cannot be read.
Config load_config_file(const std::string& path, std::span<const std::string> overrides,
                        const Catalog& catalog);

// The resolved config as YAML, with every key. load_config gives the same values back, doubles
// bit for bit.
std::string dump_yaml(const Config& config);

// All sections with their keys, defaults, what they accept, and their doc lines, for a reader.
std::string explain(const Catalog& catalog);

}  // namespace tessera::experiment
