#include "launcher/experiment/formats/file_kind.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "launcher/job/utf8.h"

namespace tessera::experiment {
namespace {

using namespace std::string_view_literals;

constexpr size_t kHeadBytes = 1024;

struct Magic {
  std::string_view bytes;
  const char* kind;
};
constexpr std::array<Magic, 9> kMagics{{{"\x93NUMPY"sv, "a NumPy array (.npy)"},
                                        {"\x89HDF\r\n"sv, "an HDF5 file"},
                                        {"GGUF"sv, "a GGUF file"},
                                        {"\x1f\x8b"sv, "a gzip archive"},
                                        {"\x7f"
                                         "ELF"sv,
                                         "a program"},
                                        {"\x89PNG"sv, "a PNG image"},
                                        {"PAR1"sv, "a Parquet file"},
                                        {"7z\xbc\xaf"sv, "a 7z archive"},
                                        {"ustar"sv, "a tar archive"}}};

std::string head_of(const ReadableFile& file) {
  std::string head(std::min<uint64_t>(file.size(), kHeadBytes), '\0');
  file.read(0, std::as_writable_bytes(std::span(head)));
  return head;
}

bool is_text(std::string_view head) {
  auto bad = job::find_invalid_utf8(head);
  // The last character may be cut.
  if (bad && (head.size() < kHeadBytes || *bad + 4 < head.size())) return false;
  return std::none_of(head.begin(), head.end(), [](unsigned char c) {
    return (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f;
  });
}

}  // namespace

std::string file_kind(const ReadableFile& file) {
  std::string head = head_of(file);
  std::string_view view = head;
  if (view.empty()) return "an empty file";
  if (view.starts_with("PK\x03\x04"sv)) {
    // torch.save writes NAME/data.pkl first.
    return view.find("data.pkl") != view.npos ? "a PyTorch pickle (torch.save)"
                                              : "a zip archive, as NumPy's .npz are";
  }
  if (view.size() > 2 && view[0] == '\x80' && view[1] >= 2 && view[1] <= 5) {
    return "a pickle, as torch.save and Python write";
  }
  for (const Magic& magic : kMagics) {
    if (view.starts_with(magic.bytes)) return magic.kind;
  }
  if (!is_text(view)) return "";
  size_t first = view.find_first_not_of(" \t\r\n");
  bool is_json = first != view.npos && (view[first] == '{' || view[first] == '[');
  return is_json ? "a JSON file" : "a text file";
}

}  // namespace tessera::experiment
