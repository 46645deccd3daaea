#include "launcher/experiment/metrics/terminal_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <functional>

namespace tessera::experiment {
namespace {

using Kind = MetricRecord::Kind;

MetricRecord step(int64_t step) {
  return {Kind::step,
          step,
          {{"loss", 2.25},
           {"grad_norm", 0.5},
           {"lr", 1e-3},
           {"tokens_per_second", 1234.4},
           {"step_ms", 10.0},
           {"accuracy", 0.75}}};
}

std::string printed(const std::function<void()>& body) {
  testing::internal::CaptureStdout();
  body();
  return testing::internal::GetCapturedStdout();
}

TEST(TerminalSink, PrintsALineAtTheFirstStepEverySoManyAndTheLast) {
  std::string text = printed([] {
    TerminalSink sink({.steps = 12, .every = 5});
    for (int64_t i = 1; i <= 12; ++i) sink.record(step(i));
  });
  std::string rest = "/12  loss 2.2500  grad_norm 0.500  lr 1.00e-03  1234 tokens/s\n";
  EXPECT_EQ(text, "step  1" + rest + "step  5" + rest + "step 10" + rest + "step 12" + rest);
}

TEST(TerminalSink, ShowsMetricsOfTheLoopsOwnAndOfEvaluations) {
  std::string text = printed([] {
    TerminalSink sink({.every = 1, .more = {"accuracy", "no such"}});
    sink.record(step(3));
    sink.record({Kind::step, 4, {{"loss", -std::nan("")}}});
    sink.record({Kind::evaluation, 4, {{"valid_loss", 1.5}, {"valid_accuracy", 0.91524, true}}});
    sink.record({Kind::evaluation, 4, {{"accuracy", 0.5}, {"words", int64_t{7}}}});
    sink.record({Kind::evaluation, 5, {{"valid_loss", 700.0}, {"valid_perplexity", 1e304}}});
    sink.record({Kind::step, 6, {{"loss", -1e9}, {"grad_norm", 1e300}}});
    sink.record({Kind::stopped, 4});
    sink.record({Kind::final, 4, {{"digest", "ab"}}});
    sink.say("the end");
  });
  EXPECT_EQ(text,
            "step 3  loss 2.2500  grad_norm 0.500  lr 1.00e-03  1234 tokens/s  accuracy 0.7500\n"
            "step 4  loss nan\n"
            "step 4: validation loss 1.5000, accuracy 91.52%\n"
            "step 4: accuracy 0.5000, words 7\n"
            "step 5: validation loss 700.0000, perplexity 1.0000e+304\n"
            "step 6  loss -1.0000e+09  grad_norm 1.000e+300\n"
            "the end\n");
}

TEST(TerminalSink, ASilentOnePrintsNothing) {
  EXPECT_EQ(printed([] {
              TerminalSink sink({.steps = 1, .silent = true});
              sink.record(step(1));
              sink.record({Kind::evaluation, 1, {{"valid_loss", 1.5}}});
              sink.say("nothing");
            }),
            "");
}

TEST(TerminalSink, RefusesToPrintEveryZeroSteps) {
  EXPECT_THROW(TerminalSink({.every = 0}), Error);
}

// Standard output is a terminal while it lives.
class PseudoTerminal {
 public:
  PseudoTerminal() : main_(posix_openpt(O_RDWR | O_NOCTTY)), before_(dup(STDOUT_FILENO)) {
    if (main_ < 0 || grantpt(main_) != 0 || unlockpt(main_) != 0) return;
    int side = open(ptsname(main_), O_RDWR | O_NOCTTY);
    if (side < 0) return;
    dup2(side, STDOUT_FILENO);
    close(side);
    is_open_ = true;
  }
  ~PseudoTerminal() {
    restore();
    close(main_);
    close(before_);
  }
  bool is_open() const { return is_open_; }
  void restore() { dup2(before_, STDOUT_FILENO); }
  std::string read_all() const {
    std::string text;
    char piece[256];
    // It fails once the other side is closed and all is read.
    for (ssize_t count; (count = read(main_, piece, sizeof(piece))) > 0;) {
      text.append(piece, static_cast<size_t>(count));
    }
    return text;
  }

 private:
  int main_;
  int before_;
  bool is_open_ = false;
};

TEST(TerminalSink, OverwritesItsLineOnATerminal) {
  std::fflush(stdout);
  PseudoTerminal terminal;
  if (!terminal.is_open()) GTEST_SKIP() << "this machine gives no pseudo-terminal";
  {
    TerminalSink sink({.steps = 4, .every = 100});
    sink.record({Kind::step, 1, {{"loss", 2.5}}});
    sink.record({Kind::step, 2, {{"loss", 2.25}}});
    sink.say("a word");
    sink.record({Kind::step, 4, {{"loss", 2.0}}});
  }
  terminal.restore();
  EXPECT_EQ(terminal.read_all(),
            "\r\x1b[Kstep 1/4  loss 2.5000  25%\r\x1b[Kstep 2/4  loss 2.2500  50%\r\na word\r\n"
            "\r\x1b[Kstep 4/4  loss 2.0000  100%\r\n");
}

}  // namespace
}  // namespace tessera::experiment
