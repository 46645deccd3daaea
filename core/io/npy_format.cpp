#include "core/io/npy_format.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "core/io/elements.h"
#include "core/json_text.h"

namespace tessera {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
// Versions 2.0 and 3.0 could say 4 GiB. Only structured dtypes, which are refused, get long.
constexpr uint64_t kMaxHeaderBytes = uint64_t{1} << 20;
constexpr size_t kPreambleAlignment = 64;
// Magic, version and the length of the header in version 1.
constexpr size_t kShortStart = 10;

struct Descr {
  std::string_view text;
  DType dtype;
};
constexpr std::array<Descr, 7> kDescrs{{{"<f4", DType::f32},
                                        {"<f8", DType::f64},
                                        {"<f2", DType::f16},
                                        {"<i8", DType::i64},
                                        {"<i4", DType::i32},
                                        {"|u1", DType::u8},
                                        {"|b1", DType::boolean}}};

struct Header {
  DType dtype = DType::f32;
  bool fortran_order = false;
  Dims shape;
};

// Reads the header's text, a Python dict literal:
//   dict  = '{' [entry {',' entry} [',']] '}'
//   entry = "'descr'" ':' string | "'fortran_order'" ':' bool | "'shape'" ':' tuple
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& what) : text_(text), what_(what) {}

  Header parse() {
    expect('{');
    while (!accept('}')) {
      entry();
      if (accept('}')) break;
      expect(',');
    }
    skip_space();
    if (at_ != text_.size()) unexpected("the end of the header");
    if (!dtype_) fail("the header has no 'descr'");
    if (!fortran_order_) fail("the header has no 'fortran_order'");
    if (!shape_) fail("the header has no 'shape'");
    return {*dtype_, *fortran_order_, *shape_};
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw_error(fmt::format("{}: {}", what_, problem));
  }

  [[noreturn]] void unexpected(std::string_view wanted) const {
    fail(fmt::format("expected {} at byte {} of the header, got {}", wanted, at_,
                     excerpt(text_.substr(at_))));
  }

  void skip_space() {
    while (at_ < text_.size() && std::strchr(" \t\n", text_[at_]) && text_[at_]) ++at_;
  }

  bool accept(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) unexpected(fmt::format("'{}'", wanted));
  }

  void entry() {
    std::string_view key = string("a key");
    expect(':');
    if (key == "descr") {
      put(dtype_, descr(), key);
    } else if (key == "fortran_order") {
      put(fortran_order_, boolean(), key);
    } else if (key == "shape") {
      put(shape_, tuple(), key);
    } else {
      fail(fmt::format("expected descr, fortran_order or shape in the header, got {}",
                       excerpt(key)));
    }
  }

  template <class T>
  void put(std::optional<T>& place, T value, std::string_view key) {
    if (place) fail(fmt::format("'{}' appears twice in the header", key));
    place = std::move(value);
  }

  // Without escapes: none of the words that are accepted has any.
  std::string_view string(std::string_view wanted) {
    skip_space();
    char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') unexpected(wanted);
    size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) unexpected("a string that ends");
    std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }

  DType descr() {
    std::string_view text = string("a plain dtype such as '<f4'");
    for (const Descr& descr : kDescrs) {
      if (descr.text == text) return descr.dtype;
    }
    if (text.starts_with('>')) {
      fail(fmt::format("dtype {} is big-endian; only little-endian files are read", excerpt(text)));
    }
    fail(fmt::format("dtype {} is not supported; expected one of <f4 <f8 <f2 <i8 <i4 |u1 |b1",
                     excerpt(text)));
  }

  bool boolean() {
    skip_space();
    for (bool value : {true, false}) {
      std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    unexpected("True or False");
  }

  // Of one element only with a comma, as in Python.
  Dims tuple() {
    Dims shape;
    bool comma = true;
    expect('(');
    while (!accept(')')) {
      if (!comma) unexpected("',' or ')'");
      shape.push_back(size());
      if (shape.size() > kMaxFileDims) fail(fmt::format("more than {} dims", kMaxFileDims));
      comma = accept(',');
    }
    if (shape.size() == 1 && !comma) fail("expected a tuple as shape, got a number in brackets");
    return shape;
  }

  int64_t size() {
    skip_space();
    int64_t value = 0;
    const char* begin = text_.data() + at_;
    auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) unexpected("a size that fits into an int64");
    if (error != std::errc() || *begin == '-') unexpected("a size");
    at_ += static_cast<size_t>(end - begin);
    return value;
  }

  std::string_view text_;
  const std::string& what_;
  size_t at_ = 0;
  std::optional<DType> dtype_;
  std::optional<bool> fortran_order_;
  std::optional<Dims> shape_;
};

