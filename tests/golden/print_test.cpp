// Arrays as NumPy prints them, from scripts/make_print_golden.py.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "core/io/npz.h"
#include "core/print.h"

namespace tessera {
namespace {

// The options in the first line, and the text behind it.
std::pair<PrintOptions, std::string> expectation(const Array& bytes) {
  std::vector<uint8_t> values = bytes.to_vector<uint8_t>();
  std::string text(values.begin(), values.end());
  size_t line = text.find('\n');
  std::istringstream words(text.substr(0, line));
  PrintOptions out;
  words >> out.precision >> out.threshold >> out.edge_items >> out.line_width >> out.suppress;
  return {out, text.substr(line + 1)};
}

TEST(PrintGolden, PrintsAsNumPyDoes) {
  std::map<std::string, Array> arrays;
  for (auto& [name, array] : load_npz(TESSERA_GOLDEN_DIR "/print.npz")) arrays[name] = array;
  int cases = 0;
  for (const auto& [name, array] : arrays) {
    auto text = arrays.find(name + ".text");
    if (text == arrays.end()) continue;
    ++cases;
    auto [options, expected] = expectation(text->second);
    EXPECT_EQ(elements_string(array, options), expected) << name;
  }
  EXPECT_GT(cases, 800);
}

}  // namespace
}  // namespace tessera
