#include "distributed/checkpoint/manifest.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/io/checksum.h"
#include "core/io/elements.h"
#include "core/io/file_system.h"
#include "core/json_text.h"

namespace tessera {
namespace {

using nlohmann::json;

constexpr const char* kWholeFormat = "tessera-checkpoint-1";
constexpr const char* kPartFormat = "tessera-part-1";
// What stands before and after the checksum.
constexpr std::string_view kSeal = ",\n\"checksum\": \"";
constexpr std::string_view kEnd = "\"}\n";

std::string text_of(std::string_view text) {
  auto out = json_string(text);
  TESSERA_CHECK(out, "[checkpoint] {} is not UTF-8", excerpt(text));
  return *out;
}

std::string number_of(const std::optional<double>& number) {
  return number ? json(*number).dump() : "null";
}

std::string format_loss_scale(const std::optional<LossScaleState>& state) {
  if (!state) return "";
  return fmt::format(",\n\"loss_scale\": {{\"scale\": {}, \"growth_tracker\": {}}}",
                     number_of(state->scale), state->growth_tracker);
}

// With a comma before it; nothing where there are none.
std::string format_metrics(const std::vector<NamedNumber>& metrics) {
  std::vector<std::string> rows;
  for (const NamedNumber& metric : metrics) {
    rows.push_back(fmt::format("[{}, {}]", text_of(metric.name), number_of(metric.value)));
  }
  return rows.empty() ? "" : fmt::format(",\n\"metrics\": [{}]", fmt::join(rows, ", "));
}

std::string format_info(const CheckpointInfo& info) {
  return fmt::format(
      "\"step\": {},\n\"generation\": {},\n\"ranks\": {},\n\"position\": {},\n\"seed\": {},\n"
      "\"updates\": {},\n\"data\": {},\n\"next_lr\": {},\n"
      "\"run\": {},\n\"build\": {},\n\"strategy\": {},\n\"valid_loss\": {},\n\"digest\": {},\n"
      "\"config\": {}{}{}{}",
      info.step, info.generation, info.ranks, info.position, info.seed,
      info.updates.value_or(info.step), text_of(info.data), number_of(info.next_lr),
      text_of(info.run), text_of(info.build), text_of(info.strategy), number_of(info.valid_loss),
      info.digest ? text_of(*info.digest) : "null", text_of(info.config),
      info.loop.empty() ? "" : ",\n\"loop\": " + text_of(info.loop), format_metrics(info.metrics),
      format_loss_scale(info.loss_scale));
}

std::string format_file(const FileRecord& file) {
  return fmt::format("  [{}, {}, \"{}\"]", text_of(file.name), file.bytes, file.checksum);
}

std::string format_tensor(const TensorRecord& tensor) {
  std::vector<std::string> pieces;
  for (const PieceRecord& piece : tensor.pieces) {
    pieces.push_back(fmt::format("[{}, {}, {}, {}, \"{}\"]", piece.file, piece.interval.begin,
                                 piece.interval.end, piece.at, piece.checksum));
  }
  return fmt::format("  [{}, \"{}\", [{}], [{}]]", text_of(tensor.name), tensor.dtype,
                     fmt::join(tensor.shape, ", "), fmt::join(pieces, ", "));
}

template <class T, class Format>
std::string format_rows(const std::vector<T>& rows, Format format) {
  std::vector<std::string> lines;
  for (const T& row : rows) lines.push_back(format(row));
  return fmt::format("[\n{}\n]", fmt::join(lines, ",\n"));
}

// A value of the JSON with the words for it in an error.
class Value {
 public:
  Value(const json& value, std::string where) : value_(value), where_(std::move(where)) {}

  Value operator[](const char* key) const {
    auto found = value_.is_object() ? value_.find(key) : value_.end();
    if (!value_.is_object() || found == value_.end()) {
      throw_error(fmt::format("{}: there is no '{}'", where_, key));
    }
    return {*found, fmt::format("{}: '{}'", where_, key)};
  }
  Value at(size_t i) const { return {value_[i], where_}; }
  size_t size() const { return value_.size(); }

