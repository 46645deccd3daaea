// Any text as a checkpoint's manifest: one that can be written and read again, or an Error.
#include "core/error.h"
#include "distributed/checkpoint/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tessera;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (ManifestKind kind : {ManifestKind::whole, ManifestKind::part}) {
    try {
      // Nearly every change breaks the checksum: what lies behind it is tried as well.
      Manifest manifest = parse_unsealed_manifest(text, kind, "fuzz.json");
      std::string again = format_manifest(manifest, kind);
      if (format_manifest(parse_manifest(again, kind, "again"), kind) != again) __builtin_trap();
    } catch (const Error&) {
    }
    try {
      parse_manifest(text, kind, "fuzz.json");
    } catch (const Error&) {
    }
  }
  return 0;
}
