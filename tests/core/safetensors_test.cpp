#include "core/io/safetensors.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;
using Named = std::vector<std::pair<std::string, Array>>;

std::string file_of(std::string_view header, std::string_view data, uint64_t length) {
  std::string out(reinterpret_cast<const char*>(&length), sizeof length);
  return out + std::string(header) + std::string(data);
}

std::string file_of(std::string_view header, std::string_view data) {
  return file_of(header, data, header.size());
}

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                  std::string_view offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

// What load_safetensors says of a file with this content.
std::string refusal(const std::string& content) {
  TempDir dir;
  std::string path = dir.write("a.safetensors", content);
  std::string error = error_of([&] { load_safetensors(path); });
  EXPECT_TRUE(error.empty() || contains(error, "[load_safetensors] " + path));
  return error;
}

const std::string kSmall =
    file_of("{\"__metadata__\":{\"format\":\"pt\"}," + entry("a", "F32", "[2,1]", "[0,8]") + "," +
                entry("b", "U8", "[3]", "[8,11]") + "} ",
            "abcdefghijk");

TEST(Safetensors, ReadsTensorsAndMetadata) {
  TempDir dir;
  SafetensorsFile file = load_safetensors(dir.write("a", kSmall));
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[0].first, "a");
  EXPECT_EQ(file.tensors[0].second.shape(), (Dims{2, 1}));
  EXPECT_EQ(file.tensors[0].second.dtype(), DType::f32);
  EXPECT_EQ(file.tensors[1].second.to_vector<uint8_t>(), (std::vector<uint8_t>{'i', 'j', 'k'}));
}

TEST(Safetensors, ReadsTheHeaderAlone) {
  TempDir dir;
  SafetensorsReader reader(dir.write("a", kSmall));
  ASSERT_EQ(reader.tensors().size(), 2u);
  const SafetensorsEntry& b = reader.tensors()[1];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.dtype, DType::u8);
  EXPECT_EQ(b.shape, (Dims{3}));
  EXPECT_EQ(b.nbytes(), 3u);
  EXPECT_EQ(reader.read(b).to_vector<uint8_t>(), (std::vector<uint8_t>{'i', 'j', 'k'}));
}

TEST(Safetensors, RefusesBoolsThatAreNone) {
  std::string content =
      file_of("{" + entry("b", "BOOL", "[3]", "[0,3]") + "}     ", std::string("\x01\x02\xff", 3));
  EXPECT_TRUE(
      contains(refusal(content), "tensor \"b\": expected bools of 0 or 1, got a byte of 2"));
  // A part of the bytes is held to the same.
  TempDir dir;
  SafetensorsReader reader(dir.write("a", content));
  std::vector<std::byte> part(1);
  reader.read(reader.tensors()[0], 0, part);
  EXPECT_TRUE(contains(error_of([&] { reader.read(reader.tensors()[0], 2, part); }),
                       "expected bools of 0 or 1, got a byte of 255"));
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  TempDir dir;
  std::string header = "{" + entry("a", "U8", "[1]", "[1,2]") + "," +
                       entry("b", "U8", "[1]", "[0,1]") + "," +
                       entry("c", "F32", "[2,0]", "[1,1]") + "}";
  SafetensorsFile file = load_safetensors(dir.write("a", file_of(header, "xy")));
  ASSERT_EQ(file.tensors.size(), 3u);
  EXPECT_EQ(file.tensors[0].first, "b");
  EXPECT_EQ(file.tensors[1].first, "c");
  EXPECT_EQ(file.tensors[1].second.shape(), (Dims{2, 0}));
  EXPECT_EQ(file.tensors[2].first, "a");
  EXPECT_EQ(file.tensors[2].second.item<uint8_t>(), 'y');
}

TEST(Safetensors, WritesTheBytesThatTheReferenceWrites) {
  TempDir dir;
  Named tensors{{"z", Array::from(std::vector<uint8_t>{'i', 'j', 'k'}, {3})},
                {"b", Array::from(std::vector<uint8_t>{'l'}, {1})},
                {"a\n", Array::from(std::vector<int32_t>{0x64636261, 0x68676665}, {2, 1})}};
  save_safetensors(dir / "a", tensors, {{"format", "pt"}});
  std::string header =
      R"({"__metadata__":{"format":"pt"},)" + entry("a\\n", "I32", "[2,1]", "[0,8]") + "," +
      entry("b", "U8", "[1]", "[8,9]") + "," + entry("z", "U8", "[3]", "[9,12]") + "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(dir.read("a"), file_of(header, "abcdefghlijk"));

  std::swap(tensors[0], tensors[2]);
  save_safetensors(dir / "b", tensors, {{"format", "pt"}});
  EXPECT_EQ(dir.read("a"), dir.read("b"));
}

