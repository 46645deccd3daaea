#include "launcher/experiment/config/yaml_tree.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "launcher/experiment/config/config_error.h"

namespace tessera::experiment {
namespace {

using Kind = YamlNode::Kind;

YamlNode parse(std::string_view text) { return parse_yaml(text, Source::file("f.yaml")); }

std::string error_of(std::string_view text) {
  try {
    parse(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(YamlTree, KeepsOrderAndPlaces) {
  YamlNode root = parse("# a comment\nb: {x: 1, y: 'two'}\na:\n  - null\n  - ~\n  - \"~\"\n");
  ASSERT_EQ(root.kind, Kind::map);
  ASSERT_EQ(root.entries.size(), 2u);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[0].mark.line, 2);
  EXPECT_EQ(root.entries[0].mark.column, 1);
  const YamlNode& map = root.entries[0].value;
  ASSERT_EQ(map.entries.size(), 2u);
  EXPECT_EQ(map.entries[1].mark.column, 11);
  EXPECT_EQ(map.entries[1].value.mark.column, 14);
  EXPECT_EQ(map.entries[1].value.text, "two");
  EXPECT_TRUE(map.entries[1].value.is_quoted);
  EXPECT_FALSE(map.entries[0].value.is_quoted);
  const YamlNode& list = root.entries[1].value;
  ASSERT_EQ(list.items.size(), 3u);
  EXPECT_EQ(list.items[0].kind, Kind::null);
  EXPECT_EQ(list.items[1].kind, Kind::null);
  EXPECT_EQ(list.items[2].kind, Kind::scalar);
  EXPECT_EQ(list.items[2].mark.line, 6);
}

TEST(YamlTree, RefusesWhatAConfigDoesNotNeed) {
  EXPECT_EQ(error_of("a: &x 1\n"), "f.yaml:1:4: anchors (&name) are not supported in a config");
  EXPECT_EQ(error_of("a: 1\nb: &x {c: 1}"),
            "f.yaml:2:4: anchors (&name) are not supported in a config");
  EXPECT_EQ(error_of("a: !!int 1"),
            "f.yaml:1:4: tags are not supported in a config, got 'tag:yaml.org,2002:int'");
  EXPECT_EQ(error_of("a: !x {b: 1}"), "f.yaml:1:4: tags are not supported in a config, got '!x'");
  EXPECT_EQ(error_of("a: 1\n---\nb: 2\n"),
            "f.yaml:2:1: text after the end of the document; one document is expected");
  EXPECT_EQ(error_of("a: 1\nb: 2\na: 3\n"), "f.yaml:3:1: duplicate key 'a', first on line 1");
  EXPECT_EQ(error_of("? [a]\n: 1\n"), "f.yaml:1:3: a key must be a word; is a bracket left open?");
  EXPECT_EQ(error_of("[x"), "f.yaml:1:1: a key must be a word; is a bracket left open?");
  EXPECT_EQ(error_of("~: 1\n"), "f.yaml:1:1: a key must be a word");
  EXPECT_NE(error_of("a: *x"), "no error");
  EXPECT_EQ(error_of("---\na: 1\n...\n"), "no error");
}

TEST(YamlTree, NamesThePlaceOfASyntaxError) {
  EXPECT_EQ(error_of("a: {b: 1\n"), "f.yaml:2:1: YAML syntax: end of map flow not found");
  EXPECT_EQ(error_of("a: {b: 1"), "f.yaml:2:1: YAML syntax: end of map flow not found");
  EXPECT_EQ(error_of("a: 1 b: 2\n"), "f.yaml:1:7: YAML syntax: illegal map value");
  for (const char* nothing : {"", "  \n", "# only a comment\n"}) {
    EXPECT_EQ(error_of(nothing), "f.yaml:1:1: there is nothing but blanks and comments");
  }
}

TEST(YamlTree, LimitsSize) {
  std::string text = "a: 1\n";
  text += std::string(kMaxYamlBytes - text.size(), ' ');
  EXPECT_EQ(error_of(text), "no error");
  EXPECT_EQ(error_of(text + " "),
            "f.yaml:1:1: 1048577 bytes is more than a config may have, 1048576");
}

TEST(YamlTree, LimitsDepth) {
  EXPECT_EQ(error_of(repeat("[", kMaxYamlDepth) + repeat("]", kMaxYamlDepth)), "no error");
  EXPECT_EQ(error_of(repeat("[", kMaxYamlDepth + 1) + repeat("]", kMaxYamlDepth + 1)),
            "f.yaml:1:17: nested deeper than 16 levels");
  for (const char* opening : {"[", "{", "[\n", "{a: ", "- ", "? ", ": ", "[: ", "[? ", "{? "}) {
    size_t count = kMaxYamlBytes / std::string_view(opening).size();
    EXPECT_NE(error_of(repeat(opening, count)), "no error") << opening;
  }
}

TEST(YamlTree, RefusesWhatIsNotText) {
  EXPECT_EQ(error_of("a: 1\nb: \x04"), "f.yaml:2:4: byte 0x04 is not part of UTF-8 text");
  EXPECT_EQ(error_of("a: \xff"), "f.yaml:1:4: byte 0xff is not part of UTF-8 text");
  EXPECT_EQ(error_of(std::string_view("a\0: 1", 5)),
            "f.yaml:1:2: byte 0x00 is not part of UTF-8 text");
  EXPECT_EQ(error_of("a: \"\\0\""), "f.yaml:1:4: a NUL character in a string");
  EXPECT_EQ(parse("a: \xc3\xa4\xe2\x82\xac").entries[0].value.text, "\xc3\xa4\xe2\x82\xac");
}

TEST(YamlTree, OverridesHaveNoLines) {
  EXPECT_EQ(Source::override_of("a.b=c").at({}), "override 'a.b=c'");
  EXPECT_EQ(Source::override_of("a\n").at({}), "override 'a\\x0a'");
  EXPECT_EQ(Source::override_of(std::string(500, 'x')).at({}),
            "override '" + std::string(120, 'x') + "'...");
}

TEST(YamlTree, ScalarsReadBack) {
  EXPECT_EQ(yaml_scalar("runs/a-b_c.1"), "runs/a-b_c.1");
  EXPECT_EQ(yaml_scalar("Null"), "\"Null\"");
  EXPECT_EQ(yaml_scalar("300"), "\"300\"");
  EXPECT_EQ(yaml_scalar("a\"b\\\n"), "\"a\\\"b\\\\\\x0a\"");
  const std::vector<std::string> pieces{"a",  "null", " ", "#",  ": ", "\n",       "\t",
                                        "\"", "'",    "~", "\\", "%",  "\xc3\xa4", "{",
                                        "]",  "1",    "-", "\r", "&",  "\x01",     "\xc2\x85"};
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (unsigned n = random() % 6; n > 0; --n) text += pieces[random() % pieces.size()];
    YamlNode root = parse("k:\n  v: " + yaml_scalar(text) + "\n");
    const YamlNode& value = root.entries[0].value.entries[0].value;
    ASSERT_EQ(value.kind, Kind::scalar);
    ASSERT_EQ(value.text, text);
  }
}

}  // namespace
}  // namespace tessera::experiment
