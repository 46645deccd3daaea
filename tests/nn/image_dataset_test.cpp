#include "nn/data/image_dataset.h"

#include <gtest/gtest.h>

#include "tests/support/arrays.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::data {
namespace {

using test::contains;
using test::doubles;
using test::error_of;
using test::TempDir;
using Bytes = std::vector<uint8_t>;
using Indices = std::vector<int64_t>;

// The header of an IDX file of unsigned bytes.
std::string idx_header(const std::vector<uint32_t>& sizes) {
  std::string out{0, 0, 8, static_cast<char>(sizes.size())};
  for (uint32_t size : sizes) {
    for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
  }
  return out;
}

std::string idx_file(const std::vector<uint32_t>& sizes, size_t bytes) {
  std::string out = idx_header(sizes);
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(i * 37);
  return out;
}

class ReadIdx : public testing::Test {
 protected:
  // Refused with an error that names the file and says `why`.
  void expect_refused(const std::string& content, const std::string& why) {
    std::string path = dir_.write("file", content);
    std::string error = error_of([&] { load_idx(path); });
    EXPECT_TRUE(contains(error, path));
    EXPECT_TRUE(contains(error, why));
  }
  Array read(const std::string& content) { return load_idx(dir_.write("file", content)); }

  TempDir dir_;
};

TEST_F(ReadIdx, ReadsShapeAndBytes) {
  Array images = read(idx_file({2, 3, 5}, 30));
  EXPECT_EQ(images.shape(), (Dims{2, 3, 5}));
  EXPECT_EQ(images.dtype(), DType::u8);
  Bytes values = images.to_vector<uint8_t>();
  for (size_t i = 0; i < 30; ++i) EXPECT_EQ(values[i], static_cast<uint8_t>(i * 37));
  // Sizes of more than one byte.
  EXPECT_EQ(read(idx_file({0x102, 1}, 0x102)).shape(), (Dims{0x102, 1}));
  EXPECT_EQ(read(idx_file({1, 1, 1, 1, 1, 1, 1, 2}, 2)).dim(), 8U);
}

TEST_F(ReadIdx, ReadsFilesWithoutData) {
  EXPECT_EQ(read(idx_file({0}, 0)).shape(), Dims{0});
  EXPECT_EQ(read(idx_file({0, ~0U, ~0U, ~0U}, 0)).numel(), 0);
}

TEST_F(ReadIdx, RefusesAFileCutAnywhere) {
  std::string whole = idx_file({2, 3}, 6);
  for (size_t length = 0; length < whole.size(); ++length) {
    expect_refused(whole.substr(0, length), length < 4    ? "too short"
                                            : length < 12 ? "the IDX header is cut off"
                                                          : "expected the data of shape (2, 3)");
  }
}

TEST_F(ReadIdx, RefusesMoreDataThanTheHeaderSays) {
  expect_refused(idx_file({2, 3}, 7), "expected the data of shape (2, 3), got 7 bytes");
  expect_refused(idx_file({0, 3}, 1), "got 1 bytes");
}

TEST_F(ReadIdx, RefusesAnotherMagic) {
  std::string good = idx_file({2, 3}, 6);
  for (size_t i = 0; i < 3; ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] + 1);
    expect_refused(bad, "not an IDX file of unsigned bytes");
  }
  for (int dims : {0, 9, 128, 255}) {
    std::string bad = good;
    bad[3] = static_cast<char>(dims);
    expect_refused(bad, "not an IDX file of unsigned bytes");
  }
}

TEST_F(ReadIdx, RefusesSizesThatOverflow) {
  // 2^32 - 1 elements are not reserved before the file is known to hold them.
  expect_refused(idx_file({~0U}, 8), "got 8 bytes");
  expect_refused(idx_file({~0U, ~0U}, 8), "got 8 bytes");
  expect_refused(idx_file({~0U, ~0U, ~0U, ~0U, ~0U, ~0U, ~0U, ~0U}, 1), "got 1 bytes");
  // These multiply to 2^64, which is 0 in 64 bits, and to 2^64 + 2^33.
  expect_refused(idx_file({1U << 31, 1U << 31, 4}, 0), "got 0 bytes");
  expect_refused(idx_file({1U << 31, 1U << 31, 2}, 0), "got 0 bytes");
}

