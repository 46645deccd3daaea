#include "nn/type_name.h"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace tessera::nn {

std::string type_name(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string name = status == 0 ? text.get() : type.name();
  for (std::string_view own : {"tessera::nn::", "tessera::", "(anonymous namespace)::"}) {
    for (size_t at = name.find(own); at != std::string::npos; at = name.find(own, at)) {
      name.erase(at, own.size());
    }
  }
  return name;
}

}  // namespace tessera::nn
