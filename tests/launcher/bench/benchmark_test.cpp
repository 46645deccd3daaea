#include "launcher/bench/benchmark.h"

#include <gtest/gtest.h>

#include <csignal>

#include "launcher/bench/interrupt.h"
#include "launcher/bench/report.h"
#include "launcher/bench/selection.h"
#include "launcher/experiment/config/config_error.h"
#include "tests/support/error_of.h"

namespace tessera::bench {
namespace {

// Gives one number after the other, and notes who was asked.
Sample numbers(std::vector<double> values, char name, std::string& order) {
  return [values = std::move(values), name, &order, next = size_t{0}]() mutable {
    order += name;
    return values.at(next++);
  };
}

TEST(Benchmark, TakesTurnsWithTheReferenceAfterOneRunThatDoesNotCount) {
  std::string order;
  Measured measured = in_turns({}, 4,
                               {.value = numbers({100, 1, 2, 3, 10}, 'v', order),
                                .reference = numbers({100, 5, 5, 5, 5}, 'r', order),
                                .reference_name = "a peer"});
  EXPECT_EQ(order, "rvrvrvrvrv");
  EXPECT_EQ(measured.value, 2.5);
  EXPECT_DOUBLE_EQ(measured.spread, (4.75 - 1.75) / 2.5);
  EXPECT_EQ(measured.reference, 5);
  EXPECT_EQ(measured.reference_spread, 0);
  EXPECT_EQ(measured.reference_name, "a peer");
  EXPECT_EQ(measured.repetitions, 4);
}

TEST(Benchmark, SettingsSayHowOften) {
  std::string order;
  EXPECT_EQ(in_turns({.repetitions = 2}, 4, {.value = numbers({1, 2, 3}, 'v', order)}).value, 2.5);
  EXPECT_EQ(order, "vvv");
  order.clear();
  Measured quick = in_turns({.quick = true}, 4, {.value = numbers({7}, 'v', order)});
  EXPECT_EQ(quick.value, 7);
  EXPECT_EQ(quick.repetitions, 1);
  EXPECT_FALSE(quick.reference.has_value());
  order.clear();
  in_turns({}, 2, {.value = numbers({1, 2}, 'v', order), .warm_up = false});
  EXPECT_EQ(order, "vv");
}

TEST(Benchmark, RatesAreBetterWhenTheyAreHigher) {
  for (const char* unit : {"GB/s", "GFLOP/s", "tokens/s"}) EXPECT_TRUE(more_is_better(unit));
  for (const char* unit : {"ns", "us", "ms", "s", "bytes"}) EXPECT_FALSE(more_is_better(unit));
}

TEST(Benchmark, StopsWhenItIsAskedTo) {
  const InterruptWatch watch;
  int count = 0;
  auto measure = [&] {
    in_turns({}, 4, {.value = [&] {
               if (++count == 2) std::raise(SIGINT);
               return 1.0;
             }});
  };
  EXPECT_THROW(measure(), Interrupted);
  EXPECT_EQ(count, 2);
}

TEST(Report, RecordsOfMeasurementsComeBack) {
  Measured measured{.value = 3,
                    .spread = 0.5,
                    .reference = 4,
                    .reference_spread = 0.25,
                    .reference_name = "a peer",
                    .repetitions = 7};
  nlohmann::json json = to_json(Record{.name = "a.b", .unit = "ms", .measured = measured});
  EXPECT_EQ(json.at("ratio"), 0.75);
  EXPECT_EQ(json.at("better"), "lower");
  Measured back = measured_from_json(json);
  EXPECT_EQ(back.value, 3);
  EXPECT_EQ(back.spread, 0.5);
  EXPECT_EQ(back.reference, 4);
  EXPECT_EQ(back.reference_spread, 0.25);
  EXPECT_EQ(back.reference_name, "a peer");
  EXPECT_EQ(back.repetitions, 7);
  measured.reference.reset();
  json = to_json(Record{.name = "a.b", .unit = "ms", .measured = measured});
  EXPECT_TRUE(json.at("reference").is_null() && json.at("ratio").is_null());
  EXPECT_FALSE(measured_from_json(json).reference.has_value());
}

TEST(Report, SaysWhyThereIsNoValue) {
  Record skipped{.name = "a.b", .unit = "ms", .skipped = "no disk"};
  EXPECT_TRUE(to_json(skipped).at("value").is_null());
  EXPECT_EQ(to_json(skipped).at("skipped"), "no disk");
  EXPECT_NE(table_row(skipped).find("skipped: no disk"), std::string::npos);
  Record failed{.name = "a.b", .unit = "ms", .error = "no luck"};
  EXPECT_EQ(to_json(failed).at("error"), "no luck");
  EXPECT_NE(table_row(failed).find("failed: no luck"), std::string::npos);
}

std::vector<std::string> selected(const std::vector<std::string>& names) {
  std::vector<Benchmark> all{{"ops.add", "ns", "", {}},
                             {"ops.add.large", "ns", "", {}},
                             {"ops.adder", "ns", "", {}},
                             {"comm.sum", "us", "", {}}};
  std::vector<std::string> out;
  for (const Benchmark& one : select(all, names)) out.push_back(one.name);
  return out;
}

TEST(Selection, IsByNameOrBeginningUpToADot) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(selected({}).size(), 4U);
  EXPECT_EQ(selected({"ops.add"}), (Names{"ops.add", "ops.add.large"}));
  EXPECT_EQ(selected({"comm", "ops.adder"}), (Names{"ops.adder", "comm.sum"}));
  EXPECT_THROW(selected({"ops.ad"}), experiment::ConfigError);
  EXPECT_NE(test::error_of([] { selected({"ops.addr"}); }).find("did you mean 'ops.add'?"),
            std::string::npos);
  EXPECT_NE(test::error_of([] { selected({"xxxxxxxx"}); }).find("there are ops, comm"),
            std::string::npos);
}

}  // namespace
}  // namespace tessera::bench