TEST(Safetensors, WritesAndReadsBack) {
  TempDir dir;
  Named tensors;
  for (DType dtype : {DType::boolean, DType::u8, DType::f16, DType::bf16, DType::i32, DType::f32,
                      DType::f64, DType::i64}) {
    for (const Dims& shape : {Dims{}, Dims{3}, Dims{2, 3}, Dims{2, 0}}) {
      Array array = Array::arange(num_elements(shape)).reshape(shape).to(dtype);
      tensors.emplace_back(fmt::format("{} {}", dtype, shape), array);
    }
  }
  tensors.emplace_back("transposed", Array::arange(6).reshape({2, 3}).transpose(0, 1));
  save_safetensors(dir / "a", tensors);
  SafetensorsFile file = load_safetensors(dir / "a");
  EXPECT_TRUE(file.metadata.empty());
  std::map<std::string, Array> back(file.tensors.begin(), file.tensors.end());
  ASSERT_EQ(back.size(), tensors.size());
  for (const auto& [name, array] : tensors) {
    SCOPED_TRACE(name);
    EXPECT_EQ(back.at(name).dtype(), array.dtype());
    EXPECT_EQ(back.at(name).shape(), array.shape());
    EXPECT_EQ(back.at(name).to(DType::f64).to_vector<double>(),
              array.to(DType::f64).to_vector<double>());
  }
  SafetensorsReader reader(dir / "a");
  for (const SafetensorsEntry& tensor : reader.tensors()) {
    EXPECT_EQ(tensor.begin % item_size(tensor.dtype), 0u) << tensor.name;
  }

  save_safetensors(dir / "empty", {}, {{"note", "\xc3\xa9"}});
  EXPECT_EQ(dir.read("empty").size() % 8, 0u);
  EXPECT_EQ(load_safetensors(dir / "empty").metadata.at("note"), "\xc3\xa9");
}

TEST(Safetensors, RefusesToWriteBadNamesAndArrays) {
  TempDir dir;
  Array x = Array::zeros({1});
  auto error = [&](const Named& tensors, const std::map<std::string, std::string>& metadata = {}) {
    std::string message = error_of([&] { save_safetensors(dir / "a", tensors, metadata); });
    EXPECT_TRUE(contains(message, "[save_safetensors] " + (dir / "a")));
    return message;
  };
  EXPECT_TRUE(contains(error({{"a", x}, {"a", x}}), "the name \"a\" appears twice"));
  EXPECT_TRUE(contains(error({{"__metadata__", x}}), "(it is the format's own)"));
  EXPECT_TRUE(contains(error({{"a\xff", x}}), "is not UTF-8"));
  EXPECT_TRUE(contains(error({}, {{"a", "\xff"}}), "is not UTF-8"));
  EXPECT_TRUE(contains(error({}, {{"\xff", "a"}}), "is not UTF-8"));
  EXPECT_TRUE(
      contains(error({{"a", Array()}}), "tensor \"a\": expected an array, got an undefined"));
  EXPECT_TRUE(contains(error({{"a", Array::zeros(Dims(65, 1))}}),
                       "tensor \"a\": expected at most 64 dims"));
  EXPECT_TRUE(dir.names().empty());
}

TEST(Safetensors, RefusesBadLengths) {
  EXPECT_TRUE(contains(refusal("1234567"), "expected at least 8 bytes, got 7"));
  EXPECT_TRUE(
      contains(refusal(file_of("{}", "", 100'000'001)), "at most 100000000 bytes, got 100000001"));
  EXPECT_TRUE(contains(refusal(file_of("{}", "", UINT64_MAX)), "at most 100000000 bytes"));
  EXPECT_TRUE(
      contains(refusal(file_of("{}", "", 3)), "expected a header of 3 bytes, but only 2 follow"));
  EXPECT_TRUE(contains(refusal(file_of("", "")), "expected an object as header"));
  EXPECT_EQ(refusal(file_of("{}", "")), "");
  EXPECT_EQ(refusal(file_of("{}   ", "")), "");
}

