#include "launcher/rendezvous/journal.h"

#include <sys/stat.h>

#include <filesystem>

#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::rendezvous {
namespace {

using test::contains;
using test::error_of;
using test::TempDir;

v1::Record put_record(const std::string& key, const std::string& value) {
  v1::Record record;
  record.mutable_put()->set_key(key);
  record.mutable_put()->set_value(value);
  return record;
}

// The values of the records in a journal.
std::vector<std::string> values_of(const Journal& journal) {
  std::vector<std::string> out;
  for (const v1::Record& record : journal.records()) out.push_back(record.put().value());
  return out;
}

using Values = std::vector<std::string>;

class JournalTest : public testing::Test {
 protected:
  static std::vector<v1::Record> some(const Values& values) {
    std::vector<v1::Record> records;
    for (const std::string& value : values) records.push_back(put_record("k", value));
    return records;
  }
  // A journal with these records; and what is in its file.
  std::string make(const Values& values) {
    std::filesystem::remove(path_);
    Journal journal(path_);
    journal.append(some(values));
    return folder_.read("journal");
  }
  Values read() { return values_of(Journal(path_)); }
  mode_t mode() const {
    struct stat status {};
    EXPECT_EQ(stat(path_.c_str(), &status), 0);
    return status.st_mode & 0777;
  }

  TempDir folder_;
  std::string path_ = folder_ / "journal";
};

TEST_F(JournalTest, KeepsWhatWasAppended) {
  std::string bytes("\0\xff\n", 3);
  make({"a", bytes});
  EXPECT_EQ(read(), (Values{"a", bytes}));
  {
    Journal journal(path_);
    journal.append({});
    journal.append(some({"c", std::string(100'000, 'x')}));
    EXPECT_EQ(values_of(journal), (Values{"a", bytes}));  // as it was opened
  }
  EXPECT_EQ(read(), (Values{"a", bytes, "c", std::string(100'000, 'x')}));
}

TEST_F(JournalTest, KeepsAnEmptyRecord) {
  {
    Journal journal(path_);
    journal.append(std::vector<v1::Record>(2));
  }
  EXPECT_EQ(Journal(path_).records().size(), 2u);
}

TEST_F(JournalTest, ANewOneIsEmptyAndForItsOwnerOnly) {
  Journal journal(path_);
  EXPECT_TRUE(journal.records().empty());
  EXPECT_EQ(mode(), 0600u);
  // It holds the secrets of the members, afterwards as well.
  journal.replace(some({"a"}));
  EXPECT_EQ(mode(), 0600u);
}

TEST_F(JournalTest, ATailCutAnywhereDoesNotCount) {
  std::string one = make({"first"});
  std::string two = make({"first", "second"});
  for (size_t size = one.size(); size < two.size(); ++size) {
    folder_.write("journal", two.substr(0, size));
    ASSERT_EQ(read(), Values{"first"}) << size;
    ASSERT_EQ(folder_.read("journal"), one) << size;
  }
}

TEST_F(JournalTest, WhatIsAppendedAfterACutTailCounts) {
  std::string whole = make({"first", "second"});
  folder_.write("journal", whole.substr(0, whole.size() - 1));
  {
    Journal journal(path_);
    journal.append(some({"third"}));
  }
  EXPECT_EQ(read(), (Values{"first", "third"}));
}

TEST_F(JournalTest, ZerosAfterTheRecordsDoNotCount) {
  std::string one = make({"first"});
  folder_.write("journal", one + std::string(4096, '\0'));
  EXPECT_EQ(read(), Values{"first"});
}

TEST_F(JournalTest, ARecordWithAFlippedBitDoesNotCount) {
  std::string one = make({"first"});
  std::string two = make({"first", "second"});
  for (size_t at = one.size(); at < two.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = two;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      folder_.write("journal", flipped);
      ASSERT_EQ(read(), Values{"first"}) << at << " " << bit;
    }
  }
}

// A journal begins with whole records: its first ones are put there by replace().
TEST_F(JournalTest, AnotherFileIsRefusedAndLeftAsItIs) {
  std::string flipped = make({"first"});
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  std::vector<std::string> others = {"x",
                                     "hello\n",
                                     std::string(12, '\0'),
                                     std::string(5000, 'x'),
                                     "name: a config\nfor: something else\n",
                                     flipped};
  for (const std::string& other : others) {
    folder_.write("journal", other);
    EXPECT_EQ(error_of([&] { Journal journal(path_); }), path_ + ": not a journal of a rendezvous");
    EXPECT_EQ(folder_.read("journal"), other);
  }
}

TEST_F(JournalTest, WhatIsNoRegularFileIsRefused) {
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(contains(error_of([&] { Journal journal(path_); }), "cannot open the journal"));
  std::filesystem::remove(path_);
  folder_.write("target", "");
  std::filesystem::create_symlink("target", path_);
  EXPECT_TRUE(contains(error_of([&] { Journal journal(path_); }), "cannot open the journal"));
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_TRUE(contains(error_of([&] { Journal journal(path_); }), "expected a regular file"));
  EXPECT_TRUE(contains(error_of([&] { Journal journal(folder_ / "none/journal"); }),
                       "none/journal: cannot open the journal: No such file"));
}

TEST_F(JournalTest, BelongsToOneServerAtATime) {
  {
    Journal journal(path_);
    std::string error = path_ + ": another server has this journal";
    EXPECT_EQ(error_of([&] { Journal other(path_); }), error);
    journal.replace(some({"a"}));
    EXPECT_EQ(error_of([&] { Journal other(path_); }), error);
    journal.append(some({"b"}));
    EXPECT_EQ(error_of([&] { Journal other(path_); }), error);
  }
  EXPECT_EQ(read(), (Values{"a", "b"}));
}

TEST_F(JournalTest, CanBeReplacedByWhatMeansTheSame) {
  make({"a", "b", "c"});
  {
    Journal journal(path_);
    journal.replace(some({"abc"}));
    journal.append(some({"d"}));
    journal.replace(some({"abcd"}));
    journal.append(some({"e"}));
  }
  EXPECT_EQ(read(), (Values{"abcd", "e"}));
  EXPECT_EQ(folder_.names(), std::set<std::string>{"journal"});
}

TEST_F(JournalTest, AReplacementThatFailsLeavesTheOldOneInForce) {
  make({"a"});
  {
    Journal journal(path_);
    // No folder to write in.
    std::filesystem::rename(folder_.path(), folder_.path() + ".moved");
    std::string error = error_of([&] { journal.replace(some({"b"})); });
    std::filesystem::rename(folder_.path() + ".moved", folder_.path());
    EXPECT_TRUE(contains(error, path_));
    EXPECT_EQ(error_of([&] { Journal other(path_); }), path_ + ": another server has this journal");
    journal.append(some({"c"}));
  }
  EXPECT_EQ(read(), (Values{"a", "c"}));
  EXPECT_EQ(folder_.names(), std::set<std::string>{"journal"});
}

TEST_F(JournalTest, ShouldBeReplacedWhenItHasGrown) {
  Journal journal(path_);
  journal.replace(some({std::string(100'000, 'a')}));
  EXPECT_FALSE(journal.is_long());
  journal.append(some({std::string(1'100'000, 'a')}));
  EXPECT_FALSE(journal.is_long());
  journal.append(some({std::string(100'000, 'a')}));
  EXPECT_TRUE(journal.is_long());
  journal.replace(some({std::string(1'200'000, 'a')}));
  EXPECT_FALSE(journal.is_long());
}

}  // namespace
}  // namespace tessera::rendezvous