  // A list; of `count` values where that is given.
  const Value& list(size_t count = 0) const {
    if (!value_.is_array() || (count > 0 && value_.size() != count)) {
      fail(count > 0 ? fmt::format("a list of {}", count) : "a list");
    }
    return *this;
  }
  // Whether this map has the key, which older writers did not know.
  bool has(const char* key) const { return value_.is_object() && value_.contains(key); }
  bool is_null() const { return value_.is_null(); }
  std::string text() const {
    if (!value_.is_string()) fail("a string");
    return value_.get<std::string>();
  }
  int64_t count() const {
    if (!value_.is_number_unsigned() || value_.get<uint64_t>() > INT64_MAX) {
      fail("a number of at least 0");
    }
    return value_.get<int64_t>();
  }
  double real() const {
    if (!value_.is_number()) fail("a number");
    return value_.get<double>();
  }
  std::string checksum() const {
    std::string found = text();
    if (!checksum_kind(found)) fail("a checksum");
    return found;
  }
  Value named(const std::string& name) const {
    return {value_, fmt::format("{}: {}", where_, excerpt(name))};
  }

  [[noreturn]] void fail(std::string_view expected) const {
    throw_error(fmt::format("{}: expected {}, got {}", where_, expected,
                            excerpt(value_.dump(-1, ' ', false, json::error_handler_t::replace))));
  }

