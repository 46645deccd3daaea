// Shells as ranks, kept by the real tessera-pmix, which is built beside this program.
#include "launcher/agent/node_ranks.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <functional>

#include "core/boot_clock.h"

namespace tessera::agent {
namespace {

class NodeRanksOfTwo : public testing::Test, public NodeRanks::Listener {
 protected:
  void make(const std::string& script, bool may_restart = false) {
    NodeRanks::Options options;
    options.program = {"sh", "-c", script};
    options.node.set_host("node");
    options.node.set_address("127.0.0.1");
    options.node.set_slots(2);
    options.pmix_program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "tessera-pmix";
    options.bind = false;
    options.may_restart = may_restart;
    ranks_.emplace(options, folders_, output_, *this);
  }
  void prepare(int64_t generation, int64_t lease_ms = 60'000) {
    agent::Prepare prepare;
    prepare.plan.set_generation(generation);
    prepare.plan.set_world_size(2);
    prepare.plan.add_members(1);
    v1::Node& node = *prepare.plan.add_nodes();
    node.set_host("node");
    node.set_address("127.0.0.1");
    node.set_slots(2);
    v1::JoinReply membership;
    membership.set_job_id("job");
    membership.set_ranks_secret("secret");
    ready_ = buried_ = false;
    ends_.clear();
    failures_.clear();
    ranks_->prepare(prepare, membership);
    ranks_->renew_lease(boot_ms() + lease_ms);
    ASSERT_TRUE(pump([&] { return ready_; }));
  }
  // Whether it came true in time.
  bool pump(const std::function<bool()>& holds) {
    for (int64_t end = boot_ms() + 20'000; boot_ms() < end;) {
      ranks_->take_reports(situation_);
      ranks_->bury(situation_);
      ranks_->look_after_time(situation_);
      if (holds()) return true;
      poll(nullptr, 0, 2);
    }
    return false;
  }
  void start() {
    ranks_->start();
    situation_.running = true;
  }
  void end() {
    situation_.running = false;
    ranks_->kill();
    EXPECT_TRUE(ranks_->are_dying());
    EXPECT_TRUE(pump([&] { return buried_; }));
    EXPECT_FALSE(ranks_->are_dying());
  }

  void ranks_ready() override { ready_ = true; }
  void rank_ended(int code, const std::optional<v1::Failure>& failure) override {
    ends_.emplace_back(code, failure);
  }
  void ranks_failed(const v1::Failure& failure) override { failures_.push_back(failure); }
  void lease_lapsed() override {
    lapsed_ = true;
    ranks_->kill();
  }
  void fence_entered(const from_pmix::Fence&) override {}
  void ranks_buried() override { buried_ = true; }

  PrivateFolders folders_;
  RankOutput output_{{}};
  NodeRanks::Situation situation_{false, false};
  bool ready_ = false;
  bool lapsed_ = false;
  bool buried_ = false;
  std::vector<std::pair<int, std::optional<v1::Failure>>> ends_;
  std::vector<v1::Failure> failures_;
  std::optional<NodeRanks> ranks_;
};

TEST_F(NodeRanksOfTwo, RunToTheirEndAndAreBuried) {
  make("exit 0");
  EXPECT_EQ(ranks_->descriptor(), std::nullopt);
  prepare(1);
  EXPECT_TRUE(ranks_->descriptor());
  start();
  ASSERT_TRUE(pump([&] { return ends_.size() == 2; }));
  for (const auto& [code, failure] : ends_) {
    EXPECT_EQ(code, 0);
    EXPECT_FALSE(failure);
  }
  end();
  EXPECT_EQ(ranks_->descriptor(), std::nullopt);
}

TEST_F(NodeRanksOfTwo, AnEndWithACodeIsAFailureWithTheRanksLastWords) {
  make("echo bad luck >&2; test $RANK = 1 && exit 3; exec sleep 1000");
  prepare(1);
  start();
  ASSERT_TRUE(pump([&] { return !ends_.empty(); }));
  EXPECT_EQ(ends_[0].first, 3);
  ASSERT_TRUE(ends_[0].second);
  EXPECT_EQ(ends_[0].second->rank(), 1);
  EXPECT_EQ(ends_[0].second->text(), "rank 1 on node ended with code 3");
  EXPECT_EQ(ends_[0].second->stderr_tail(), "bad luck\n");
  end();
}

TEST_F(NodeRanksOfTwo, TellTheirProcessesWhileTheyLive) {
  make("exec sleep 1000");
  prepare(1);
  start();
  auto processes = [&] {
    v1::Beat beat;
    ranks_->add_progress(beat);
    int living = 0;
    for (const v1::Progress& progress : beat.progress()) living += progress.process() > 0;
    return living;
  };
  EXPECT_TRUE(pump([&] { return processes() == 2; }));
  end();
}

TEST_F(NodeRanksOfTwo, StopWhenTheyCanHearIt) {
  make("trap 'exit 75' TERM; while :; do sleep 0.01; done");
  prepare(1);
  start();
  ranks_->stop();
  situation_.stopping = true;
  ASSERT_TRUE(pump([&] { return ends_.size() == 2; }));
  for (const auto& [code, failure] : ends_) EXPECT_EQ(code, 75) << "it was not heard";
  end();
}

TEST_F(NodeRanksOfTwo, ARankThatIsKilledIsAFailureAndTheNextGenerationLives) {
  make("exec sleep 1000", true);
  prepare(1);
  start();
  v1::Beat beat;
  ASSERT_TRUE(pump([&] {
    beat.Clear();
    ranks_->add_progress(beat);
    return beat.progress(0).process() > 0 && beat.progress(1).process() > 0;
  }));
  kill(static_cast<pid_t>(beat.progress(0).process()), SIGKILL);
  ASSERT_TRUE(pump([&] { return !ends_.empty(); }));
  EXPECT_EQ(ends_[0].first, -1);
  EXPECT_EQ(ends_[0].second->kind(), v1::Failure::KIND_SIGNAL);
  end();
  prepare(2);
  start();
  end();
}

TEST_F(NodeRanksOfTwo, ALeaseThatLapsesEndsThemAndIsTold) {
  make("exec sleep 1000");
  prepare(1, 500);
  start();
  EXPECT_TRUE(pump([&] { return buried_; }));
  EXPECT_TRUE(lapsed_);
  EXPECT_TRUE(failures_.empty());
}

}  // namespace
}  // namespace tessera::agent
