// A look-up whose key changes between its commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "redis/calls.h"
#include "redis/layout.h"
#include "redis/test_support.h"
#include "store/test_support.h"

namespace push_cache::redis {
namespace {

using Type = Reply::Type;

// Answers each command with the next of its answers, at once.
class ScriptedClient final : public Client {
 public:
  void send(std::string_view, std::span<const std::string_view> args, ReplySink& sink,
            SendOptions) override {
    std::string text;
    for (const std::string_view arg : args) text += (text.empty() ? "" : " ") + std::string(arg);
    commands.push_back(std::move(text));
    if (answers.empty()) return;
    const auto [type, answer] = answers.front();
    answers.pop_front();
    sink.reply({.type = type, .text = answer});
  }
  void eval(const Script&, std::span<const std::string_view>, std::span<const std::string_view>,
            ReplySink&, SendOptions) override {
    ADD_FAILURE() << "a script may wait while writes are paused";
  }
  void send_to(const Node&, std::span<const std::string_view>, ReplySink&, SendOptions) override {}
  std::vector<Node> masters() const override { return {}; }
  void look_again(std::span<const Endpoint>) override {}
  Status health() const override { return {}; }

  std::deque<std::pair<Type, std::string>> answers;
  std::vector<std::string> commands;
};

struct Outcome final : store::GetSink {
  std::string text;
  void found(const store::RecordView& record) override {
    text = "found " + std::string(record.key);
  }
  void absent() override { text = "absent"; }
  void failed(const Error& error) override { text = std::string(to_string(error.code)); }
};

const std::pair<Type, std::string> kWrongType{Type::kError, "WRONGTYPE Operation against"};
const std::pair<Type, std::string> kNil{Type::kNil, ""};

std::pair<Type, std::string> value() {
  std::string out;
  append_value(out, store::record("a", "v"), {}, Layout::kOneTopic);
  return {Type::kString, out};
}

std::pair<Type, std::string> fence() {
  const auto position = position_of(store::record("a", ""), {}, Layout::kOneTopic);
  return {Type::kString, {position.data(), position.size()}};
}

class LookUpTest : public testing::Test {
 protected:
  std::string look_up(std::deque<std::pair<Type, std::string>> answers) {
    client_.answers = std::move(answers);
    client_.commands.clear();
    Outcome outcome;
    LookUp& look_up = LookUp::take("a", outcome, topic_of_, *trust_.ticket(false));
    look_up.look_closer(client_, key_start_, Layout::kOneTopic);
    const std::string_view args[] = {"GET", "pc:a"};
    client_.send("pc:a", args, look_up, {});
    EXPECT_TRUE(client_.answers.empty());
    return outcome.text;
  }

  const TopicOf topic_of_ = [](std::uint32_t, Layout) { return 0U; };
  const std::string key_start_ = "pc:";
  Trust trust_;
  ScriptedClient client_;
};

TEST_F(LookUpTest, OneCommandForARecordAndOneMoreForADeletedKey) {
  EXPECT_EQ(look_up({value()}), "found a");
  EXPECT_EQ(look_up({kNil}), "absent");
  EXPECT_EQ(look_up({kWrongType, fence()}), "absent");
  EXPECT_THAT(client_.commands, testing::ElementsAre("GET pc:a", "HGET pc:a position"));
}

TEST_F(LookUpTest, WhatIsNeitherIsNotAbsent) {
  EXPECT_EQ(look_up({kWrongType, {Type::kString, "x"}}), "malformed");
  // A list, and a hash of others: asked for several times, since our own keys may look so, too.
  EXPECT_EQ(look_up(std::deque(11, kWrongType)), "malformed");
  EXPECT_EQ(look_up({kWrongType, kNil, kWrongType, kNil, kWrongType, kNil, kWrongType, kNil,
                     kWrongType, kNil, kWrongType}),
            "malformed");
}

TEST_F(LookUpTest, ADeletedKeyThatChangesMeanwhileIsWhatItIsThen) {
  EXPECT_EQ(look_up({kWrongType, kWrongType, value()}), "found a") << "a record came";
  EXPECT_EQ(look_up({kWrongType, kNil, kNil}), "absent") << "its time was over";
  EXPECT_EQ(look_up({kWrongType, kNil, value()}), "found a");
  EXPECT_EQ(look_up({kWrongType, kWrongType, kWrongType, fence()}), "absent") << "and went again";
}

TEST_F(LookUpTest, ADoubtBetweenTwoCommandsEndsIt) {
  Outcome outcome;
  LookUp& look_up = LookUp::take("a", outcome, topic_of_, *trust_.ticket(false));
  look_up.look_closer(client_, key_start_, Layout::kOneTopic);
  look_up.reply({.type = kWrongType.first, .text = kWrongType.second});
  EXPECT_EQ(outcome.text, "");
  trust_.doubt();
  trust_.trust(trust_.doubts());
  look_up.reply({.type = Type::kNil});
  EXPECT_EQ(outcome.text, "unavailable");
}

TEST(Trust, NoTicketWithADoubtOrWithoutConnection) {
  Trust trust;
  EXPECT_TRUE(trust.ticket(false).has_value());
  trust.set_state(Trust::State::kLost);
  EXPECT_FALSE(trust.ticket(false).has_value());
  EXPECT_TRUE(trust.ticket(true).has_value());
  trust.set_state(Trust::State::kBlind);
  EXPECT_FALSE(trust.ticket(true).has_value());
  trust.set_state(Trust::State::kWell);
  const auto before = trust.ticket(false);
  trust.doubt();
  EXPECT_FALSE(before->holds());
  EXPECT_FALSE(trust.ticket(true).has_value());
  trust.trust(0);
  EXPECT_FALSE(trust.ticket(true).has_value()) << "that was before the doubt";
  trust.trust(1);
  EXPECT_TRUE(trust.ticket(true).has_value());
  EXPECT_FALSE(before->holds());
}

}  // namespace
}  // namespace push_cache::redis
