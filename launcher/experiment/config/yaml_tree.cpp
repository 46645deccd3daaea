#include "launcher/experiment/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <sstream>

#include "launcher/experiment/config/config_error.h"
#include "launcher/job/utf8.h"

namespace tessera::experiment {
namespace {

// Builds the tree from yaml-cpp's events. yaml-cpp recurses once per map or list and announces each
// before it goes down, so that throwing here bounds its stack.
class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const Source& source) : source_(source) {}

  // The finished document; none if the text had none.
  std::optional<YamlNode> take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) fail(convert(mark), "text after the end of the document; one document is expected");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    YamlNode node;
    node.mark = convert(mark);
    add(std::move(node));
  }

  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    fail(convert(mark), "anchors (&name) are not supported in a config");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(convert(mark), "aliases (*name) are not supported in a config");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    // yaml-cpp's own tags: "?" for a plain scalar, "!" for one in quotes.
    if (tag != "!") refuse_tag(mark, tag);
    YamlNode node;
    node.kind = YamlNode::Kind::scalar;
    node.mark = convert(mark);
    node.text = value;
    node.is_quoted = tag == "!";
    if (value.find('\0') != std::string::npos) fail(node.mark, "a NUL character in a string");
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::list, mark, tag);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::map, mark, tag);
  }
  void OnMapEnd() override { close(); }

 private:
  // A map or list whose end has not come yet. In a map, keys and values take turns.
  struct Open {
    YamlNode node;
    std::map<std::string, int> line_of_key = {};
    bool value_is_next = false;
  };

  [[noreturn]] void fail(Mark mark, const std::string& message) const {
    throw ConfigError(fmt::format("{}: {}", source_.at(mark), message));
  }

  static Mark convert(const YAML::Mark& mark) {
    return mark.is_null() ? Mark{} : Mark{mark.line + 1, mark.column + 1};
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (tag != "?" && !tag.empty()) {
      fail(convert(mark),
           fmt::format("tags are not supported in a config, got {}", job::in_quotes(tag)));
    }
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag) {
    refuse_tag(mark, tag);
    // yaml-cpp also takes a bracket that is never closed for the start of a key.
    refuse_as_key(convert(mark), "; is a bracket left open?");
    if (open_.size() == kMaxYamlDepth) {
      fail(convert(mark), fmt::format("nested deeper than {} levels", kMaxYamlDepth));
    }
    YamlNode node;
    node.kind = kind;
    node.mark = convert(mark);
    open_.push_back({std::move(node)});
  }

  void close() {
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    add(std::move(node));
  }

  bool key_is_next() const {
    return !open_.empty() && open_.back().node.kind == YamlNode::Kind::map &&
           !open_.back().value_is_next;
  }

  void refuse_as_key(Mark mark, const std::string& hint = "") const {
    if (key_is_next()) fail(mark, "a key must be a word" + hint);
  }

  void add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::list) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.value_is_next) {
      parent.node.entries.back().value = std::move(node);
      parent.value_is_next = false;
    } else {
      add_key(parent, std::move(node));
    }
  }

  void add_key(Open& parent, YamlNode node) {
    if (node.kind != YamlNode::Kind::scalar) refuse_as_key(node.mark);
    auto [first, is_new] = parent.line_of_key.emplace(node.text, node.mark.line);
    if (!is_new) {
      fail(node.mark, fmt::format("duplicate key {}, first on line {}", job::in_quotes(node.text),
                                  first->second));
    }
    parent.node.entries.push_back({std::move(node.text), node.mark, {}});
    parent.value_is_next = true;
  }

  const Source& source_;
  std::optional<YamlNode> root_;
  std::vector<Open> open_;
};

// Refuses what yaml-cpp would take as an end of text (0x04), as another encoding, or pass on into
// strings that no JSON file can hold.
void check_text(std::string_view text, const Source& source) {
  if (text.size() > kMaxYamlBytes) {
    throw ConfigError(fmt::format("{}: {} bytes is more than a config may have, {}", source.at({}),
                                  text.size(), kMaxYamlBytes));
  }
  std::optional<size_t> bad = job::find_invalid_utf8(text);
  for (size_t i = 0; i < bad.value_or(text.size()); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    bool is_space = byte == '\t' || byte == '\n' || byte == '\r';
    if ((byte < 0x20 && !is_space) || byte == 0x7f) bad = i;
  }
  if (!bad) return;
  std::string_view before = text.substr(0, *bad);
  size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  Mark mark{static_cast<int>(std::count(before.begin(), before.end(), '\n')) + 1,
            static_cast<int>(*bad - line_start) + 1};
  throw ConfigError(fmt::format("{}: byte 0x{:02x} is not part of UTF-8 text", source.at(mark),
                                static_cast<unsigned char>(text[*bad])));
}

// Where lines are indented by tabs, which YAML does not allow: its own messages name something
// else.
void refuse_tabs(std::string_view text, const Source& source) {
  int line = 1;
  while (!text.empty()) {
    size_t length = std::min(text.find('\n'), text.size() - 1) + 1;
    size_t indent = text.substr(0, length).find_first_not_of(' ');
    bool is_tab = indent < length && text[indent] == '\t';
    size_t content = text.substr(0, length).find_first_not_of(" \t\r\n");
    if (is_tab && content < length && text[content] != '#') {
      throw ConfigError(fmt::format("{}: a tab; YAML indents with spaces",
                                    source.at({line, static_cast<int>(indent) + 1})));
    }
    text.remove_prefix(length);
    ++line;
  }
}

// Words that YAML 1.1 or 1.2 readers take for something other than a string.
bool is_special_word(std::string_view text) {
  constexpr std::array kWords{"null", "true", "false", "yes", "no",  "on",
                              "off",  "y",    "n",     "nan", "inf", "auto"};
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return std::find(kWords.begin(), kWords.end(), lower) != kWords.end();
}

}  // namespace

Source Source::file(std::string name) { return {std::move(name), true}; }

Source Source::override_of(std::string_view text) {
  return {"override " + job::in_quotes(text), false};
}

std::string Source::at(Mark mark) const {
  return has_lines_ ? fmt::format("{}:{}:{}", name_, mark.line, mark.column) : name_;
}

YamlNode parse_yaml(std::string_view text, const Source& source) {
  check_text(text, source);
  TreeBuilder builder(source);
  try {
    // Without a newline at the end yaml-cpp places the error of an open bracket on column 0 of the
    // last line.
    bool is_terminated = !text.empty() && text.back() == '\n';
    std::istringstream stream{std::string(text) + (is_terminated ? "" : "\n")};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    Mark mark = error.mark.is_null() ? Mark{} : Mark{error.mark.line + 1, error.mark.column + 1};
    refuse_tabs(text, source);
    throw ConfigError(fmt::format("{}: YAML syntax: {}", source.at(mark), error.msg));
  }
  std::optional<YamlNode> root = builder.take();
  if (!root) throw ConfigError(source.at({}) + ": there is nothing but blanks and comments");
  return *std::move(root);
}

std::string describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::null: return "null";
    case YamlNode::Kind::list: return "a list";
    case YamlNode::Kind::map: return "a map";
    case YamlNode::Kind::scalar: break;
  }
  return job::in_quotes(node.text);
}

std::string yaml_scalar(std::string_view text) {
  auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  auto is_safe = [&](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '/' || c == '.' || c == '-';
  };
  bool is_plain = !text.empty() && (is_letter(text[0]) || text[0] == '/' || text[0] == '_') &&
                  std::all_of(text.begin(), text.end(), is_safe) && !is_special_word(text);
  if (is_plain) return std::string(text);
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace tessera::experiment
