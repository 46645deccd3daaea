#include "nn/data/text_dataset.h"

#include <gtest/gtest.h>

#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::data {
namespace {

using test::contains;
using test::error_of;
using Values = std::vector<int64_t>;

TextDataset::Text text_of(const std::string& bytes) {
  return std::make_shared<const std::vector<unsigned char>>(bytes.begin(), bytes.end());
}

Values batch_inputs(const TextDataset& data, const Values& indices) {
  return data.batch(indices).tokens.data().to_vector<int64_t>();
}

TEST(TextDataset, CutsWindowsThatFollowEachOther) {
  TextDataset data(text_of("abcdefgh"), 0, 8, 3);
  EXPECT_EQ(data.size(), 2);
  Batch batch = data.batch(Values{1, 0});
  EXPECT_EQ(batch.tokens.shape(), (Dims{2, 3}));
  EXPECT_EQ(batch.tokens.dtype(), DType::i64);
  EXPECT_EQ(batch.tokens.data().to_vector<int64_t>(), (Values{'d', 'e', 'f', 'a', 'b', 'c'}));
  EXPECT_EQ(batch.targets.data().to_vector<int64_t>(), (Values{'e', 'f', 'g', 'b', 'c', 'd'}));
}

TEST(TextDataset, CountsWindowsWithTheirNextByte) {
  EXPECT_EQ(TextDataset(text_of("abcd"), 0, 4, 3).size(), 1);
  EXPECT_EQ(TextDataset(text_of("abcdef"), 0, 6, 3).size(), 1);
  EXPECT_EQ(TextDataset(text_of("abcdefg"), 0, 7, 3).size(), 2);
  EXPECT_EQ(TextDataset(text_of("ab"), 0, 2, 1).size(), 1);
}

TEST(TextDataset, StaysInItsRange) {
  TextDataset data(text_of("abcdefgh"), 3, 8, 2);
  EXPECT_EQ(data.size(), 2);
  EXPECT_EQ(batch_inputs(data, {0, 1}), (Values{'d', 'e', 'f', 'g'}));
}

TEST(TextDataset, TakesBytesAsUnsigned) {
  TextDataset data(text_of("\xff\x80z"), 0, 3, 2);
  EXPECT_EQ(batch_inputs(data, {0}), (Values{255, 128}));
}

TEST(TextDataset, GivesAnEmptyBatch) {
  TextDataset data(text_of("abcd"), 0, 4, 2);
  EXPECT_EQ(data.batch({}).tokens.shape(), (Dims{0, 2}));
}

TEST(TextDataset, RefusesTextsTooShort) {
  auto text = text_of("abc");
  EXPECT_EQ(error_of([&] { TextDataset(text, 0, 3, 3); }),
            "[TextDataset] 3 bytes do not hold one window of context 3 and its next byte");
  EXPECT_NE(error_of([&] { TextDataset(text, 1, 1, 1); }), "");
  EXPECT_EQ(error_of([&] { TextDataset(text, 0, 3, 0); }),
            "[TextDataset] expected a context of at least 1, got 0");
}

TEST(TextDataset, RefusesARangeOutsideTheText) {
  auto text = text_of("abc");
  EXPECT_EQ(error_of([&] { TextDataset(text, 0, 4, 1); }),
            "[TextDataset] expected a range within a text of 3 bytes, got [0, 4)");
  EXPECT_NE(error_of([&] { TextDataset(text, 2, 1, 1); }), "");
  EXPECT_NE(error_of([&] { TextDataset(nullptr, 0, 0, 1); }), "");
}

TEST(TextDataset, RefusesIndicesOutside) {
  TextDataset data(text_of("abcdefgh"), 0, 8, 3);
  EXPECT_EQ(error_of([&] {
              data.batch(Values{0, 2});
            }),
            "[TextDataset] expected an index below 2, got 2");
  EXPECT_NE(error_of([&] { data.batch(Values{-1}); }), "");
}

TEST(ReadText, ReadsTheWholeFile) {
  test::TempDir dir;
  std::string bytes("a\0\xff\r\n", 5);
  auto text = load_text(dir.write("text", bytes));
  EXPECT_EQ(std::string(text->begin(), text->end()), bytes);
}

TEST(ReadText, NamesTheFileItCannotRead) {
  test::TempDir dir;
  std::string empty = dir.write("empty", "");
  EXPECT_EQ(error_of([&] { load_text(empty); }), empty + ": the text is empty");
  EXPECT_TRUE(contains(error_of([&] { load_text(dir / "missing"); }), dir / "missing"));
  EXPECT_TRUE(contains(error_of([&] { load_text(dir.path()); }), dir.path()));
}

}  // namespace
}  // namespace tessera::data
