#include "core/io/npy.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

// A file of the given version and header text, followed by data.
std::string npy(std::string_view header, std::string_view data, int major = 1) {
  std::string out("\x93NUMPY");
  out += {static_cast<char>(major), '\0'};
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    out += static_cast<char>(header.size() >> (8 * i) & 0xff);
  }
  return out + std::string(header) + std::string(data);
}

std::string header(std::string_view descr, std::string_view shape, bool fortran = false) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n", descr,
                     fortran ? "True" : "False", shape);
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// What load_npy says of a file with this content.
std::string refusal(const std::string& content) {
  TempDir dir;
  std::string path = dir.write("a.npy", content);
  std::string error = error_of([&] { load_npy(path); });
  EXPECT_TRUE(error.empty() || contains(error, "[load_npy] " + path));
  return error;
}

TEST(Npy, ReadsEveryDtype) {
  TempDir dir;
  auto load = [&](std::string_view descr, const std::string& data) {
    return load_npy(dir.write("a.npy", npy(header(descr, "(2,)"), data)));
  };
  EXPECT_EQ(load("<f4", raw<float>({1, -2})).to_vector<float>(), (std::vector<float>{1, -2}));
  EXPECT_EQ(load("<f8", raw<double>({1, -2})).to_vector<double>(), (std::vector<double>{1, -2}));
  EXPECT_EQ(load("<i8", raw<int64_t>({1, -2})).to_vector<int64_t>(), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(load("<i4", raw<int32_t>({1, -2})).to_vector<int32_t>(), (std::vector<int32_t>{1, -2}));
  EXPECT_EQ(load("|u1", raw<uint8_t>({1, 255})).to_vector<uint8_t>(),
            (std::vector<uint8_t>{1, 255}));
  EXPECT_EQ(load("|b1", std::string("\1\0", 2)).to_vector<bool>(),
            (std::vector<bool>{true, false}));
  Array half = load("<f2", raw<uint16_t>({0x3c00, 0xc000}));
  EXPECT_EQ(half.dtype(), DType::f16);
  EXPECT_EQ(half.to(DType::f32).to_vector<float>(), (std::vector<float>{1, -2}));
}

TEST(Npy, ReadsEveryVersionAndShape) {
  TempDir dir;
  for (int version : {1, 2, 3}) {
    Array array = load_npy(
        dir.write("a.npy", npy(header("<f4", "(2, 3)"), raw<float>({0, 1, 2, 3, 4, 5}), version)));
    EXPECT_EQ(array.shape(), (Dims{2, 3}));
    EXPECT_EQ(array.select(0, 1).to_vector<float>(), (std::vector<float>{3, 4, 5}));
  }
  EXPECT_EQ(load_npy(dir.write("a.npy", npy(header("<f4", "()"), raw<float>({7})))).item<float>(),
            7);
  EXPECT_EQ(load_npy(dir.write("a.npy", npy(header("<f4", "(3, 0)"), ""))).shape(), (Dims{3, 0}));
}

TEST(Npy, ReadsFortranOrderAsATransposedView) {
  TempDir dir;
  Array array = load_npy(
      dir.write("a.npy", npy(header("<f4", "(2, 3)", true), raw<float>({0, 3, 1, 4, 2, 5}))));
  EXPECT_EQ(array.shape(), (Dims{2, 3}));
  EXPECT_EQ(array.strides(), (Dims{1, 2}));
  EXPECT_EQ(array.to_vector<float>(), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}

TEST(Npy, ReadsAnyOrderOfKeysAndSpaces) {
  TempDir dir;
  Array array = load_npy(dir.write(
      "a.npy",
      npy("{\"shape\":( 1 ,2, ),'fortran_order':False , 'descr':'<f4'}   ", raw<float>({1, 2}))));
  EXPECT_EQ(array.shape(), (Dims{1, 2}));
}

TEST(Npy, WritesTheBytesThatNumpyWrites) {
  TempDir dir;
  save_npy(dir / "a.npy", Array::from<float>(std::vector<float>{1, 2}, {2, 1}));
  std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
  text.append(117 - text.size(), ' ');
  EXPECT_EQ(dir.read("a.npy"), npy(text + "\n", raw<float>({1, 2})));
}

TEST(Npy, WritesAndReadsBack) {
  TempDir dir;
  std::string path = dir / "a.npy";
  for (DType dtype :
       {DType::f32, DType::f64, DType::f16, DType::i64, DType::i32, DType::u8, DType::boolean}) {
    for (const Dims& shape : {Dims{}, Dims{3}, Dims{1}, Dims{2, 3}, Dims{0}, Dims{2, 0, 3}}) {
      Array array = Array::arange(num_elements(shape)).reshape(shape).to(dtype);
      save_npy(path, array);
      EXPECT_EQ(dir.read("a.npy").size(), 128 + array.nbytes());
      Array back = load_npy(path);
      EXPECT_EQ(back.dtype(), dtype);
      EXPECT_EQ(back.shape(), shape);
      EXPECT_EQ(back.to(DType::f64).to_vector<double>(), array.to(DType::f64).to_vector<double>());
    }
  }
  Array matrix = Array::arange(6).reshape({2, 3});
  save_npy(path, matrix.transpose(0, 1));
  EXPECT_EQ(load_npy(path).to_vector<int64_t>(), (std::vector<int64_t>{0, 3, 1, 4, 2, 5}));
}

TEST(Npy, RefusesToWriteWhatTheFormatLacks) {
  TempDir dir;
  std::string path = dir / "a.npy";
  auto error = [&](const Array& array) { return error_of([&] { save_npy(path, array); }); };
  EXPECT_EQ(error(Array::zeros({1}, DType::bf16)),
            "[save_npy] " + path +
                ": npy files cannot hold bf16; convert to f32 first, or write safetensors");
  EXPECT_TRUE(
      contains(error(Array()), "[save_npy] " + path + ": expected an array, got an undefined"));
  EXPECT_TRUE(contains(error(Array::zeros(Dims(65, 1))), "at most 64 dims, got 65"));
  EXPECT_TRUE(dir.names().empty());
}

TEST(Npy, RefusesBadHeaders) {
  auto with = [](std::string_view text) { return refusal(npy(text, "")); };
  EXPECT_TRUE(contains(refusal(""), "not an npy file"));
  EXPECT_TRUE(contains(refusal("PK\3\4 and more than ten"), "not an npy file"));
  EXPECT_TRUE(contains(refusal(npy(header("<f4", "(0,)"), "", 4)), "got 4.0"));
  EXPECT_TRUE(contains(refusal(npy(header("<f4", "(0,)"), "", 0)), "got 0.0"));
  EXPECT_TRUE(contains(refusal(std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12)),
                       "at most 1048576 bytes, got 4294967295"));
  EXPECT_TRUE(contains(refusal(std::string("\x93NUMPY\1\0\xff\xff{}", 12)),
                       "65535 bytes, but the file ends"));
  EXPECT_TRUE(contains(refusal(std::string("\x93NUMPY\2\0\1\0", 10)), "the file ends"));

  EXPECT_TRUE(contains(with(""), "expected '{'"));
  EXPECT_TRUE(contains(with("[]"), "expected '{' at byte 0 of the header, got \"[]\""));
  EXPECT_TRUE(contains(with("{}"), "no 'descr'"));
  EXPECT_TRUE(contains(with("{'descr': '<f4'}"), "no 'fortran_order'"));
  EXPECT_TRUE(contains(with("{'descr': '<f4', 'fortran_order': False}"), "no 'shape'"));
  EXPECT_TRUE(contains(with("{'descr': '<f4', 'descr': '<f4'}"), "'descr' appears twice"));
  EXPECT_TRUE(contains(with("{'shape': (1,), 'shape': (1,)}"), "'shape' appears twice"));
  EXPECT_TRUE(contains(with("{'other': 1}"), "got \"other\""));
  EXPECT_TRUE(contains(with("{'descr' '<f4'}"), "expected ':'"));
  EXPECT_TRUE(contains(with("{'descr': '<f4' 'shape'"), "expected ','"));
  EXPECT_TRUE(contains(with("{'descr': '<f4'"), "expected ','"));
  EXPECT_TRUE(contains(with("{'descr': '<f4,"), "expected a string that ends"));
  EXPECT_TRUE(contains(with("{1: 2}"), "expected a key"));
  EXPECT_TRUE(contains(with("{,}"), "expected a key"));
  EXPECT_TRUE(contains(with("{'fortran_order': 0}"), "expected True or False"));
  EXPECT_TRUE(contains(with(header("<f4", "(0,)") + "x"), "expected the end of the header"));
  EXPECT_TRUE(
      contains(with(header("<f4", "(0,)") + std::string(1, '\0')), "the end of the header"));
}

TEST(Npy, RefusesBadShapes) {
  auto with = [](std::string_view shape) { return refusal(npy(header("<f4", shape), "")); };
  EXPECT_TRUE(contains(with("(0)"), "expected a tuple"));
  EXPECT_TRUE(contains(with("[0]"), "expected '('"));
  EXPECT_TRUE(contains(with("(,)"), "expected a size"));
  EXPECT_TRUE(contains(with("(0,,)"), "expected a size"));
  EXPECT_TRUE(contains(with("(0 0)"), "expected ',' or ')'"));
  EXPECT_TRUE(contains(with("(-1,)"), "expected a size"));
  EXPECT_TRUE(contains(with("(-0,)"), "expected a size"));
  EXPECT_TRUE(contains(with("(1.5,)"), "expected ',' or ')'"));
  EXPECT_TRUE(contains(with("(0x1,)"), "expected ',' or ')'"));
  EXPECT_TRUE(contains(with("(9223372036854775808,)"), "fits into an int64"));
  EXPECT_TRUE(contains(with("(4611686018427387904,)"), "too large"));
  EXPECT_TRUE(contains(with("(4294967296, 4294967296)"), "too large"));
  EXPECT_TRUE(contains(with("(0, 4294967296, 4294967296)"), "too large"));
  EXPECT_TRUE(contains(with("(1099511627776,)"), "expected 4398046511104 bytes of data"));
  std::string many = "(";
  for (int i = 0; i < 65; ++i) many += "1,";
  EXPECT_TRUE(contains(with(many + ")"), "more than 64 dims"));
}

TEST(Npy, RefusesOtherDtypesByName) {
  auto with = [](std::string_view descr) { return refusal(npy(header(descr, "(0,)"), "")); };
  EXPECT_TRUE(contains(with(">f4"), "dtype \">f4\" is big-endian"));
  for (std::string descr :
       {"<u2", "<f16", "<c8", "|S4", "<U4", "|O", "<M8[ns]", "=f4", "|V2", ""}) {
    EXPECT_TRUE(contains(with(descr), "dtype \"" + descr + "\" is not supported"));
  }
  EXPECT_TRUE(
      contains(refusal(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,)}", "")),
               "expected a plain dtype such as '<f4' at byte 10 of the header, got \"[('a'"));
}