TEST_F(ReadIdx, NamesAFileThatIsNotThere) {
  EXPECT_TRUE(contains(error_of([&] { load_idx(dir_ / "none"); }), dir_ / "none"));
  EXPECT_TRUE(contains(error_of([&] { load_idx(dir_.path()); }), dir_.path()));
}

TEST_F(ReadIdx, MakesADataset) {
  std::string images = dir_.write("images", idx_file({3, 2, 2}, 12));
  std::string labels = dir_.write("labels", idx_header({3}) + std::string("\x05\xff\x00", 3));
  ImageDataset data(images, labels);
  EXPECT_EQ(data.size(), 3);
  Batch batch = data.batch(Indices{2, 1});
  EXPECT_EQ(batch.images.shape(), (Dims{2, 1, 2, 2}));
  EXPECT_EQ(batch.images.dtype(), DType::f32);
  EXPECT_EQ(batch.targets.data().to_vector<int64_t>(), (Indices{0, 255}));
  std::vector<float> pixels = batch.images.data().to_vector<float>();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(pixels[i], static_cast<float>(static_cast<uint8_t>((8 + i) * 37)) / 255.0F);
  }
  // Labels of another number of images.
  std::string two = dir_.write("two", idx_file({2}, 2));
  EXPECT_TRUE(
      contains(error_of([&] { ImageDataset(images, two); }), "got u8 (3, 2, 2) and u8 (2,)"));
}

TEST(ImageDataset, ScalesBytesToOne) {
  ImageDataset data(Array::from(Bytes{0, 255}, {1, 1, 2}), Array::from(Bytes{1}, {1}));
  EXPECT_EQ(doubles(data.batch(Indices{0}).images.data()), (std::vector<double>{0, 1}));
  EXPECT_EQ(data.batch({}).images.shape(), (Dims{0, 1, 1, 2}));
}

TEST(ImageDataset, TakesStridedArrays) {
  Array images = Array::from(Bytes{0, 51, 102, 153, 204, 255}, {6}).view({3, 2, 1});
  Array labels = Array::from(Bytes{1, 2, 3, 4, 5, 6}, {6});
  ImageDataset data(images.slice(0, 0, 3, 2).transpose(1, 2), labels.slice(0, 1, 4, 2));
  ASSERT_EQ(data.size(), 2);
  Batch batch = data.batch(Indices{0, 1});
  EXPECT_EQ(batch.images.shape(), (Dims{2, 1, 1, 2}));
  EXPECT_EQ(batch.images.data().to_vector<float>(), (std::vector<float>{0, 0.2F, 0.8F, 1}));
  EXPECT_EQ(batch.targets.data().to_vector<int64_t>(), (Indices{2, 4}));
}

TEST(ImageDataset, RefusesOtherArrays) {
  Array images = Array::zeros({3, 2, 2}, DType::u8);
  Array labels = Array::zeros({3}, DType::u8);
  auto refused = [](const Array& x, const Array& y) {
    return contains(error_of([&] { ImageDataset(x, y); }), "[ImageDataset] expected images u8");
  };
  EXPECT_TRUE(refused(images.to(DType::f32), labels));
  EXPECT_TRUE(refused(images, labels.to(DType::i64)));
  EXPECT_TRUE(refused(images.view({3, 4}), labels));
  EXPECT_TRUE(refused(images, labels.view({3, 1})));
  EXPECT_TRUE(refused(images, Array::zeros({2}, DType::u8)));
  ImageDataset data(images, labels);
  EXPECT_EQ(error_of([&] { data.batch(Indices{3}); }),
            "[ImageDataset] expected an index below 3, got 3");
  EXPECT_NE(error_of([&] { data.batch(Indices{-1}); }), "");
}

}  // namespace
}  // namespace tessera::data
