#include "launcher/rendezvous/fence_table.h"

#include "tests/launcher/rendezvous/coordinator_driver.h"

namespace tessera::rendezvous {
namespace {

// Three nodes with ranks that run.
class Fences : public testing::Test {
 protected:
  Fences() : driver_(CoordinatorDriver::job(3, 3)) {
    for (const char* host : {"a", "b", "c"}) driver_.join(host);
    driver_.start_all();
  }

  v1::FenceRequest request(const std::string& host, const std::string& key,
                           const std::vector<int>& participants, const std::string& data) {
    v1::FenceRequest request;
    request.set_member(driver_.agent(host).member);
    request.set_secret(driver_.agent(host).secret);
    request.set_generation(driver_.coordinator().generation());
    request.set_key(key);
    for (int each : participants) request.add_participants(each);
    request.set_data(data);
    return request;
  }
  std::optional<Answer> enter(const std::string& host, const std::string& data,
                              const std::vector<int>& participants = {0, 1, 2},
                              const std::string& key = "k") {
    return driver_.call<FenceCall>(request(host, key, participants, data));
  }
  static std::vector<std::string> data_of(const std::optional<Answer>& answer) {
    const auto* reply = answer ? std::get_if<v1::FenceReply>(&answer->reply) : nullptr;
    if (!reply) return {};
    return {reply->data().begin(), reply->data().end()};
  }

