#include "launcher/agent/host_list.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/error.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_dir.h"

namespace tessera::agent {
namespace {

using test::contains;
using test::error_of;

using Names = std::vector<std::string>;

std::string slurm_error(std::string_view list) {
  return error_of([&] { expand_slurm_nodes(list); });
}

std::string hostfile_error(std::string_view text) {
  return error_of([&] { parse_hostfile(text, "hosts"); });
}

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

TEST(SlurmNodes, Expand) {
  EXPECT_EQ(expand_slurm_nodes("node[01-03,7],gpu5"),
            (Names{"node01", "node02", "node03", "node7", "gpu5"}));
  EXPECT_EQ(expand_slurm_nodes("a"), (Names{"a"}));
  EXPECT_EQ(expand_slurm_nodes("n[5]"), (Names{"n5"}));
  EXPECT_EQ(expand_slurm_nodes("[1-2]"), (Names{"1", "2"}));
  EXPECT_EQ(expand_slurm_nodes("a-1.b_c,A"), (Names{"a-1.b_c", "A"}));
  EXPECT_EQ(expand_slurm_nodes("n[3-4]-ib.cluster"), (Names{"n3-ib.cluster", "n4-ib.cluster"}));
}

TEST(SlurmNodes, TheFirstNumberGivesTheWidth) {
  EXPECT_EQ(expand_slurm_nodes("n[9-11]"), (Names{"n9", "n10", "n11"}));
  EXPECT_EQ(expand_slurm_nodes("n[09-11]"), (Names{"n09", "n10", "n11"}));
  EXPECT_EQ(expand_slurm_nodes("n[099-101]"), (Names{"n099", "n100", "n101"}));
  EXPECT_EQ(expand_slurm_nodes("n[00-1,000]"), (Names{"n00", "n01", "n000"}));
  EXPECT_EQ(expand_slurm_nodes("n[99-100]"), (Names{"n99", "n100"}));
}

TEST(SlurmNodes, TheLastBracketIsTheFastest) {
  EXPECT_EQ(expand_slurm_nodes("rack[1-2]node[01,3]"),
            (Names{"rack1node01", "rack1node3", "rack2node01", "rack2node3"}));
  EXPECT_EQ(expand_slurm_nodes("[0-1][5-6]x[7]"), (Names{"05x7", "06x7", "15x7", "16x7"}));
}

TEST(SlurmNodes, ErrorsNameThePlace) {
  EXPECT_EQ(slurm_error(""), "[slurm nodes] column 1 of '': expected a name, got the end");
  EXPECT_EQ(slurm_error("a,,b"), "[slurm nodes] column 3 of 'a,,b': expected a name, got ','");
  EXPECT_EQ(slurm_error("a,"), "[slurm nodes] column 3 of 'a,': expected a name, got the end");
  EXPECT_EQ(slurm_error("-a"), "[slurm nodes] column 1 of '-a': expected a name, got '-'");
  EXPECT_EQ(slurm_error("n[01-"),
            "[slurm nodes] column 6 of 'n[01-': expected a number, got the end");
  EXPECT_EQ(slurm_error("n[]"), "[slurm nodes] column 3 of 'n[]': expected a number, got ']'");
  EXPECT_EQ(slurm_error("n[1,]"), "[slurm nodes] column 5 of 'n[1,]': expected a number, got ']'");
  EXPECT_EQ(slurm_error("n[1x]"),
            "[slurm nodes] column 4 of 'n[1x]': expected a number, '-', ',' or ']', got 'x'");
  EXPECT_EQ(slurm_error("n[[1]]"),
            "[slurm nodes] column 3 of 'n[[1]]': expected a number, got '['");
  EXPECT_EQ(slurm_error("n1 n2"),
            "[slurm nodes] column 3 of 'n1 n2': expected a name, '[', ',' or the end, got ' '");
  EXPECT_EQ(slurm_error("n]"),
            "[slurm nodes] column 2 of 'n]': expected a name, '[', ',' or the end, got ']'");
  EXPECT_EQ(slurm_error("n[3-1]"),
            "[slurm nodes] column 3 of 'n[3-1]': expected a range from the "
            "smaller number to the larger");
  EXPECT_EQ(slurm_error("n[1-1234567890123456789]"),
            "[slurm nodes] column 5 of 'n[1-1234567890123456789]': expected a number of at most 18 "
            "digits");
  EXPECT_TRUE(contains(slurm_error("a\nb"), "column 2 of 'a\\x0ab'"));
  EXPECT_TRUE(contains(slurm_error(std::string_view("a\0b", 3)), "column 2 of"));
}

TEST(SlurmNodes, BoundsComeBeforeMemory) {
  EXPECT_EQ(expand_slurm_nodes("n[0-65535]").size(), 65536u);
  EXPECT_EQ(expand_slurm_nodes("n[0-255]m[0-255]").size(), 65536u);
  EXPECT_EQ(slurm_error("n[0-65536]"),
            "[slurm nodes] column 3 of 'n[0-65536]': expected at most 65536 names in all");
  EXPECT_EQ(slurm_error("n[5,0-999999999999999999]"),
            "[slurm nodes] column 5 of 'n[5,0-999999999999999999]': expected at most 65536 names "
            "in all");
  EXPECT_TRUE(contains(slurm_error("n[0-256]m[0-255]"), "column 11 of"));
  EXPECT_TRUE(contains(slurm_error("n[0-9999][0-9999][0-9999][0-9999][0-9999]"), "column 11 of"));
  EXPECT_TRUE(contains(slurm_error("n[0-65535],m"), "column 12 of"));
  EXPECT_TRUE(contains(slurm_error("a" + repeat(",a", 65536)), "column 131073 of"));
  // A long name many times over would be gigabytes.
  EXPECT_EQ(expand_slurm_nodes(repeat("x", 250) + "[001]").front().size(), 253u);
  EXPECT_TRUE(contains(slurm_error(repeat("x", 250) + "[0-65535]"), "a name of at most 253 bytes"));
  EXPECT_TRUE(contains(slurm_error(repeat("[1]", 300)), "a name of at most 253 bytes"));
  EXPECT_TRUE(contains(slurm_error(repeat("x", (1 << 20) + 1)), "at most 1048576 bytes"));
}

TEST(Hostfile, LinesOfNamesSlotsAndComments) {
  auto hosts = parse_hostfile(
      "# a cluster\n"
      "\n"
      "node1 slots=4\n"
      "  node2.cluster\t slots=65536  # the big one\r\n"
      "node3# no blank is needed\n"
      "10.0.0.4 slots=1\n"
      "fe80::5\n"
      "[fe80::6] slots=2",
      "hosts");
  std::vector<Host> expected{{"node1", 4},    {"node2.cluster", 65536}, {"node3", 0},
                             {"10.0.0.4", 1}, {"fe80::5", 0},           {"fe80::6", 2}};
  EXPECT_EQ(hosts, expected);
}

TEST(Hostfile, ErrorsNameThePlace) {
  std::string slots = "expected slots=N with N from 1 to 65536, got ";
  EXPECT_EQ(hostfile_error("a\n  b slot=4\n"), "hosts:2:5: " + slots + "'slot=4'");
  for (const char* wrong : {"slots=", "slots", "slots=0", "slots=-1", "slots=+1", "slots=65537",
                            "slots=1x", "slots=99999999999999999999", "slots=0x4", "=4", "s"}) {
    EXPECT_EQ(hostfile_error(std::string("a ") + wrong), "hosts:1:3: " + slots + "'" + wrong + "'");
  }
  EXPECT_EQ(hostfile_error("a slots=1 max=2"),
            "hosts:1:11: expected the end of the line, got "
            "'max=2'");
  EXPECT_EQ(hostfile_error("a slots = 1"), "hosts:1:3: " + slots + "'slots'");
  for (const char* wrong : {"a:b", "user@a", "[a]", "[10.0.0.1]", "[", "a/b", "-a", ".a", "\x01"}) {
    EXPECT_TRUE(contains(hostfile_error(std::string("\n ") + wrong + "\n"),
                         "hosts:2:2: expected a host name or an address, got '"))
        << wrong;
  }
  EXPECT_TRUE(contains(hostfile_error(std::string_view("a\0b", 3)), "hosts:1:1: expected a host"));
  EXPECT_TRUE(contains(hostfile_error(repeat("x", 254)), "hosts:1:1: expected a host name"));
  for (const char* nothing : {"", "\n", " # x\n\n"}) {
    EXPECT_EQ(hostfile_error(nothing),
              "hosts:1:1: expected a host, got nothing but blanks and comments");
  }
}

TEST(Hostfile, DuplicatesAreRefused) {
  EXPECT_EQ(hostfile_error("a\nb\n a\n"), "hosts:3:2: host 'a' is on line 1 already");
  EXPECT_EQ(hostfile_error("node\nNODE.\n"), "hosts:2:1: host 'NODE.' is on line 1 already");
  EXPECT_EQ(hostfile_error("::1\n[0:0::1]\n"), "hosts:2:1: host '0:0::1' is on line 1 already");
  EXPECT_EQ(hostfile_error("a.x\na.y\na\n"), "");
}

TEST(Hostfile, SizesAreBounded) {
  test::TempDir folder;
  EXPECT_EQ(read_hostfile(folder.write("hosts", "a slots=2\n")), (std::vector<Host>{{"a", 2}}));
  std::string large = folder.write("large", repeat("#", (1 << 20) + 1));
  EXPECT_EQ(error_of([&] { read_hostfile(large); }),
            "[read] " + large + ": expected at most 1048576 bytes, got 1048577");
  EXPECT_TRUE(contains(error_of([&] { read_hostfile(folder / "none"); }), folder / "none"));
  std::string many;
  for (size_t i = 0; i <= kMaxHosts; ++i) many += fmt::format("n{}\n", i);
  EXPECT_EQ(hostfile_error(many), "hosts:65537:1: expected at most 65536 hosts");
}

std::optional<int> index_in(const Names& names, const Names& own) {
  std::vector<Host> hosts;
  for (const std::string& name : names) hosts.push_back({name, 0});
  return own_index(hosts, own);
}

TEST(OwnIndex, FindsThisNodeWithAndWithoutDomain) {
  Names hosts{"node1", "node2.cluster", "node10"};
  EXPECT_EQ(index_in(hosts, {"node1"}), 0);
  EXPECT_EQ(index_in(hosts, {"node1.cluster"}), 0);
  EXPECT_EQ(index_in(hosts, {"node2"}), 1);
  EXPECT_EQ(index_in(hosts, {"NODE2.Cluster."}), 1);
  EXPECT_EQ(index_in(hosts, {"node10"}), 2);
  EXPECT_EQ(index_in(hosts, {"node3"}), std::nullopt);
  EXPECT_EQ(index_in(hosts, {"node"}), std::nullopt);
  EXPECT_EQ(index_in(hosts, {"node2.other"}), std::nullopt);
  EXPECT_EQ(index_in(hosts, {}), std::nullopt);
  EXPECT_EQ(index_in({}, {"node1"}), std::nullopt);
}

TEST(OwnIndex, FindsLiteralAddresses) {
  Names hosts{"10.0.0.1", "fe80:0::2", "10"};
  EXPECT_EQ(index_in(hosts, {"x", "10.0.0.1"}), 0);
  EXPECT_EQ(index_in(hosts, {"fe80::0002"}), 1);
  EXPECT_EQ(index_in(hosts, {"[fe80::2]"}), 1);
  // The first number of an address is no label.
  EXPECT_EQ(index_in(hosts, {"10.0.0.2"}), std::nullopt);
}

TEST(OwnIndex, ANameGoesBeforeAFirstLabelAndSeveralAreRefused) {
  EXPECT_EQ(index_in({"a.x", "a"}, {"a"}), 1);
  EXPECT_EQ(index_in({"a.x", "a.y"}, {"a.y", "a"}), 1);
  EXPECT_EQ(error_of([] {
              index_in({"a.x", "b", "a.y"}, {"a"});
            }),
            "[hosts] expected one host to be this node, got 'a.x' and 'a.y'");
  EXPECT_EQ(error_of([] {
              index_in({"a", "10.0.0.1"}, {"a", "10.0.0.1"});
            }),
            "[hosts] expected one host to be this node, got 'a' and '10.0.0.1'");
}

}  // namespace
}  // namespace tessera::agent
