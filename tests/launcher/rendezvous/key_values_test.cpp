#include "launcher/rendezvous/key_values.h"

#include "tests/launcher/rendezvous/coordinator_driver.h"
#include "tests/support/error_of.h"

namespace tessera::rendezvous {
namespace {

using test::contains;

class Values : public testing::Test {
 protected:
  std::optional<Answer> put(const std::string& key, const std::string& value) {
    v1::PutRequest request;
    request.set_key(key);
    request.set_value(value);
    return driver_.call<PutCall>(request);
  }
  std::optional<Answer> get(const std::string& key, Millis wait_ms = 0) {
    v1::GetRequest request;
    request.set_key(key);
    request.set_wait_ms(wait_ms);
    return driver_.call<GetCall>(request);
  }
  static std::string value_of(const std::optional<Answer>& answer) {
    const auto* reply = answer ? std::get_if<v1::GetReply>(&answer->reply) : nullptr;
    return reply ? reply->value() : "(none)";
  }
  CoordinatorDriver driver_{CoordinatorDriver::job(1, 1)};
};

TEST_F(Values, AreWhatWasPutLast) {
  EXPECT_EQ(refusal_of(put("k", "1")), "");
  EXPECT_EQ(value_of(get("k")), "1");
  put("k", "");
  EXPECT_EQ(value_of(get("k")), "");
  std::string bytes("\0\xff", 2);
  put("k", bytes);
  EXPECT_EQ(value_of(get("k")), bytes);
}

TEST_F(Values, OneThatIsMissingIsNotFound) {
  auto answer = get("k");
  EXPECT_EQ(why_refused(answer), Refused::not_found);
  EXPECT_EQ(refusal_of(answer), "no value of 'k'");
  EXPECT_EQ(why_refused(get("k", -1)), Refused::not_found);
}

TEST_F(Values, ThatComeInTimeAnswerAllWhoWait) {
  EXPECT_FALSE(get("k", 1000));
  CallId first = driver_.last_call();
  EXPECT_FALSE(get("k", 5000));
  CallId second = driver_.last_call();
  EXPECT_FALSE(get("other", 5000));
  CallId third = driver_.last_call();
  driver_.wait(900);
  put("k", "v");
  EXPECT_EQ(value_of(driver_.answer(first)), "v");
  EXPECT_EQ(value_of(driver_.answer(second)), "v");
  EXPECT_FALSE(driver_.answer(third));
}

TEST_F(Values, ThatDoNotComeInTimeAreToldSo) {
  EXPECT_FALSE(get("k", 1000));
  CallId waiting = driver_.last_call();
  driver_.wait(900);
  EXPECT_FALSE(driver_.answer(waiting));
  driver_.wait(200);
  EXPECT_EQ(why_refused(driver_.answer(waiting)), Refused::timed_out);
  EXPECT_EQ(refusal_of(driver_.answer(waiting)), "no value of 'k' came");
}

TEST_F(Values, AWaitHasAnEndHoweverLongItIs) {
  EXPECT_FALSE(get("k", std::numeric_limits<int64_t>::max()));
  CallId waiting = driver_.last_call();
  driver_.jump(KeyValues::kMaxWait + 100);
  EXPECT_EQ(why_refused(driver_.answer(waiting)), Refused::timed_out);
}

TEST_F(Values, NobodyIsAnsweredWhoDoesNotWaitAnyMore) {
  EXPECT_FALSE(get("k", 1000));
  CallId gone = driver_.last_call();
  driver_.step(Abandoned{gone});
  put("k", "v");
  EXPECT_FALSE(driver_.answer(gone));
}

TEST_F(Values, KeysAndValuesHaveALength) {
  std::string long_key(KeyValues::kMaxKeyBytes, 'k');
  std::string long_value(KeyValues::kMaxValueBytes, 'v');
  EXPECT_EQ(refusal_of(put(long_key, long_value)), "");
  EXPECT_EQ(value_of(get(long_key)), long_value);
  EXPECT_EQ(why_refused(put("", "v")), Refused::bad_argument);
  EXPECT_EQ(why_refused(put(long_key + "k", "v")), Refused::bad_argument);
  EXPECT_EQ(refusal_of(get(long_key + "k")), "expected a key of 1 to 1024 bytes, got one of 1025");
  EXPECT_EQ(refusal_of(put("k", long_value + "v")),
            "expected a value of at most 1048576 bytes, got one of 1048577");
  EXPECT_EQ(why_refused(get("k")), Refused::not_found);
}

// Without the coordinator, whose driver would copy all of it again and again.
Refused* take(Outputs& out, Refused& why) {
  for (const Output& output : out) {
    const auto* answer = std::get_if<Answer>(&output);
    const auto* refusal = answer ? std::get_if<Refusal>(&answer->reply) : nullptr;
    if (refusal) why = refusal->why;
    if (refusal) return &why;
  }
  return nullptr;
}

TEST(FullValues, TakeNoMoreButLetOldOnesBeReplaced) {
  KeyValues values;
  PutCall call{1, {}};
  call.request.set_value(std::string(KeyValues::kMaxValueBytes, 'v'));
  Refused why{};
  int count = 0;
  for (; count < 100; ++count) {
    call.request.set_key(std::to_string(count));
    Outputs out;
    values.put(call, out);
    if (take(out, why)) break;
  }
  EXPECT_EQ(count, 63);
  EXPECT_EQ(why, Refused::exhausted);
  call.request.set_key("0");
  Outputs replaced;
  values.put(call, replaced);
  EXPECT_EQ(take(replaced, why), nullptr);
  call.request.set_value("");
  values.put(call, replaced);
  call.request.set_key("another");
  call.request.set_value(std::string(KeyValues::kMaxValueBytes - 10, 'v'));
  values.put(call, replaced);
  EXPECT_EQ(take(replaced, why), nullptr);
}

TEST(FullValues, SoManyMayWaitAndNoMore) {
  KeyValues values;
  Outputs out;
  GetCall call{0, {}};
  call.request.set_key("k");
  call.request.set_wait_ms(1000);
  for (size_t i = 0; i < KeyValues::kMaxWaiting; ++i) {
    ++call.call;
    values.get(0, call, out);
  }
  EXPECT_TRUE(out.empty());
  values.get(0, call, out);
  Refused why{};
  ASSERT_NE(take(out, why), nullptr);
  EXPECT_EQ(why, Refused::exhausted);
  EXPECT_EQ(values.next_deadline(), 1000);
}

}  // namespace
}  // namespace tessera::rendezvous
