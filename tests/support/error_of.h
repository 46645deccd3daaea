// Checks on errors' messages.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "core/error.h"

namespace tessera::test {

// The message of the Error that fn() throws; "" when it throws none. Other exceptions pass.
template <class F>
std::string error_with_place(F&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// The same without the place that the message may end in: ", in module 'blocks.0', called at
// net.cpp:12".
template <class F>
std::string error_of(F&& fn) {
  std::string text = error_with_place(fn);
  text.resize(std::min(text.rfind(", called at "), text.size()));
  size_t module = text.rfind(", in module '");
  if (module != std::string::npos && text.ends_with("'")) text.resize(module);
  return text;
}

// Whether text contains part; a failure shows both.
inline testing::AssertionResult contains(std::string_view text, std::string_view part) {
  if (text.find(part) != std::string_view::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "expected \"" << part << "\" in \"" << text << '"';
}

}  // namespace tessera::test
