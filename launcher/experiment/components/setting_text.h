// Settings written as text within one key: "KEY=VALUE, ...; ...".
#pragma once

#include <string>
#include <vector>

#include "launcher/experiment/config/schema.h"

namespace tessera::experiment {

std::string trimmed(const std::string& text);
// The parts between separators, without spaces around them.
std::vector<std::string> split_trimmed(const std::string& text, char separator);

// Reads a value into the field that has the key, and lists the keys that there are.
class SettingReader : public FieldVisitor {
 public:
  // `place` begins ConfigErrors about the value.
  SettingReader(std::string key, std::string value, std::string place);

  void field(const Field& field) override;
  bool found() const { return found_; }
  const std::vector<std::string>& known() const { return known_; }

 private:
  std::string key_;
  YamlNode node_;
  std::string place_;
  bool found_ = false;
  std::vector<std::string> known_;
};

struct Setting {
  std::string key;
  std::string value;
};
// Of "KEY=VALUE"; a ConfigError, beginning with `place`, if it is none.
Setting parse_setting(const std::string& text, const std::string& place);

}  // namespace tessera::experiment
