#include "core/io/npz.h"

#include <gtest/gtest.h>

#include <random>

#include "core/io/npy.h"
#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::TempDir;
using test::Values;
using Arrays = std::vector<std::pair<std::string, Array>>;

const Arrays& sample() {
  static const Arrays arrays{{"weights", Array::arange(6, DType::f32).reshape({2, 3})},
                             {"a/b", Array::arange(5000)},
                             {"flag", Array::full({}, 1, DType::boolean)},
                             {"none", Array::empty({0, 4}, DType::u8)}};
  return arrays;
}

std::string saved(const TempDir& dir, const Arrays& arrays, bool compressed) {
  save_npz(dir / "a.npz", arrays, compressed);
  return dir.read("a.npz");
}

TEST(Npz, GivesBackWhatItSaved) {
  TempDir dir;
  for (bool compressed : {false, true}) {
    saved(dir, sample(), compressed);
    Arrays back = load_npz(dir / "a.npz");
    ASSERT_EQ(back.size(), sample().size());
    for (size_t i = 0; i < back.size(); ++i) {
      EXPECT_EQ(back[i].first, sample()[i].first);
      EXPECT_EQ(back[i].second.shape(), sample()[i].second.shape());
      EXPECT_EQ(back[i].second.dtype(), sample()[i].second.dtype());
      EXPECT_EQ(doubles(back[i].second), doubles(sample()[i].second));
    }
  }
}

TEST(Npz, CompressesAndRepeatsItsBytes) {
  TempDir dir;
  std::string plain = saved(dir, sample(), false);
  EXPECT_LT(saved(dir, sample(), true).size(), plain.size() / 2);
  EXPECT_EQ(saved(dir, sample(), false), plain);
}

TEST(Npz, HoldsNoArraysAtAll) {
  TempDir dir;
  EXPECT_EQ(saved(dir, {}, false).size(), 22);
  EXPECT_TRUE(load_npz(dir / "a.npz").empty());
}

TEST(Npz, PacksViews) {
  TempDir dir;
  saved(dir, {{"t", Array::arange(6).reshape({2, 3}).transpose(0, 1)}}, false);
  EXPECT_EQ(doubles(load_npz(dir / "a.npz")[0].second), (Values{0, 3, 1, 4, 2, 5}));
}

TEST(Npz, RefusesToSaveWhatCouldNotBeRead) {
  TempDir dir;
  std::string path = dir / "a.npz";
  auto error = [&](const Arrays& arrays) { return error_of([&] { save_npz(path, arrays); }); };
  Array x = Array::scalar(1);
  EXPECT_EQ(error({{"x", x}, {"x", x}}), "[save_npz] " + path + ": \"x\" appears twice");
  EXPECT_TRUE(contains(error({{"", x}}), "expected a name"));
  EXPECT_TRUE(contains(error({{std::string("a\0b", 3), x}}), "without null bytes"));
  EXPECT_TRUE(contains(error({{"x", Array()}}), "\"x\": expected an array, got an undefined"));
  EXPECT_TRUE(contains(error({{"x", Array::zeros({1}, DType::bf16)}}), "\"x\": npy files cannot"));
  EXPECT_TRUE(contains(error({{"\xff", x}}), "[save_npz] " + path));
  EXPECT_TRUE(dir.names().empty());
}

TEST(Npz, NamesFileAndMemberInErrors) {
  TempDir dir;
  auto refusal = [&](const std::string& content) {
    std::string path = dir.write("a.npz", content);
    std::string error = error_of([&] { load_npz(path); });
    EXPECT_TRUE(error.empty() || contains(error, "[load_npz] " + path)) << error;
    return error;
  };
  EXPECT_TRUE(contains(refusal(""), "Not a zip archive"));
  EXPECT_TRUE(contains(refusal("no archive"), "Not a zip archive"));
  std::string whole = saved(dir, {{"x", Array::arange(40, DType::f32)}}, false);
  std::string flipped = whole;
  flipped[whole.find("NUMPY") + 200] ^= 1;
  EXPECT_TRUE(contains(refusal(flipped), "\"x.npy\": CRC error"));
  std::string bad_magic = whole;
  bad_magic[whole.find("NUMPY")] = 'M';
  EXPECT_TRUE(contains(refusal(bad_magic), "\"x.npy\": not an npy file"));
  std::string renamed = whole;
  for (size_t at = 0; (at = renamed.find("x.npy", at)) != std::string::npos; ++at) {
    renamed.replace(at, 5, "x.txt");
  }
  EXPECT_TRUE(contains(refusal(renamed), "\"x.txt\": expected members named NAME.npy"));
  EXPECT_NE(error_of([&] { load_npz(dir / "missing.npz"); }), "");
}

TEST(Npz, RefusesAPromiseThatItsBytesCannotHold) {
  TempDir dir;
  std::string whole = saved(dir, {{"x", Array::zeros({1000}, DType::f32)}}, true);
  constexpr size_t kUncompressedSize = 24;  // in an entry of the central directory
  size_t entry = whole.find("PK\1\2");
  ASSERT_NE(entry, std::string::npos);
  whole.replace(entry + kUncompressedSize, 4, "\xff\xff\xff\x7f");
  std::string path = dir.write("a.npz", whole);
  std::string error = error_of([&] { load_npz(path); });
  EXPECT_TRUE(contains(error, "\"x.npy\": ")) << error;
  EXPECT_TRUE(contains(error, "bytes cannot hold the 2147483647 that the archive promises"))
      << error;
}

TEST(Npz, RefusesEveryTruncation) {
  TempDir dir;
  std::string whole = saved(dir, {{"x", Array::arange(6)}, {"y", Array::scalar(2)}}, true);
  for (size_t size = 0; size < whole.size(); ++size) {
    std::string path = dir.write("t.npz", whole.substr(0, size));
    EXPECT_NE(error_of([&] { load_npz(path); }), "") << size;
  }
}

TEST(Npz, LoadsOrRefusesAnyMutation) {
  TempDir dir;
  const std::string whole = saved(dir, {{"x", Array::arange(6)}, {"y", Array::scalar(2)}}, true);
  std::mt19937 random(1);
  int loaded = 0, refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string file = whole;
    for (auto changes = 1 + random() % 3; changes-- > 0;) {
      file[random() % file.size()] = static_cast<char>(random());
    }
    std::string path = dir.write("m.npz", file);
    error_of([&] { load_npz(path); }).empty() ? ++loaded : ++refused;
  }
  EXPECT_GT(loaded, 100);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace tessera
