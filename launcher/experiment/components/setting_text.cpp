#include "launcher/experiment/components/setting_text.h"

#include "launcher/experiment/config/config_error.h"
#include "launcher/job/in_quotes.h"

namespace tessera::experiment {

std::string trimmed(const std::string& text) {
  size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::vector<std::string> split_trimmed(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find(separator, begin);
    parts.push_back(trimmed(text.substr(begin, end - begin)));
  }
  return parts;
}

SettingReader::SettingReader(std::string key, std::string value, std::string place)
    : key_(std::move(key)), place_(std::move(place)) {
  node_.kind = YamlNode::Kind::scalar;
  node_.text = std::move(value);
}

void SettingReader::field(const Field& field) {
  known_.emplace_back(field.key);
  if (key_ != field.key) return;
  read_field(field, node_, place_);
  found_ = true;
}

Setting parse_setting(const std::string& text, const std::string& place) {
  size_t equals = text.find('=');
  if (equals == std::string::npos) {
    throw ConfigError(fmt::format("{}expected KEY=VALUE, got {}", place, job::in_quotes(text)));
  }
  return {trimmed(text.substr(0, equals)), trimmed(text.substr(equals + 1))};
}

}  // namespace tessera::experiment