TEST(Npy, RefusesDataThatDoesNotFit) {
  EXPECT_TRUE(contains(refusal(npy(header("<f4", "(2,)"), "1234567")),
                       "expected 8 bytes of data for shape (2,) of f32, got 7"));
  EXPECT_TRUE(contains(refusal(npy(header("<f4", "(2,)"), "123456789")), "got 9"));
  EXPECT_TRUE(contains(refusal(npy(header("|b1", "(2,)"), "\1\2")), "0 or 1, got a byte of 2"));
}

TEST(Npy, RefusesEveryTruncation) {
  std::string whole = npy(header("<f4", "(2, 3)"), raw<float>({0, 1, 2, 3, 4, 5}));
  ASSERT_EQ(refusal(whole), "");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
  }
}

TEST(Npy, LoadsOrRefusesAnyMutation) {
  TempDir dir;
  const std::string whole = npy(header("<f4", "(2, 3)"), raw<float>({0, 1, 2, 3, 4, 5}));
  std::mt19937 random(1);
  int loaded = 0, refused = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::string file = whole;
    for (auto changes = 1 + random() % 3; changes-- > 0;) {
      file[random() % file.size()] =
          random() % 2 ? static_cast<char>(random()) : "0123456789(),' <>{}:"[random() % 20];
    }
    std::string path = dir.write("a.npy", file);
    error_of([&] { load_npy(path).numel(); }).empty() ? ++loaded : ++refused;
  }
  EXPECT_GT(loaded, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace tessera