 private:
  const json& value_;
  std::string where_;
};

LossScaleState parse_loss_scale(const Value& value) {
  LossScaleState state{value["scale"].real(), value["growth_tracker"].count()};
  if (!std::isfinite(state.scale) || state.scale <= 0) value["scale"].fail("a scale above 0");
  return state;
}

// Of one that was no number when it was written, nothing is kept.
std::vector<NamedNumber> parse_metrics(const Value& rows) {
  std::vector<NamedNumber> metrics;
  rows.list();
  for (size_t i = 0; i < rows.size(); ++i) {
    Value row = rows.at(i).list(2);
    if (!row.at(1).is_null()) metrics.push_back({row.at(0).text(), row.at(1).real()});
  }
  return metrics;
}

CheckpointInfo parse_info(const Value& top) {
  CheckpointInfo info;
  info.step = top["step"].count();
  info.generation = top["generation"].count();
  info.ranks = top["ranks"].count();
  info.position = top["position"].count();
  info.seed = top["seed"].count();
  if (top.has("updates")) info.updates = top["updates"].count();
  if (info.updates && *info.updates > info.step) top["updates"].fail("at most one update a step");
  if (top.has("data")) info.data = top["data"].text();
  if (top.has("next_lr") && !top["next_lr"].is_null()) info.next_lr = top["next_lr"].real();
  info.run = top["run"].text();
  info.build = top["build"].text();
  info.strategy = top["strategy"].text();
  if (!top["valid_loss"].is_null()) info.valid_loss = top["valid_loss"].real();
  if (!top["digest"].is_null()) info.digest = top["digest"].text();
  info.config = top["config"].text();
  if (top.has("loop")) info.loop = top["loop"].text();
  if (top.has("loss_scale")) info.loss_scale = parse_loss_scale(top["loss_scale"]);
  if (top.has("metrics")) info.metrics = parse_metrics(top["metrics"]);
  return info;
}

FileRecord parse_file(const Value& row) {
  row.list(3);
  FileRecord file;
  file.name = row.at(0).text();
  if (!is_plain_name(file.name)) row.at(0).fail("the name of a file in the folder");
  file.bytes = static_cast<uint64_t>(row.at(1).count());
  file.checksum = row.at(2).checksum();
  return file;
}

PieceRecord parse_piece(const Value& row, const TensorRecord& tensor,
                        const std::vector<FileRecord>& files) {
  row.list(5);
  PieceRecord piece;
  piece.file = static_cast<size_t>(row.at(0).count());
  if (piece.file >= files.size()) row.at(0).fail("the index of a file");
  piece.interval = {row.at(1).count(), row.at(2).count()};
  if (piece.interval.begin > piece.interval.end || piece.interval.end > tensor.numel()) {
    row.fail(fmt::format("an interval of the {} elements", tensor.numel()));
  }
  piece.at = static_cast<uint64_t>(row.at(3).count());
  uint64_t bytes = tensor.bytes_of(piece.interval);
  uint64_t file_bytes = files[piece.file].bytes;
  if (bytes > file_bytes || piece.at > file_bytes - bytes) {
    row.fail(fmt::format("a place inside the {} bytes of {}", file_bytes, files[piece.file].name));
  }
  piece.checksum = row.at(4).checksum();
  return piece;
}

TensorRecord parse_tensor(const Value& unnamed, const std::vector<FileRecord>& files) {
  unnamed.list(4);
  TensorRecord tensor;
  tensor.name = unnamed.at(0).text();
  Value row = unnamed.named(tensor.name);
  auto dtype = parse_dtype(row.at(1).text());
  if (!dtype) row.at(1).fail("a dtype");
  tensor.dtype = *dtype;
  Value shape = row.at(2).list();
  if (shape.size() > kMaxFileDims) shape.fail(fmt::format("at most {} dims", kMaxFileDims));
  for (size_t i = 0; i < shape.size(); ++i) tensor.shape.push_back(shape.at(i).count());
  if (!data_bytes(tensor.shape, tensor.dtype)) shape.fail("a shape that fits into memory");
  Value pieces = row.at(3).list();
  for (size_t i = 0; i < pieces.size(); ++i) {
    tensor.pieces.push_back(parse_piece(pieces.at(i), tensor, files));
  }
  return tensor;
}

void check_cover(TensorRecord& tensor, ManifestKind kind, const std::string& what) {
  auto by_begin = [](const PieceRecord& a, const PieceRecord& b) {
    return std::pair(a.interval.begin, a.interval.end) <
           std::pair(b.interval.begin, b.interval.end);
  };
  std::sort(tensor.pieces.begin(), tensor.pieces.end(), by_begin);
  int64_t end = 0;
  for (const PieceRecord& piece : tensor.pieces) {
    TESSERA_CHECK(piece.interval.begin >= end, "{}: {}: elements [{}, {}) are listed twice", what,
                  excerpt(tensor.name), piece.interval.begin, std::min(end, piece.interval.end));
    TESSERA_CHECK(kind == ManifestKind::part || piece.interval.begin == end,
                  "{}: {}: elements [{}, {}) are missing", what, excerpt(tensor.name), end,
                  piece.interval.begin);
    end = piece.interval.end;
  }
  TESSERA_CHECK(kind == ManifestKind::part || end == tensor.numel(),
                "{}: {}: elements [{}, {}) are missing", what, excerpt(tensor.name), end,
                tensor.numel());
}

void sort_and_check(Manifest& manifest, ManifestKind kind, const std::string& what) {
  std::set<std::string_view> names;
  for (const FileRecord& file : manifest.files) {
    TESSERA_CHECK(names.insert(file.name).second, "{}: the file {} is listed twice", what,
                  excerpt(file.name));
  }
  std::sort(manifest.tensors.begin(), manifest.tensors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const TensorRecord* before = nullptr;
  for (TensorRecord& tensor : manifest.tensors) {
    TESSERA_CHECK(!before || before->name != tensor.name, "{}: the tensor {} is listed twice", what,
                  excerpt(tensor.name));
    check_cover(tensor, kind, what);
    before = &tensor;
  }
}

}  // namespace

int64_t TensorRecord::numel() const { return num_elements(shape); }

const TensorRecord* Manifest::find(std::string_view name) const {
  auto found =
      std::lower_bound(tensors.begin(), tensors.end(), name,
                       [](const TensorRecord& t, std::string_view n) { return t.name < n; });
  return found != tensors.end() && found->name == name ? &*found : nullptr;
}

std::string state_name(std::string_view state, std::string_view parameter) {
  return fmt::format("{}/{}", state, parameter);
}

bool is_state_name(std::string_view name) { return name.find('/') != std::string_view::npos; }

std::string piece_name(std::string_view tensor, Interval interval) {
  return fmt::format("{}@{}:{}", tensor, interval.begin, interval.end);
}

std::string format_manifest(const Manifest& manifest, ManifestKind kind) {
  std::string text = fmt::format(
      "{{\"format\": \"{}\",\n{},\n\"files\": {},\n\"tensors\": {}",
      kind == ManifestKind::whole ? kWholeFormat : kPartFormat, format_info(manifest.info),
      format_rows(manifest.files, format_file), format_rows(manifest.tensors, format_tensor));
  std::string seal = checksum_of(std::as_bytes(std::span(text)), ChecksumKind::xxh3);
  return fmt::format("{}{}{}{}", text, kSeal, seal, kEnd);
}

Manifest parse_manifest(std::string_view text, ManifestKind kind, const std::string& what) {
  size_t seal = text.rfind(kSeal);
  bool sealed = seal != std::string_view::npos && text.ends_with(kEnd) &&
                text.size() - seal >= kSeal.size() + kEnd.size();
  TESSERA_CHECK(sealed, "{}: it does not end in a checksum: it is cut off, or no manifest", what);
  std::string_view stated = text.substr(seal + kSeal.size());
  stated.remove_suffix(kEnd.size());
  std::string found =
      checksum_of(std::as_bytes(std::span(text.substr(0, seal))), ChecksumKind::xxh3);
  TESSERA_CHECK(stated == found, "{}: damaged: its checksum is {}, and it says {}", what, found,
                excerpt(stated));
  return parse_unsealed_manifest(text, kind, what);
}

Manifest parse_unsealed_manifest(std::string_view text, ManifestKind kind,
                                 const std::string& what) {
  json root = json::parse(text, nullptr, false);
  TESSERA_CHECK(!root.is_discarded(), "{}: not JSON", what);
  Value top(root, what);
  const char* expected = kind == ManifestKind::whole ? kWholeFormat : kPartFormat;
  std::string format = top["format"].text();
  TESSERA_CHECK(format == expected, "{}: expected the format {}, got {}", what, expected,
                excerpt(format));
  Manifest manifest;
  manifest.info = parse_info(top);
  Value files = top["files"].list();
  for (size_t i = 0; i < files.size(); ++i) manifest.files.push_back(parse_file(files.at(i)));
  Value tensors = top["tensors"].list();
  for (size_t i = 0; i < tensors.size(); ++i) {
    manifest.tensors.push_back(parse_tensor(tensors.at(i), manifest.files));
  }
  sort_and_check(manifest, kind, what);
  return manifest;
}

Manifest merge_parts(std::vector<Manifest> parts, const CheckpointInfo& info,
                     const std::string& what) {
  Manifest whole;
  whole.info = info;
  std::map<std::string, TensorRecord> tensors;
  for (Manifest& part : parts) {
    size_t first_file = whole.files.size();
    for (FileRecord& file : part.files) whole.files.push_back(std::move(file));
    for (TensorRecord& tensor : part.tensors) {
      TensorRecord& merged = tensors[tensor.name];
      if (merged.name.empty() && merged.pieces.empty()) {
        merged = {tensor.name, tensor.dtype, tensor.shape, {}};
      }
      TESSERA_CHECK(merged.dtype == tensor.dtype && merged.shape == tensor.shape,
                    "{}: the parts disagree about {}: {} {} and {} {}", what, excerpt(tensor.name),
                    merged.dtype, merged.shape, tensor.dtype, tensor.shape);
      for (PieceRecord& piece : tensor.pieces) {
        piece.file += first_file;
        merged.pieces.push_back(std::move(piece));
      }
    }
  }
  for (auto& [name, tensor] : tensors) whole.tensors.push_back(std::move(tensor));
  sort_and_check(whole, ManifestKind::whole, what);
  return whole;
}

}  // namespace tessera