TEST(Safetensors, RefusesHeadersThatAreNotJson) {
  auto with = [](std::string_view header) { return refusal(file_of(header, "")); };
  EXPECT_TRUE(contains(with("[]"), "expected an object"));
  EXPECT_TRUE(contains(with(" {}"), "expected an object"));
  EXPECT_TRUE(contains(with("\xef\xbb\xbf{}"), "expected an object"));
  EXPECT_TRUE(contains(with("{"), "not JSON in UTF-8, at its byte 2"));
  EXPECT_TRUE(contains(with("{}{}"), "not JSON"));
  EXPECT_TRUE(contains(with("{} // comment"), "not JSON"));
  EXPECT_TRUE(contains(with(std::string_view("{}\0\0", 4)), "has a zero byte at 2"));
  EXPECT_TRUE(contains(with("{\"a\xff\":{}}"), "not JSON in UTF-8"));
  EXPECT_TRUE(contains(with("{\"\\ud800\":{}}"), "not JSON in UTF-8"));
  std::string deep = "{\"a\":";
  EXPECT_TRUE(contains(with(deep + std::string(1'000'000, '[')),
                       "tensor \"a\": expected an object, got an array"));
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += "\"a\":{";
  EXPECT_TRUE(
      contains(with(objects), "tensor \"a\": expected dtype, shape and data_offsets, got \"a\""));
  EXPECT_TRUE(
      contains(with(R"({"a":{"dtype":{}}})"), "tensor \"a\": unexpected an object for \"dtype\""));
}

TEST(Safetensors, RefusesBadMetadata) {
  auto with = [](std::string_view value) {
    return refusal(file_of(fmt::format("{{\"__metadata__\":{}}}", value), ""));
  };
  EXPECT_TRUE(contains(with("1"), "expected an object, got a number"));
  EXPECT_TRUE(contains(with("[]"), "expected an object, got an array"));
  EXPECT_TRUE(
      contains(with(R"({"a":1})"), "expected a string for \"a\" in __metadata__, got a number"));
  EXPECT_TRUE(contains(with(R"({"a":null})"), "got null"));
  EXPECT_TRUE(contains(with(R"({"a":{}})"), "got an object"));
  EXPECT_TRUE(contains(with(R"({"a":[]})"), "got an array"));
  EXPECT_TRUE(contains(with(R"({"a":"x","a":"y"})"), "\"a\" appears twice"));
  EXPECT_TRUE(contains(with(R"({},"__metadata__":{})"), "the name \"__metadata__\" appears twice"));
}

TEST(Safetensors, RefusesBadTensors) {
  auto with = [](std::string_view entries, std::string_view data = "") {
    return refusal(file_of(fmt::format("{{{}}}", entries), data));
  };
  auto has = [](const std::string& error, std::string_view problem) {
    return contains(error, fmt::format(": tensor \"t\": {}", problem));
  };
  std::string good = entry("t", "U8", "[0]", "[0,0]");
  EXPECT_EQ(with(good), "");
  EXPECT_TRUE(contains(with(good + "," + good), "the name \"t\" appears twice"));
  EXPECT_TRUE(has(with(R"("t":null)"), "expected an object, got null"));
  EXPECT_TRUE(has(with(R"("t":"x")"), "expected an object, got a string"));
  EXPECT_TRUE(has(with(R"("t":{})"), "expected each of dtype, shape and data_offsets"));
  EXPECT_TRUE(has(with(R"("t":{"dtype":"U8","shape":[0]})"), "expected each of"));
  EXPECT_TRUE(has(with(R"("t":{"dtype":"U8","dtype":"U8"})"), "\"dtype\" appears twice"));
  EXPECT_TRUE(
      has(with(R"("t":{"other":1})"), "expected dtype, shape and data_offsets, got \"other\""));
  EXPECT_TRUE(has(with(R"("t":{"dtype":1})"), "unexpected a number for \"dtype\""));
  EXPECT_TRUE(has(with(R"("t":{"dtype":true})"), "unexpected a bool for \"dtype\""));
  EXPECT_TRUE(has(with(R"("t":{"dtype":[]})"), "unexpected an array for \"dtype\""));
  EXPECT_TRUE(has(with(R"("t":{"shape":1})"), "unexpected a number for \"shape\""));
  EXPECT_TRUE(has(with(R"("t":{"shape":"x"})"), "unexpected a string for \"shape\""));
  for (std::string dtype : {"I8", "F8_E4M3", "U64", "f32", ""}) {
    EXPECT_TRUE(
        has(with(entry("t", dtype, "[0]", "[0,0]")), "dtype \"" + dtype + "\" is not supported"));
  }
  auto shape = [&](std::string_view text) { return with(entry("t", "F32", text, "[0,0]")); };
  EXPECT_TRUE(has(shape("[-1]"), "expected sizes as shape, got a negative number"));
  EXPECT_TRUE(has(shape("[0.0]"), "expected sizes as shape, got a fraction"));
  EXPECT_TRUE(contains(shape("[1e400]"), "not JSON"));
  EXPECT_TRUE(has(shape("[[0]]"), "expected sizes as shape, got an array"));
  EXPECT_TRUE(has(shape("[{}]"), "expected sizes as shape, got an object"));
  EXPECT_TRUE(has(shape("[\"0\"]"), "expected sizes as shape, got a string"));
  EXPECT_TRUE(
      has(shape("[9223372036854775808]"), "expected sizes as shape, got a size beyond int64"));
  EXPECT_TRUE(
      has(shape("[4294967296,4294967296]"), "shape (4294967296, 4294967296) of f32 is too large"));
  EXPECT_TRUE(has(shape("[0,4294967296,4294967296]"), "shape"));
  EXPECT_TRUE(has(shape("[1]"), "expected 4 bytes for shape (1,) of f32, got 0"));
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_TRUE(has(shape(many + "]"), "more than 64 dims"));
  auto offsets = [&](std::string_view text) { return with(entry("t", "U8", "[0]", text), "abc"); };
  EXPECT_TRUE(has(offsets("[]"), "expected two data_offsets"));
  EXPECT_TRUE(has(offsets("[0]"), "expected two data_offsets"));
  EXPECT_TRUE(has(offsets("[0,0,0]"), "expected two data_offsets, got a number"));
  EXPECT_TRUE(has(offsets("[0,-1]"), "expected two data_offsets, got a negative number"));
  EXPECT_TRUE(has(offsets("[0,\"1\"]"), "expected two data_offsets, got a string"));
  EXPECT_TRUE(has(offsets("[2,1]"), "data_offsets [2, 1] lie outside of the 3 bytes"));
  EXPECT_TRUE(has(offsets("[0,4]"), "data_offsets [0, 4] lie outside of the 3 bytes"));
  EXPECT_TRUE(has(offsets("[18446744073709551615,18446744073709551615]"), "data_offsets"));
  EXPECT_TRUE(contains(with(entry("t", "BOOL", "[1]", "[0,1]"), "\2"),
                       "tensor \"t\": expected bools of 0 or 1, got a byte of 2"));
}

