#include "core/io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/io/elements.h"
#include "core/json_text.h"

namespace tessera {
namespace {

constexpr std::string_view kMetadataKey = "__metadata__";

struct DTypeName {
  std::string_view text;
  DType dtype;
};
// In the order in which the reference implementation lays out the data.
constexpr std::array<DTypeName, 8> kDTypes{{{"I64", DType::i64},
                                            {"F64", DType::f64},
                                            {"F32", DType::f32},
                                            {"I32", DType::i32},
                                            {"BF16", DType::bf16},
                                            {"F16", DType::f16},
                                            {"U8", DType::u8},
                                            {"BOOL", DType::boolean}}};

size_t rank_of(DType dtype) {
  return static_cast<size_t>(
      std::find_if(kDTypes.begin(), kDTypes.end(),
                   [&](const DTypeName& row) { return row.dtype == dtype; }) -
      kDTypes.begin());
}

// Takes the parser's events one by one and accepts only the one structure that a header may have,
// so that neither depth nor duplicate keys can get past it. All handlers return true (go on) or
// throw.
class HeaderEvents final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderEvents(const std::string& what) : what_(what) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a bool"); }
  bool number_integer(number_integer_t) override { unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { unexpected("a fraction"); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::shape) {
      if (value > INT64_MAX) unexpected("a size beyond int64");
      if (entry_.shape.size() == kMaxFileDims) fail(fmt::format("more than {} dims", kMaxFileDims));
      entry_.shape.push_back(static_cast<int64_t>(value));
    } else if (place_ == Place::offsets && num_offsets_ < 2) {
      (num_offsets_++ == 0 ? entry_.begin : entry_.end) = value;
    } else {
      unexpected("a number");
    }
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header_.metadata[field_] = std::move(value);
    } else if (place_ == Place::tensor && field_ == "dtype") {
      auto row = std::find_if(kDTypes.begin(), kDTypes.end(),
                              [&](const DTypeName& known) { return known.text == value; });
      if (row == kDTypes.end()) fail(fmt::format("dtype {} is not supported", excerpt(value)));
      entry_.dtype = row->dtype;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top) {
      place_ = entry_.name == kMetadataKey ? Place::metadata : Place::tensor;
      fields_.clear();
      num_offsets_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (place_ == Place::top) {
      if (!names_.insert(value).second) {
        throw_error(fmt::format("{}: the name {} appears twice", what_, excerpt(value)));
      }
      entry_ = {};
      entry_.name = std::move(value);
      return true;
    }
    if (!fields_.insert(value).second) fail(fmt::format("{} appears twice", excerpt(value)));
    if (place_ == Place::tensor && value != "dtype" && value != "shape" &&
        value != "data_offsets") {
      fail(fmt::format("expected dtype, shape and data_offsets, got {}", excerpt(value)));
    }
    field_ = std::move(value);
    return true;
  }

