#include "launcher/rendezvous/members.h"

#include <gtest/gtest.h>

namespace tessera::rendezvous {
namespace {

v1::Node node(const std::string& host, int node_rank = -1) {
  v1::Node node;
  node.set_host(host);
  node.set_node_rank(node_rank);
  return node;
}

BeatCall beat(uint64_t sequence, CallId stream) {
  BeatCall call{stream, {}};
  call.beat.set_sequence(sequence);
  return call;
}

TEST(Members, AreFoundByIdAndSecretTogether) {
  Members members(0);
  MemberId id = members.add(node("a"), "secret", 10);
  EXPECT_EQ(members.find(id, "secret"), id);
  EXPECT_EQ(members.find(id, "other"), std::nullopt);
  EXPECT_EQ(members.find(id + 1, "secret"), std::nullopt);
  EXPECT_EQ(members.with_secret("secret"), id);
  EXPECT_EQ(members.with_secret("other"), std::nullopt);
  EXPECT_EQ(members.last_join(), 10);
}

TEST(Members, AnIdIsGivenOnce) {
  Members members(0);
  MemberId first = members.add(node("a"), "one", 0);
  members.remove(first);
  EXPECT_EQ(members.size(), 0u);
  EXPECT_EQ(members.with_secret("one"), std::nullopt);
  MemberId second = members.add(node("a"), "one", 0);
  EXPECT_GT(second, first);
  members.retire(second + 5);
  EXPECT_EQ(members.add(node("b"), "two", 0), second + 6);
  members.retire(1);
  EXPECT_EQ(members.add(node("c"), "three", 0), second + 7);
}

TEST(Members, ABeatThatWasOvertakenIsNotHeard) {
  Members members(0);
  MemberId id = members.add(node("a"), "one", 0);
  EXPECT_TRUE(members.hear(id, beat(2, 7), 100));
  EXPECT_FALSE(members.hear(id, beat(1, 8), 200));
  EXPECT_FALSE(members.hear(id, beat(2, 8), 200));
  EXPECT_EQ(members.at(id).stream, 7u);
  EXPECT_EQ(members.at(id).last_seen, 100);
}

TEST(Members, ThoseThatAreSilentForLongerAreTold) {
  Members members(0);
  MemberId a = members.add(node("a"), "one", 0);
  MemberId b = members.add(node("b"), "two", 50);
  EXPECT_TRUE(members.silent_for_longer(100, 100).empty()) << "not longer than that";
  EXPECT_EQ(members.silent_for_longer(100, 101), std::vector<MemberId>{a});
  members.skip(100);
  EXPECT_TRUE(members.silent_for_longer(100, 200).empty());
  EXPECT_EQ(members.silent_for_longer(100, 251), (std::vector<MemberId>{a, b}));
  members.resume(251);
  EXPECT_TRUE(members.silent_for_longer(100, 351).empty());
}

TEST(Members, ThoseThatLeaveAreCountedOnce) {
  Members members(0);
  MemberId a = members.add(node("a"), "one", 0);
  members.add(node("b"), "two", 0);
  EXPECT_FALSE(members.any_leaving());
  members.set_leaving(a);
  members.set_leaving(a);
  EXPECT_EQ(members.num_staying(), 1u);
  members.remove(a);
  members.remove(a);
  EXPECT_EQ(members.num_staying(), 1u);
  EXPECT_FALSE(members.any_leaving());
}

TEST(Members, TheLongestThereAreChosenInTheUsersOrder) {
  Members members(0);
  MemberId a = members.add(node("a"), "1", 0);
  MemberId b = members.add(node("b", 3), "2", 0);
  MemberId c = members.add(node("c", 0), "3", 0);
  MemberId d = members.add(node("d", 1), "4", 0);
  MemberId e = members.add(node("e"), "5", 0);
  EXPECT_EQ(members.choose(9), (std::vector<MemberId>{c, d, b, a, e}));
  EXPECT_EQ(members.choose(3), (std::vector<MemberId>{c, b, a}));
  members.set_leaving(c);
  EXPECT_EQ(members.choose(3), (std::vector<MemberId>{d, b, a}));
}

TEST(Members, ATakenNodeRankIsRefused) {
  Members members(0);
  members.add(node("a", 2), "1", 0);
  members.add(node("b"), "2", 0);
  EXPECT_FALSE(members.trouble_with(node("c")));
  EXPECT_FALSE(members.trouble_with(node("c", 1)));
  auto trouble = members.trouble_with(node("c", 2));
  ASSERT_TRUE(trouble);
  EXPECT_EQ(trouble->why, Refused::taken);
  EXPECT_EQ(trouble->text, "node rank 2 is taken");
}

}  // namespace
}  // namespace tessera::rendezvous
