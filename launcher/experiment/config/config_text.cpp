// The config as text: dump_yaml and explain.
#include "launcher/experiment/config/sections.h"

namespace tessera::experiment {
namespace {

class Dumper : public FieldVisitor {
 public:
  explicit Dumper(std::string& out) : out_(out) {}
  void field(const Field& field) override {
    out_ += fmt::format("  {}: {}\n", field.key, write_field(field));
  }

 private:
  std::string& out_;
};

class Explainer : public FieldVisitor {
 public:
  Explainer(std::string& out, int indent) : out_(out), indent_(indent) {}

  void field(const Field& field) override {
    const std::string& reason = field.constraint.reason;
    out_ += fmt::format("{:{}}{}: {}  ({}{}{})\n", "", indent_, field.key, write_field(field),
                        expected(field), reason.empty() ? "" : "; ", reason);
    out_ += fmt::format("{:{}}    {}\n", "", indent_, field.doc);
  }

 private:
  std::string& out_;
  int indent_;
};

void explain_choice(std::string& out, const std::string& name, const std::vector<Option>& options) {
  TESSERA_CHECK(!options.empty(), "the catalog has no {}", name);
  std::vector<std::string> names;
  for (const Option& option : options) names.push_back(option.name);
  out += fmt::format("{}:\n  name: {}  (one of {})\n      the other keys depend on it\n", name,
                     names.front(), fmt::join(names, ", "));
  for (const Option& option : options) {
    out += fmt::format("  {} {}: {}\n", name, option.name, option.doc);
    Explainer explainer(out, 4);
    option.make()->visit(explainer);
  }
  out += '\n';
}

}  // namespace

std::string dump_yaml(const Config& config) {
  std::string out;
  Dumper dumper(out);
  for_each_section(
      config,
      [&](const char* name, auto section) {  // a copy: visit is not const
        out += fmt::format("{}:\n", name);
        section.visit(dumper);
      },
      [&](const char* name, const Choice& choice, auto) {
        TESSERA_CHECK(choice.section, "the config has no {}", name);
        out += fmt::format("{}:\n  name: {}\n", name, yaml_scalar(choice.name));
        choice.section->visit(dumper);
      });
  return out;
}

std::string explain(const Catalog& catalog) {
  std::string out;
  Config defaults;
  for_each_section(
      defaults,
      [&](const char* name, auto& section) {
        out += fmt::format("{}:\n", name);
        Explainer explainer(out, 2);
        section.visit(explainer);
        out += '\n';
      },
      [&](const char* name, const Choice&, auto options) {
        explain_choice(out, name, catalog.*options);
      });
  out.pop_back();  // the empty line after the last section
  return out;
}

}  // namespace tessera::experiment