TEST(Safetensors, RefusesGapsAndOverlaps) {
  auto with = [](std::string_view first, std::string_view second) {
    return refusal(
        file_of("{" + entry("a", "U8", "[2]", first) + "," + entry("b", "U8", "[2]", second) + "}",
                "abcd"));
  };
  EXPECT_EQ(with("[0,2]", "[2,4]"), "");
  EXPECT_TRUE(
      contains(with("[0,2]", "[1,3]"), "tensor \"b\": starts at byte 1, an overlap where 2"));
  EXPECT_TRUE(contains(with("[0,2]", "[0,2]"), "tensor \"b\": starts at byte 0, an overlap"));
  EXPECT_TRUE(contains(with("[1,3]", "[2,4]"), "tensor \"a\": starts at byte 1, a gap where 0"));
  EXPECT_TRUE(contains(refusal(file_of("{" + entry("a", "U8", "[1]", "[0,1]") + "}", "abc")),
                       "2 bytes of data belong to no tensor"));
  EXPECT_TRUE(contains(refusal(file_of("{}", "abc")), "3 bytes of data belong to no tensor"));
}

TEST(Safetensors, MessagesStayShort) {
  std::string name(1'000'000, 'n');
  std::string error = refusal(file_of("{\"" + name + "\":1}", ""));
  EXPECT_TRUE(contains(error, "nnn\"...: expected an object"));
  EXPECT_LT(error.size(), 400u);
}

TEST(Safetensors, RefusesEveryTruncation) {
  ASSERT_EQ(refusal(kSmall), "");
  for (size_t size = 0; size < kSmall.size(); ++size) {
    EXPECT_NE(refusal(kSmall.substr(0, size)), "") << size;
  }
}

TEST(Safetensors, LoadsOrRefusesAnyMutation) {
  TempDir dir;
  std::mt19937 random(1);
  int loaded = 0, refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string file = kSmall;
    for (auto changes = 1 + random() % 3; changes-- > 0;) {
      file[random() % file.size()] =
          random() % 2 ? static_cast<char>(random()) : "0123456789[],\" {}:-"[random() % 19];
    }
    std::string path = dir.write("a", file);
    error_of([&] { load_safetensors(path); }).empty() ? ++loaded : ++refused;
  }
  EXPECT_GT(loaded, 500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace tessera
