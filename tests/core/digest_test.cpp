#include "core/digest.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

#include <random>
#include <set>

#include "core/parallel.h"
#include "tests/support/error_of.h"

namespace tessera {
namespace {

using test::contains;
using test::error_of;
using Named = std::vector<std::pair<std::string, Array>>;

std::string sha(const std::string& text) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string hex(const std::string& bytes) {
  std::string out;
  for (char byte : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return out;
}

// The definition, level by level.
std::string naive_root(std::vector<std::string> nodes) {
  if (nodes.empty()) return "";
  while (nodes.size() > 1) {
    std::vector<std::string> above;
    for (size_t i = 0; i < nodes.size(); i += 2) {
      above.push_back(i + 1 < nodes.size() ? sha('\1' + nodes[i] + nodes[i + 1]) : nodes[i]);
    }
    nodes = above;
  }
  return nodes[0];
}

// `named` has plain names, in order, and row-major arrays.
std::string naive_digest(const Named& named) {
  std::string header;
  std::vector<std::string> leaves;
  for (const auto& [name, array] : named) {
    header += fmt::format("\"{}\" {} {}\n", name, array.dtype(), array.shape());
    std::string bytes(static_cast<const char*>(array.raw()), array.nbytes());
    size_t chunk = 256 * item_size(array.dtype());
    for (size_t at = 0; at < bytes.size(); at += chunk) {
      leaves.push_back(sha('\0' + bytes.substr(at, chunk)));
    }
  }
  return hex(sha(header + naive_root(leaves)));
}

Array random_bytes(const Dims& shape, DType dtype, uint32_t seed) {
  Array out = Array::empty(shape, dtype);
  std::mt19937 random(seed);
  auto* bytes = static_cast<unsigned char*>(out.raw());
  for (size_t i = 0; i < out.nbytes(); ++i) bytes[i] = static_cast<unsigned char>(random());
  return out;
}

Named sample() {
  return {{"a", random_bytes({3, 200}, DType::f32, 1)},
          {"b", random_bytes({}, DType::i64, 2)},
          {"c", Array::empty({2, 0}, DType::bf16)},
          {"d", random_bytes({256}, DType::u8, 3)}};
}

TEST(Digest, IsTheDefinition) {
  EXPECT_EQ(digest(sample()), naive_digest(sample()));
  EXPECT_EQ(digest({}), hex(sha("")));
  EXPECT_EQ(digest(Named{{"e", Array::empty({0})}}), hex(sha("\"e\" f32 (0,)\n")));
}

TEST(Digest, IsTheDefinitionForAnyNumberOfLeaves) {
  for (int64_t leaves = 0; leaves <= 40; ++leaves) {
    for (int64_t last : {1, 255, 256}) {
      int64_t count = std::max<int64_t>(0, (leaves - 1) * 256 + last);
      Named named{{"a", random_bytes({count}, DType::u8, 1)}};
      EXPECT_EQ(digest(named), naive_digest(named)) << count;
    }
  }
}

TEST(Digest, IsTheDefinitionAcrossTiles) {
  // Tiles are of 1024 leaves: some end within an array, some hold several arrays.
  for (int64_t leaves : {1023, 1024, 1025, 2048, 3000, 5121}) {
    Named named{{"a", random_bytes({300}, DType::f16, 1)},
                {"b", random_bytes({leaves * 256 - 7}, DType::u8, 2)},
                {"c", random_bytes({700 * 256}, DType::boolean, 3)},
                {"d", random_bytes({}, DType::f64, 4)}};
    EXPECT_EQ(digest(named), naive_digest(named)) << leaves;
  }
}

TEST(Digest, DoesNotDependOnThreads) {
  Named named{{"a", random_bytes({6000 * 256 + 5}, DType::u8, 1)}};
  int before = num_threads();
  std::string expected = naive_digest(named);
  for (int threads : {1, 2, 3, 8, 16}) {
    set_num_threads(threads);
    EXPECT_EQ(digest(named), expected) << threads;
  }
  set_num_threads(before);
}

TEST(Digest, DoesNotDependOnOrderOrStrides) {
  Named named = sample();
  std::string expected = digest(named);
  std::swap(named[0], named[3]);
  std::swap(named[1], named[2]);
  EXPECT_EQ(digest(named), expected);

  Array matrix = Array::arange(600).reshape({20, 30});
  Named strided{{"a", matrix.transpose(0, 1).clone().transpose(0, 1)}};
  ASSERT_FALSE(strided[0].second.is_contiguous());
  EXPECT_EQ(digest(strided), digest(Named{{"a", matrix}}));
  Named part{{"a", Array::arange(20).slice(0, 5, 15)}};
  EXPECT_EQ(digest(part), digest(Named{{"a", part[0].second.clone()}}));
}

TEST(Digest, ChangesWithEveryBit) {
  Named named = sample();
  std::set<std::string> seen{digest(named)};
  size_t changes = 0;
  for (auto& [name, array] : named) {
    auto* bytes = static_cast<unsigned char*>(array.raw());
    for (size_t bit = 0; bit < 8 * array.nbytes(); bit += 61, ++changes) {
      bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
      seen.insert(digest(named));
      bytes[bit / 8] ^= static_cast<unsigned char>(1 << bit % 8);
    }
  }
  EXPECT_GT(changes, 300u);
  EXPECT_EQ(seen.size(), changes + 1);
}

TEST(Digest, ChangesWithNameShapeAndDtype) {
  Array zeros = Array::zeros({6});
  std::set<std::string> seen{
      digest({}),
      digest(Named{{"a", zeros}}),
      digest(Named{{"b", zeros}}),
      digest(Named{{"", zeros}}),
      digest(Named{{"a", zeros.view({2, 3})}}),
      digest(Named{{"a", zeros.view({3, 2})}}),
      digest(Named{{"a", zeros.to(DType::i32)}}),
      digest(Named{{"a", zeros}, {"b", zeros}}),
      digest(Named{{"a", zeros}, {"b", Array::empty({0})}}),
      digest(Named{{"a", Array::zeros({12})}}),
      digest(Named{{"a", Array::full({6}, -0.0)}}),
      digest(Named{{"a\" f32 (6,)\n\"b", zeros}}),
  };
  EXPECT_EQ(seen.size(), 12u);
}

TEST(Digest, RefusesBadNamesAndArrays) {
  Array x = Array::zeros({1});
  auto error = [](const Named& named) { return error_of([&] { digest(named); }); };
  EXPECT_EQ(error({{"a", x}, {"b", x}, {"a", x}}), "[digest] the name \"a\" appears twice");
  EXPECT_TRUE(contains(error({{"a\xff", x}}), "is not UTF-8"));
  EXPECT_EQ(error({{"a", Array()}}), "[digest] \"a\": expected an array, got an undefined one");
}

}  // namespace
}  // namespace tessera
