// Any text as a config: a tree, or an Error that names the place.
#include "core/error.h"
#include "launcher/experiment/config/yaml_tree.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera::experiment;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    YamlNode node = parse_yaml(text, Source::file("fuzz.yaml"));
    if (describe(node).empty()) __builtin_trap();
  } catch (const tessera::Error&) {
  }
  return 0;
}
