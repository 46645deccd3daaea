#include "distributed/checkpoint/manifest.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/error_of.h"

namespace tessera::test {
namespace {

const std::string kSum = "xxh3:00112233445566778899aabbccddeeff";

Manifest two_ranks() {
  Manifest m;
  m.info = {.step = 12,
            .generation = 3,
            .ranks = 2,
            .position = 96,
            .seed = 1,
            .run = "/runs/\"a\"",
            .build = "b",
            .strategy = "ddp",
            .valid_loss = 1.25,
            .digest = "d1",
            .config = "run:\n  steps: 3\n"};
  m.files = {{"rank-0-of-2.safetensors", 1000, kSum}, {"rank-1-of-2.safetensors", 900, kSum}};
  m.tensors = {{"b", DType::i64, {}, {{1, {0, 1}, 800, kSum}}},
               {"w", DType::f32, {10, 20}, {{0, {0, 128}, 100, kSum}, {1, {128, 200}, 100, kSum}}}};
  return m;
}

std::string parse_error(const std::string& text, ManifestKind kind = ManifestKind::whole) {
  return error_of([&] { parse_unsealed_manifest(text, kind, "m.json"); });
}

// The text with one part replaced, which must be there.
std::string with(const std::string& from, const std::string& to) {
  std::string text = format_manifest(two_ranks(), ManifestKind::whole);
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Manifest, ReadsWhatItWrites) {
  for (ManifestKind kind : {ManifestKind::whole, ManifestKind::part}) {
    std::string text = format_manifest(two_ranks(), kind);
    Manifest read = parse_manifest(text, kind, "m.json");
    EXPECT_EQ(format_manifest(read, kind), text);
    EXPECT_EQ(read.info.valid_loss, 1.25);
    EXPECT_EQ(read.info.digest, "d1");
    EXPECT_EQ(read.find("w")->pieces[1].interval.begin, 128);
    EXPECT_EQ(read.find("x"), nullptr);
  }
  EXPECT_TRUE(contains(error_of([] {
                         parse_manifest(format_manifest(two_ranks(), ManifestKind::part),
                                        ManifestKind::whole, "m");
                       }),
                       "expected the format tessera-checkpoint-1, got \"tessera-part-1\""));
}

TEST(Manifest, KnowsMetricsThatAreNumbers) {
  Manifest manifest = two_ranks();
  manifest.info.metrics = {{"accuracy", 0.1}, {"perplexity", HUGE_VAL}, {"top5", 1}};
  std::string text = format_manifest(manifest, ManifestKind::whole);
  std::vector<NamedNumber> read = parse_manifest(text, ManifestKind::whole, "m").info.metrics;
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read[0].name, "accuracy");
  EXPECT_EQ(read[0].value, 0.1);
  EXPECT_EQ(read[1].name, "top5");
  size_t at = text.find("[\"top5\", ");
  ASSERT_NE(at, std::string::npos);
  EXPECT_TRUE(contains(parse_error(text.replace(at, 7, "[7")), "expected a string, got \"7\""));
}

TEST(Manifest, KnowsUpdatesDataAndTheNextRate) {
  Manifest manifest = two_ranks();
  manifest.info.updates = 11;
  manifest.info.data = "training: 3 samples";
  manifest.info.next_lr = 0.1;
  manifest.info.loop = "what\nelse";
  CheckpointInfo read =
      parse_manifest(format_manifest(manifest, ManifestKind::whole), ManifestKind::whole, "m").info;
  EXPECT_EQ(read.updates, 11);
  EXPECT_EQ(read.data, "training: 3 samples");
  EXPECT_EQ(read.next_lr, 0.1);
  EXPECT_EQ(read.loop, "what\nelse");
  EXPECT_TRUE(read.metrics.empty());
  manifest.info.updates = 13;
  EXPECT_TRUE(contains(parse_error(format_manifest(manifest, ManifestKind::whole)),
                       "'updates': expected at most one update a step"));
}

TEST(Manifest, KnowsTheLossScaleOfARunThatHasOne) {
  EXPECT_EQ(format_manifest(two_ranks(), ManifestKind::whole).find("loss_scale"),
            std::string::npos);
  Manifest manifest = two_ranks();
  manifest.info.loss_scale = LossScaleState{1234.5, 17};
  std::string text = format_manifest(manifest, ManifestKind::whole);
  EXPECT_EQ(parse_manifest(text, ManifestKind::whole, "m").info.loss_scale,
            (LossScaleState{1234.5, 17}));
  for (auto [from, to, error] : {std::tuple{"1234.5", "0", "'scale': expected a scale above 0"},
                                 std::tuple{"1234.5", "\"x\"", "'scale': expected a number"},
                                 std::tuple{"17}", "-1}", "'growth_tracker': expected a number"},
                                 std::tuple{"17}", "1.5}", "'growth_tracker': expected a number"},
                                 std::tuple{"growth_tracker", "other", "no 'growth_tracker'"}}) {
    std::string bad = text;
    bad.replace(bad.find(from), std::string(from).size(), to);
    EXPECT_TRUE(contains(parse_error(bad), error)) << to;
  }
}

// As they were written before there was anything to say about them.
TEST(Manifest, ReadsThoseOfOlderVersions) {
  CheckpointInfo read =
      parse_unsealed_manifest(with("\"updates\": 12,\n\"data\": \"\",\n\"next_lr\": null,\n", ""),
                              ManifestKind::whole, "m")
          .info;
  EXPECT_EQ(read.step, 12);
  EXPECT_EQ(read.updates, std::nullopt);
  EXPECT_EQ(read.data, "");
  EXPECT_EQ(read.next_lr, std::nullopt);
  EXPECT_EQ(read.config, "run:\n  steps: 3\n");
}

TEST(Manifest, RefusesAnotherChecksum) {
  std::string text = with("96", "97");
  EXPECT_TRUE(contains(error_of([&] { parse_manifest(text, ManifestKind::whole, "m.json"); }),
                       "m.json: damaged: its checksum is xxh3:"));
  // The quotation mark before the checksum is not the one after it.
  std::string no_checksum = text.substr(0, text.rfind("xxh3:")) + "}\n";
  EXPECT_TRUE(contains(error_of([&] { parse_manifest(no_checksum, ManifestKind::whole, "m"); }),
                       "it does not end in a checksum"));
  text.resize(text.size() / 2);
  EXPECT_TRUE(contains(error_of([&] { parse_manifest(text, ManifestKind::whole, "m.json"); }),
                       "it does not end in a checksum"));
}

TEST(Manifest, NamesWhatIsWrong) {
  struct Case {
    std::string from, to, error;
  };
  for (const Case& c : std::vector<Case>{
           {"\"step\": 12", "\"step\": -1", "'step': expected a number of at least 0, got \"-1\""},
           {"\"step\": 12", "\"stop\": 12", "there is no 'step'"},
           {"\"step\": 12", "\"step\": 1e400", "m.json: "},
           {"\"position\": 96", "\"position\": \"96\"", "'position': expected a number"},
           {"rank-0-of-2.safetensors", "../rank-0", "expected the name of a file in the folder"},
           {"rank-0-of-2.safetensors", "/etc/passwd", "expected the name of a file in the folder"},
           {"rank-0-of-2.safetensors", "..", "expected the name of a file in the folder"},
           {"rank-0-of-2.safetensors", "", "expected the name of a file in the folder"},
           {"rank-0-of-2.safetensors", "rank-1-of-2.safetensors", "is listed twice"},
           {"\"f32\"", "\"f8\"", "\"w\": expected a dtype, got"},
           {"[10, 20]", "[10, -20]", "\"w\": expected a number of at least 0"},
           {"[10, 20]", "[10, 30]", "\"w\": elements [200, 300) are missing"},
           {"[10, 20]", "[4611686018427387904, 4]", "expected a shape that fits into memory"},
           {"[10, 20]", "20", "expected a list"},
           {"[1, 128, 200,", "[1, 130, 200,", "\"w\": elements [128, 130) are missing"},
           {"[1, 128, 200,", "[1, 120, 200,", "\"w\": elements [120, 128) are listed twice"},
           {"[1, 128, 200,", "[1, 200, 128,", "expected an interval of the 200 elements"},
           {"[1, 128, 200,", "[1, 128, 201,", "expected an interval of the 200 elements"},
           {"[1, 128, 200,", "[2, 128, 200,", "expected the index of a file"},
           {"200, 100,", "200, 613,", "expected a place inside the 900 bytes of rank-1-of-2"},
           {"200, 100,", "200, 18446744073709551615,", "expected a number of at least 0"},
           {"\"w\"", "\"b\"", "the tensor \"b\" is listed twice"},
           {kSum + "\"]]]\n]", "md5:00\"]]]\n]", "expected a checksum"},
           {"\"files\": [", "\"files\": [3, ", "expected a list of 3"}}) {
    EXPECT_TRUE(contains(parse_error(with(c.from, c.to)), c.error)) << c.to;
  }
  EXPECT_TRUE(contains(parse_error("[]"), "there is no 'format'"));
  EXPECT_TRUE(contains(parse_error(std::string(100000, '[')), "not JSON"));
}

TEST(Manifest, PartsMakeAWhole) {
  Manifest whole = two_ranks();
  std::vector<Manifest> parts(2);
  for (size_t rank = 0; rank < 2; ++rank) {
    parts[rank].info = whole.info;
    parts[rank].files = {whole.files[rank]};
    for (const TensorRecord& tensor : whole.tensors) {
      TensorRecord own{tensor.name, tensor.dtype, tensor.shape, {}};
      for (PieceRecord piece : tensor.pieces) {
        if (piece.file != rank) continue;
        piece.file = 0;
        own.pieces.push_back(piece);
      }
      if (!own.pieces.empty()) parts[rank].tensors.push_back(own);
    }
  }
  Manifest merged = merge_parts(parts, whole.info, "m");
  EXPECT_EQ(format_manifest(merged, ManifestKind::whole),
            format_manifest(whole, ManifestKind::whole));
  auto with_other = [&](auto change) {
    auto changed = parts;
    change(changed[1].tensors);
    return error_of([&] { merge_parts(changed, whole.info, "m"); });
  };
  EXPECT_TRUE(contains(with_other([](auto& tensors) { tensors.back().dtype = DType::f64; }),
                       "the parts disagree about \"w\": f32 (10, 20) and f64 (10, 20)"));
  EXPECT_TRUE(contains(with_other([](auto& tensors) { tensors.pop_back(); }),
                       "\"w\": elements [128, 200) are missing"));
}

}  // namespace
}  // namespace tessera::test
