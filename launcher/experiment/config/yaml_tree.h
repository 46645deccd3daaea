// YAML text as a small tree in which every node knows where it was written.
//
// Only what a configuration needs is accepted: one document of maps, lists and scalars. Size and
// depth are limited, so that text from anywhere is safe to parse; anchors, aliases and tags are
// refused.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::experiment {

constexpr size_t kMaxYamlBytes = size_t{1} << 20;
// Maps and lists inside each other. A config needs two.
constexpr size_t kMaxYamlDepth = 16;

// From 1; columns count bytes.
struct Mark {
  int line = 1;
  int column = 1;
};

// Where a piece of text came from, as messages name it.
class Source {
 public:
  static Source file(std::string name);
  // One `section.key=value` of a command line.
  static Source override_of(std::string_view text);

  // "configs/quickstart.yaml:7:3", or "override 'model.layers=3'" whatever the mark.
  std::string at(Mark mark) const;

 private:
  Source(std::string name, bool has_lines) : name_(std::move(name)), has_lines_(has_lines) {}
  std::string name_;
  bool has_lines_;
};

struct YamlNode {
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  Mark mark;
  // Of a scalar. A plain `null`, `~` or nothing is of kind null; in quotes it is a scalar.
  std::string text;
  bool is_quoted = false;
  // Of a list.
  std::vector<YamlNode> items;
  // Of a map, in the order of the text, without duplicates.
  std::vector<Entry> entries;
};

struct YamlNode::Entry {
  std::string key;
  Mark mark;
  YamlNode value;
};

// The tree of text, which is UTF-8. Throws ConfigError naming source and place for a syntax error,
// for what the comment at the top refuses, for a duplicate key, and for text without a document
// (empty, or comments only).
YamlNode parse_yaml(std::string_view text, const Source& source);

// "null", "a map", "a list", or the scalar itself in quotes: how a message shows a value.
std::string describe(const YamlNode& node);

// text as a YAML scalar on one line: plain if nothing could misread it, otherwise in double quotes.
// It parses back to the same text.
std::string yaml_scalar(std::string_view text);

}  // namespace tessera::experiment