  bool end_object() override {
    if (place_ == Place::top) {
      place_ = Place::outside;
      return true;
    }
    if (place_ == Place::tensor) {
      if (fields_.size() != 3) fail("expected each of dtype, shape and data_offsets");
      header_.tensors.push_back(std::move(entry_));
    }
    place_ = Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::tensor && field_ == "shape") {
      place_ = Place::shape;
    } else if (place_ == Place::tensor && field_ == "data_offsets") {
      place_ = Place::offsets;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() override {
    if (place_ == Place::offsets && num_offsets_ != 2) fail("expected two data_offsets");
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    throw_error(
        fmt::format("{}: the header is not JSON in UTF-8, at its byte {}", what_, position));
  }

 private:
  enum class Place { outside, top, metadata, tensor, shape, offsets };

  [[noreturn]] void fail(const std::string& problem) const {
    throw_error(fmt::format("{}: tensor {}: {}", what_, excerpt(entry_.name), problem));
  }

  [[noreturn]] void unexpected(std::string_view got) const {
    switch (place_) {
      case Place::outside:
        throw_error(fmt::format("{}: expected an object as header, got {}", what_, got));
      case Place::top: fail(fmt::format("expected an object, got {}", got));
      case Place::metadata:
        throw_error(fmt::format("{}: expected a string for {} in {}, got {}", what_,
                                excerpt(field_), kMetadataKey, got));
      case Place::shape: fail(fmt::format("expected sizes as shape, got {}", got));
      case Place::offsets: fail(fmt::format("expected two data_offsets, got {}", got));
      case Place::tensor: break;
    }
    fail(fmt::format("unexpected {} for {}", got, excerpt(field_)));
  }

  const std::string& what_;
  SafetensorsHeader header_;
  Place place_ = Place::outside;
  SafetensorsEntry entry_;  // the tensor being read; its name is the last key at the top
  std::string field_;       // the last key below the top
  size_t num_offsets_ = 0;
  std::unordered_set<std::string> names_;
  std::set<std::string> fields_;  // the keys so far of the object being read
};

// Sorts the tensors by place, and refuses any whose place does not fit.
void check_places(std::vector<SafetensorsEntry>& tensors, uint64_t file_bytes,
                  const std::string& what) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  uint64_t position = 0;
  for (const SafetensorsEntry& entry : tensors) {
    std::string tensor = fmt::format("{}: tensor {}", what, excerpt(entry.name));
    TESSERA_CHECK(entry.begin <= entry.end && entry.end <= file_bytes,
                  "{}: data_offsets [{}, {}] lie outside of the {} bytes of data", tensor,
                  entry.begin, entry.end, file_bytes);
    std::optional<uint64_t> expected = data_bytes(entry.shape, entry.dtype);
    TESSERA_CHECK(expected, "{}: shape {} of {} is too large", tensor, entry.shape, entry.dtype);
    TESSERA_CHECK(*expected == entry.nbytes(), "{}: expected {} bytes for shape {} of {}, got {}",
                  tensor, *expected, entry.shape, entry.dtype, entry.nbytes());
    TESSERA_CHECK(entry.begin == position, "{}: starts at byte {}, {} where {} was expected",
                  tensor, entry.begin, entry.begin < position ? "an overlap" : "a gap", position);
    position = entry.end;
  }
  TESSERA_CHECK(position == file_bytes, "{}: {} bytes of data belong to no tensor", what,
                file_bytes - position);
}

std::string utf8_or_throw(const std::string& text, const std::string& what) {
  std::optional<std::string> out = json_string(text);
  TESSERA_CHECK(out, "{}: {} is not UTF-8", what, excerpt(text));
  return *out;
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes,
                                           const std::string& what) {
  TESSERA_CHECK(text.starts_with('{'), "{}: expected an object as header", what);
  // The parser takes a zero byte for the end of the text, and would not see what follows.
  size_t zero = text.find('\0');
  TESSERA_CHECK(zero == std::string_view::npos, "{}: the header has a zero byte at {}", what, zero);
  HeaderEvents events(what);
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  SafetensorsHeader header = events.take();
  check_places(header.tensors, data_bytes, what);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header, const std::string& what) {
  std::vector<std::string> entries;
  entries.reserve(header.tensors.size() + 1);
  if (!header.metadata.empty()) {
    std::vector<std::string> pairs;
    for (const auto& [key, value] : header.metadata) {
      pairs.push_back(fmt::format("{}:{}", utf8_or_throw(key, what), utf8_or_throw(value, what)));
    }
    entries.push_back(fmt::format("\"{}\":{{{}}}", kMetadataKey, fmt::join(pairs, ",")));
  }
  std::unordered_set<std::string_view> names{kMetadataKey};
  for (const SafetensorsEntry& entry : header.tensors) {
    TESSERA_CHECK(names.insert(entry.name).second, "{}: the name {} appears twice{}", what,
                  excerpt(entry.name),
                  entry.name == kMetadataKey ? " (it is the format's own)" : "");
    entries.push_back(fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                                  utf8_or_throw(entry.name, what),
                                  kDTypes[rank_of(entry.dtype)].text, fmt::join(entry.shape, ","),
                                  entry.begin, entry.end));
  }
  return fmt::format("{{{}}}", fmt::join(entries, ","));
}

bool safetensors_before(DType a, DType b) { return rank_of(a) < rank_of(b); }

}  // namespace tessera
