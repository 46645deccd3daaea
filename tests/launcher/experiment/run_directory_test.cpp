#include "launcher/experiment/run_directory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "tests/support/temp_dir.h"

namespace tessera::experiment {
namespace {

using test::TempDir;

// What is left of a file of records for a run that goes on after step 2.
std::string cut(const std::string& text) {
  TempDir folder;
  folder.write("metrics.jsonl", text);
  RunDirectory(folder.path()).cut_metrics(2);
  return folder.read("metrics.jsonl");
}

TEST(CutMetrics, LeavesTheRecordsUpToTheStep) {
  EXPECT_EQ(cut("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n"), "{\"step\":1}\n{\"step\":2}\n");
  EXPECT_EQ(cut("{\"step\":2,\"final\":true}\n"), "");
  EXPECT_EQ(cut(""), "");
}

TEST(CutMetrics, EndsALineThatLostItsEnd) {
  EXPECT_EQ(cut("{\"step\":1}\n{\"step\":2}"), "{\"step\":1}\n{\"step\":2}\n");
  EXPECT_EQ(cut("{\"step\":1}"), "{\"step\":1}\n");
}

TEST(CutMetrics, DropsWhatIsNoRecord) {
  EXPECT_EQ(cut("{\"step\":1}\n{\"step\":2"), "{\"step\":1}\n");
  EXPECT_EQ(cut("\n\n3\n{\"step\":1}\nnull"), "{\"step\":1}\n");
  // Written by somebody else: no step to be judged by.
  EXPECT_EQ(cut("{\"step\":\"7\"}\n{\"note\":1}\n"), "{\"step\":\"7\"}\n{\"note\":1}\n");
}

TEST(LineFile, GoesOnInALineOfItsOwn) {
  TempDir folder;
  for (const std::string& before : {std::string("a\nb"), std::string("a\nb\n"), std::string()}) {
    folder.write("log", before);
    LineFile(folder / "log", LineFileMode::extend).append("c");
    EXPECT_EQ(folder.read("log"), before.empty() ? "c\n" : "a\nb\nc\n");
  }
  EXPECT_THROW(LineFile(folder / "log", LineFileMode::create), Error);
}

}  // namespace
}  // namespace tessera::experiment