// The header and the offset of the data behind it.
std::pair<Header, uint64_t> read_header(const ReadableFile& file, const std::string& what) {
  std::array<unsigned char, 12> start{};
  size_t available = std::min<uint64_t>(kShortStart, file.size());
  file.read(0, std::as_writable_bytes(std::span(start).first(available)));
  TESSERA_CHECK(
      available == kShortStart && std::memcmp(start.data(), kMagic.data(), kMagic.size()) == 0,
      "{}: not an npy file", what);
  int major = start[6];
  int minor = start[7];
  TESSERA_CHECK(major >= 1 && major <= 3 && minor == 0,
                "{}: expected version 1.0, 2.0 or 3.0, got {}.{}", what, major, minor);
  uint64_t begin = major == 1 ? kShortStart : start.size();
  TESSERA_CHECK(file.size() >= begin, "{}: the file ends inside its header", what);
  file.read(kShortStart,
            std::as_writable_bytes(std::span(start).subspan(kShortStart, begin - kShortStart)));
  // The bytes that version 1 does not have are 0.
  uint64_t length =
      start[8] | uint64_t{start[9]} << 8 | uint64_t{start[10]} << 16 | uint64_t{start[11]} << 24;
  TESSERA_CHECK(length <= kMaxHeaderBytes, "{}: expected a header of at most {} bytes, got {}",
                what, kMaxHeaderBytes, length);
  TESSERA_CHECK(file.size() >= begin + length,
                "{}: the header says it has {} bytes, but the file ends before that", what, length);
  std::string text(length, '\0');
  file.read(begin, std::as_writable_bytes(std::span(text)));
  return {HeaderParser(text, what).parse(), begin + length};
}

std::string_view descr_of(DType dtype, const std::string& what) {
  for (const Descr& descr : kDescrs) {
    if (descr.dtype == dtype) return descr.text;
  }
  throw_error(fmt::format(
      "{}: npy files cannot hold {}; convert to f32 first, or write safetensors", what, dtype));
}

Dims reversed(Dims dims) {
  std::reverse(dims.begin(), dims.end());
  return dims;
}

}  // namespace

Array read_npy(const ReadableFile& file, const std::string& what) {
  auto [header, offset] = read_header(file, what);
  std::optional<uint64_t> bytes = data_bytes(header.shape, header.dtype);
  TESSERA_CHECK(bytes, "{}: shape {} of {} is too large", what, header.shape, header.dtype);
  TESSERA_CHECK(*bytes == file.size() - offset,
                "{}: expected {} bytes of data for shape {} of {}, got {}", what, *bytes,
                header.shape, header.dtype, file.size() - offset);
  if (!header.fortran_order) {
    return read_elements(file, offset, header.shape, header.dtype, what);
  }
  Array out = read_elements(file, offset, reversed(header.shape), header.dtype, what);
  Dims order(header.shape.size(), 0);
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(order.size() - 1 - i);
  return out.permute(order);
}

std::string npy_preamble(DType dtype, const Dims& shape, const std::string& what) {
  TESSERA_CHECK(shape.size() <= kMaxFileDims, "{}: expected at most {} dims, got {}", what,
                kMaxFileDims, shape.size());
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                                 descr_of(dtype, what), shape);
  size_t unpadded = kMagic.size() + 4 + text.size() + 1;
  text.append((kPreambleAlignment - unpadded % kPreambleAlignment) % kPreambleAlignment, ' ');
  text += '\n';
  std::string preamble(kMagic);
  preamble +=
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return preamble + text;
}

}  // namespace tessera
