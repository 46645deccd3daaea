// The place of a call.
#pragma once

namespace tessera {

// Captured by a defaulted argument. std::source_location is missing from clang 14, and the
// built-ins also work where an argument converts implicitly (operators).
struct CallSite {
  constexpr CallSite(const char* file_name = __builtin_FILE(), int line_number = __builtin_LINE())
      : file(file_name), line(line_number) {}
  const char* file;
  int line;
};

}  // namespace tessera
