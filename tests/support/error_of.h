// Checks on errors' messages.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/error.h"

namespace tessera::test {

// The message of the Error that fn() throws; "" when it throws none. Other exceptions pass.
template <class F>
std::string error_of(F&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Whether text contains part; a failure shows both.
inline testing::AssertionResult contains(std::string_view text, std::string_view part) {
  if (text.find(part) != std::string_view::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "expected \"" << part << "\" in \"" << text << '"';
}

}  // namespace tessera::test
