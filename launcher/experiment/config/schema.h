// How a config section lists its fields. A section is a struct with
//
//   void visit(FieldVisitor& v) { v("steps", steps, "number of optimizer steps", at_least(1)); }
//
// and loading, dumping and explaining are visitors. A field's default is the struct's initialiser.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/words.h"
#include "launcher/experiment/config/yaml_tree.h"

namespace tessera::experiment {

// An integer, or the word `auto`, which is no value.
struct AutoInt {
  std::optional<int64_t> value;
  friend bool operator==(const AutoInt&, const AutoInt&) = default;
};

// `false`, `true`, or a name, which stands for true as well.
struct SwitchOrName {
  bool on = false;
  std::string name = {};
  friend bool operator==(const SwitchOrName&, const SwitchOrName&) = default;
};

// What a field accepts beyond its type. Made by the functions below; the default accepts all.
struct Constraint {
  // Of numbers.
  double lowest = -std::numeric_limits<double>::infinity();
  double highest = std::numeric_limits<double>::infinity();
  bool lowest_is_excluded = false;
  bool highest_is_excluded = false;
  // Of strings; all words where empty.
  std::vector<std::string> words;
  // A number that is computed with in f32, where it must not become 0, infinite or out of range.
  bool is_kept_in_f32 = false;
  // A string that can name a file: not empty, no '/' or control characters, no '~' at its start,
  // not "." or "..".
  bool is_file_name = false;
  // A path, without control characters, or one of `words`. "~/" at its start is the home folder.
  bool is_path = false;
  // Why there is a limit; ends the message about a value that breaks it.
  std::string reason;

  // at_least(0).because("...")
  Constraint because(std::string text) &&;
  // at_least(0).in_f32()
  Constraint in_f32() &&;
};

Constraint at_least(double lowest);
Constraint greater_than(double lowest);
Constraint at_most(double highest);
// From lowest to highest, both included.
Constraint in_range(double lowest, double highest);
// From lowest, included, to highest, excluded: a dropout probability, say.
Constraint at_least_and_below(double lowest, double highest);
// Both excluded.
Constraint between(double lowest, double highest);
Constraint one_of(std::initializer_list<const char*> words);
Constraint file_name();
// A path, or one of the words, which no other case of letters may stand for.
Constraint path(std::initializer_list<const char*> words = {});

// An optional is written `null` when it has no value.
using FieldRef = std::variant<bool*, int64_t*, double*, std::string*, std::optional<bool>*,
                              std::optional<int64_t>*, std::optional<double>*,
                              std::optional<std::string>*, AutoInt*, SwitchOrName*>;

// One key of a section. Refers to its struct, and lives for the call that it is passed to.
struct Field {
  const char* key;
  FieldRef value;
  // One line: what it is, and its unit.
  const char* doc;
  Constraint constraint = {};
};

class FieldVisitor {
 public:
  virtual ~FieldVisitor() = default;
  virtual void field(const Field& field) = 0;

  template <class T>
  requires(!std::is_enum_v<T>) void operator()(const char* key, T& value, const char* doc,
                                               Constraint constraint = {}) {
    field({key, &value, doc, std::move(constraint)});
  }
  // An enum with words (core/words.h): a string that is one of them.
  template <HasWords E>
  void operator()(const char* key, E& value, const char* doc) {
    std::vector<E> all;
    for (const Word<E>& word : words_of(E{})) all.push_back(word.value);
    choice<E>(key, value, doc, all);
  }
  // An enum of which these values can be chosen. Their words are name(value).
  template <class E>
  void operator()(const char* key, E& value, const char* doc, std::initializer_list<E> choices) {
    choice<E>(key, value, doc, choices);
  }

 private:
  template <class E>
  void choice(const char* key, E& value, const char* doc, std::span<const E> choices) {
    std::vector<std::string> words;
    for (E each : choices) words.emplace_back(name(each));
    size_t chosen = choose(key, doc, std::string(name(value)), std::move(words));
    if (chosen < choices.size()) value = choices[chosen];
  }
  // A field that is `word`, one of the words, and which of them it is then.
  size_t choose(const char* key, const char* doc, std::string word, std::vector<std::string> words);
};

// A section whose keys depend on its `name`, such as model or data. `name` itself is not one of its
// fields.
class Section {
 public:
  virtual ~Section() = default;
  // Passes every field to v, the same ones in the same order at each call, and changes none itself.
  virtual void visit(FieldVisitor& v) = 0;
  // Throws ConfigError, beginning with section and key, where values that are each in order
  // contradict each other. Called when all are read.
  virtual void check() const {}
};

// "an integer of at least 1", "null or a string", "one of exact, fast": what field accepts.
std::string expected(const Field& field);

// Reads node into the field. Throws ConfigError "PLACE: expected ..., got ..." when node is not of
// the field's type, does not fit it, or breaks its constraint; the field is unchanged then.
void read_field(const Field& field, const YamlNode& node, const std::string& place);

// The field's value as YAML on one line, which read_field reads back exactly. A double must be
// finite.
std::string write_field(const Field& field);

// Throws Error, naming section and key, unless the field's present value is one it accepts.
void check_default(const Field& field, const std::string& section);

}  // namespace tessera::experiment