  CoordinatorDriver driver_;
};

using Data = std::vector<std::string>;

TEST_F(Fences, GiveEveryoneAllDataInTheOrderOfTheNodes) {
  EXPECT_FALSE(enter("c", "3"));
  CallId first = driver_.last_call();
  EXPECT_FALSE(enter("a", "1"));
  CallId second = driver_.last_call();
  EXPECT_EQ(data_of(enter("b", "")), (Data{"1", "", "3"}));
  EXPECT_EQ(data_of(driver_.answer(first)), (Data{"1", "", "3"}));
  EXPECT_EQ(data_of(driver_.answer(second)), (Data{"1", "", "3"}));
}

TEST_F(Fences, OfSomeNodesAreApartFromThoseOfAll) {
  EXPECT_FALSE(enter("a", "x", {0, 2}));
  EXPECT_FALSE(enter("a", "y", {0, 1, 2}));
  EXPECT_FALSE(enter("a", "z", {0, 2}, "other"));
  EXPECT_EQ(data_of(enter("c", "w", {0, 2})), (Data{"x", "w"}));
  EXPECT_EQ(data_of(enter("b", "alone", {1})), Data{"alone"});
}

TEST_F(Fences, WhoRepeatsGetsTheSameAnswer) {
  EXPECT_FALSE(enter("a", "1", {0, 1}));
  EXPECT_FALSE(enter("a", "1", {0, 1}));
  EXPECT_EQ(data_of(enter("b", "2", {0, 1})), (Data{"1", "2"}));
  EXPECT_EQ(data_of(enter("a", "1", {0, 1})), (Data{"1", "2"}));
}

TEST_F(Fences, OtherDataUnderTheSameKeyIsAConflict) {
  EXPECT_FALSE(enter("a", "1"));
  auto answer = enter("a", "2");
  EXPECT_EQ(why_refused(answer), Refused::conflict);
  EXPECT_EQ(refusal_of(answer), "the same fence was entered with other data");
}

TEST_F(Fences, ParticipantsThatCannotBeAreRefused) {
  std::vector<std::vector<int>> wrong = {{}, {1, 2}, {0, 3}, {-1, 0}, {1, 0}, {0, 0, 1}};
  for (const std::vector<int>& participants : wrong) {
    EXPECT_EQ(why_refused(enter("a", "1", participants)), Refused::bad_argument);
  }
}

TEST_F(Fences, OnlyMembersOfTheGenerationAtWorkMayEnter) {
  v1::FenceRequest fence = request("a", "k", {0, 1, 2}, "1");
  fence.set_secret("another");
  EXPECT_EQ(why_refused(driver_.call<FenceCall>(fence)), Refused::not_a_member);
  fence = request("a", "k", {0, 1, 2}, "1");
  fence.set_generation(2);
  auto answer = driver_.call<FenceCall>(fence);
  EXPECT_EQ(why_refused(answer), Refused::aborted);
  EXPECT_EQ(refusal_of(answer), "generation 2 is not at work");
  driver_.join("d");
  EXPECT_EQ(why_refused(enter("d", "1")), Refused::aborted);
}

TEST_F(Fences, TheEndOfTheGenerationAbortsThem) {
  EXPECT_FALSE(enter("a", "1"));
  CallId waiting = driver_.last_call();
  driver_.fail("b", failure_of(v1::Failure::KIND_EXIT, 7, 100));
  EXPECT_EQ(why_refused(driver_.answer(waiting)), Refused::aborted);
  EXPECT_EQ(refusal_of(driver_.answer(waiting)), "the generation ends");
  EXPECT_EQ(why_refused(enter("a", "1")), Refused::aborted);
}

// Ranks that are asked to stop may be in MPI_Init, and stop when they are through.
TEST_F(Fences, GoOnWhileTheRanksStopAfterACheckpoint) {
  EXPECT_FALSE(enter("a", "1"));
  driver_.drain("maintenance");
  EXPECT_TRUE(driver_.order("a").graceful());
  EXPECT_FALSE(enter("b", "2"));
  CallId waiting = driver_.last_call();
  EXPECT_EQ(data_of(enter("c", "3")), (Data{"1", "2", "3"}));
  EXPECT_EQ(data_of(driver_.answer(waiting)), (Data{"1", "2", "3"}));
  EXPECT_FALSE(enter("a", "late", {0, 1}, "other"));
  waiting = driver_.last_call();
  driver_.wait(rendezvous::Settings().grace + 200);
  EXPECT_FALSE(driver_.order("a").graceful());
  EXPECT_EQ(refusal_of(driver_.answer(waiting)), "the generation ends");
  EXPECT_EQ(refusal_of(enter("b", "late", {0, 1}, "other")), "generation 1 is not at work");
}

TEST_F(Fences, TheNextGenerationBeginsWithNone) {
  EXPECT_FALSE(enter("a", "old"));
  driver_.fail("b", failure_of(v1::Failure::KIND_EXIT, 7, 100));
  driver_.all(v1::PHASE_ENDED);
  driver_.start_all();
  EXPECT_FALSE(enter("a", "1"));
  EXPECT_FALSE(enter("b", "2"));
  EXPECT_EQ(data_of(enter("c", "3")), (Data{"1", "2", "3"}));
}

TEST_F(Fences, NobodyIsAnsweredWhoDoesNotWaitAnyMore) {
  EXPECT_FALSE(enter("a", "1", {0, 1}));
  CallId gone = driver_.last_call();
  driver_.step(Abandoned{gone});
  EXPECT_EQ(data_of(enter("b", "2", {0, 1})), (Data{"1", "2"}));
  EXPECT_FALSE(driver_.answer(gone));
}

class FullFences : public testing::Test {
 protected:
  // Whether node 0's data was taken.
  bool enter(const std::string& key, const std::string& data, int num_participants = 2) {
    FenceCall call{++last_call_, {}};
    call.request.set_key(key);
    call.request.set_data(data);
    for (int i = 0; i < num_participants; ++i) call.request.add_participants(i);
    Outputs out;
    table_.contribute(0, 100'000, call, out);
    for (const Output& output : out) {
      const auto* refusal = std::get_if<Refusal>(&std::get<Answer>(output).reply);
      if (!refusal) continue;
      EXPECT_EQ(refusal->why, Refused::exhausted) << refusal->text;
      return false;
    }
    return true;
  }
  FenceTable table_;
  CallId last_call_ = 0;
};

TEST_F(FullFences, TakeNoMoreButWhatTheyHave) {
  std::string data(size_t{4} << 20, 'x');
  int count = 0;
  while (count < 100 && enter(std::to_string(count), data)) ++count;
  EXPECT_EQ(count, 63);
  EXPECT_TRUE(enter("0", data));
  EXPECT_FALSE(enter("another", data));
}

TEST_F(FullFences, KeysAndParticipantsCount) {
  int count = 0;
  while (count < 10'000 && enter(std::to_string(count), "", 100'000)) ++count;
  EXPECT_LT(count, 700);
  EXPECT_GT(count, 600);
}

}  // namespace
}  // namespace tessera::rendezvous
