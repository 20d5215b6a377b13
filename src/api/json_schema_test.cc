#include "api/json_schema.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace push_cache::api {
namespace {

using avro::LogicalTypes;
using boost::json::parse;
using boost::json::value;

constexpr std::string_view kBytes =
    R"({"type":"string","contentEncoding":"base64","pattern":"^(?:[A-Za-z0-9+/]{4})*)"
    R"((?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"})";

avro::Schema schema(std::string_view text) {
  auto parsed = avro::Schema::parse(text);
  if (parsed.ok()) return *std::move(parsed);
  ADD_FAILURE() << parsed.error().public_text << "\n" << text;
  return *avro::Schema::parse(R"("null")");
}

value shown(std::string_view text, LogicalTypes logical = LogicalTypes::kNumbers) {
  return JsonSchemas(logical).add(schema(text), JsonUse::kShown);
}

value taken(std::string_view text, LogicalTypes logical = LogicalTypes::kNumbers) {
  return JsonSchemas(logical).add(schema(text), JsonUse::kTaken);
}

// The definition of a type `name` of its own.
value defined(std::string_view text, const std::string& name,
              LogicalTypes logical = LogicalTypes::kNumbers, JsonUse use = JsonUse::kShown) {
  JsonSchemas schemas(logical);
  schemas.add(schema(text), use);
  const value* const found = schemas.components().if_contains(name);
  EXPECT_NE(found, nullptr) << name;
  return found == nullptr ? value() : *found;
}

std::string logical(std::string_view type, std::string_view name) {
  return R"({"type":")" + std::string(type) + R"(","logicalType":")" + std::string(name) + "\"}";
}

TEST(JsonSchema, PlainTypes) {
  EXPECT_EQ(shown(R"("null")"), parse(R"({"type":"null"})"));
  EXPECT_EQ(shown(R"("boolean")"), parse(R"({"type":"boolean"})"));
  EXPECT_EQ(shown(R"("int")"), parse(R"({"type":"integer","format":"int32",
      "minimum":-2147483648,"maximum":2147483647})"));
  EXPECT_EQ(shown(R"("long")"), parse(R"({"type":"integer","format":"int64",
      "minimum":-9223372036854775808,"maximum":9223372036854775807})"));
  EXPECT_EQ(shown(R"("string")"), parse(R"({"type":"string"})"));
  EXPECT_EQ(shown(R"("bytes")"), parse(kBytes));
  EXPECT_EQ(shown(R"({"type":"array","items":"string"})"),
            parse(R"({"type":"array","items":{"type":"string"}})"));
  EXPECT_EQ(shown(R"({"type":"map","values":"boolean"})"),
            parse(R"({"type":"object","additionalProperties":{"type":"boolean"}})"));
}

TEST(JsonSchema, NumbersAreNullWhenTheyAreNone) {
  EXPECT_EQ(shown(R"("double")"), parse(R"({"type":["number","null"],"format":"double"})"));
  EXPECT_EQ(shown(R"("float")"), parse(R"({"type":["number","null"],"format":"float"})"));
  EXPECT_EQ(taken(R"("double")"), parse(R"({"type":"number","format":"double"})"));
  EXPECT_EQ(taken(R"("float")"), parse(R"({"type":"number","format":"float"})"));
}

TEST(JsonSchema, UnionsHaveNoTags) {
  EXPECT_EQ(shown(R"(["null","string"])"),
            parse(R"({"anyOf":[{"type":"null"},{"type":"string"}]})"));
  EXPECT_EQ(shown(R"(["string"])"), parse(R"({"type":"string"})"));
}

TEST(JsonSchema, NamedTypesAreReferredTo) {
  EXPECT_EQ(shown(R"({"type":"enum","name":"a.E","symbols":["X","Y"]})"),
            parse(R"({"$ref":"#/components/schemas/a.E"})"));
  EXPECT_EQ(
      defined(R"({"type":"enum","name":"a.E","doc":"One of two","symbols":["X","Y"]})", "a.E"),
      parse(R"({"type":"string","enum":["X","Y"],"description":"One of two"})"));
  EXPECT_EQ(defined(R"({"type":"fixed","name":"F","size":4})", "F"),
            parse(R"({"type":"string","contentEncoding":"base64",
                "pattern":"^(?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/][AQgw]==$",
                "minLength":8,"maxLength":8})"));
  EXPECT_EQ(defined(R"({"type":"fixed","name":"F","size":0})", "F").at("maxLength"), 0);
}

TEST(JsonSchema, NamesThatOpenApiDoesNotTake) {
  const char* const text =
      R"({"type":"enum","name":"E","namespace":"cdc-eu/größe~","symbols":["ÉTÉ"]})";
  const std::string component = "cdc-x2Deu-x2Fgr-xC3-xB6-xC3-x9Fe-x7E.E";
  EXPECT_EQ(shown(text).at("$ref").as_string(), "#/components/schemas/" + component);
  EXPECT_EQ(defined(text, component),
            parse(R"({"type":"string","enum":["ÉTÉ"],"title":"cdc-eu/größe~.E"})"));
}

TEST(JsonSchema, UnionsWithoutBranchesHaveNoValues) {
  EXPECT_EQ(shown(R"({"type":"array","items":[]})"),
            parse(R"({"type":"array","items":{"not":{}}})"));
}

TEST(JsonSchema, DefaultsThatCannotBeUsedAreNone) {
  JsonSchemas schemas(LogicalTypes::kNumbers);
  schemas.add(schema(R"({"type":"record","name":"R","fields":[
                  {"name":"bad","type":"int","default":"x"},
                  {"name":"good","type":"int","default":1},
                  {"name":"nan","type":"double","default":"NaN"}]})"),
              JsonUse::kTaken);
  const boost::json::object& record = schemas.components().at("R-input").as_object();
  EXPECT_EQ(record.at("required"), parse(R"(["bad"])"));
  const boost::json::object& properties = record.at("properties").as_object();
  EXPECT_FALSE(properties.at("bad").as_object().contains("default"));
  EXPECT_EQ(properties.at("good").at("default"), 1);
  EXPECT_FALSE(properties.at("nan").as_object().contains("default"));
}

TEST(JsonSchema, RecordsThatHoldThemselves) {
  JsonSchemas schemas(LogicalTypes::kNumbers);
  EXPECT_EQ(value(schemas.add(schema(R"({"type":"record","name":"n.List","fields":[
                {"name":"value","type":"int","doc":"What it holds"},
                {"name":"next","type":["null","List"],"doc":"The rest"}]})"),
                              JsonUse::kShown)),
            parse(R"({"$ref":"#/components/schemas/n.List"})"));
  EXPECT_EQ(value(schemas.components()), parse(R"({"n.List":{"type":"object","properties":{
      "value":{"type":"integer","format":"int32","minimum":-2147483648,"maximum":2147483647,
               "description":"What it holds"},
      "next":{"anyOf":[{"type":"null"},{"$ref":"#/components/schemas/n.List"}],
              "description":"The rest"}},
      "required":["value","next"],"additionalProperties":false}})"));
}

// Of what is shown every field is there; of what is taken those with a default may be left out.
TEST(JsonSchema, DefaultsAreOfWhatIsTaken) {
  const std::string_view text = R"({"type":"record","name":"R","fields":[
      {"name":"id","type":"string"},
      {"name":"tags","type":{"type":"array","items":"string"},"default":["a"]},
      {"name":"note","type":["null","string"],"default":null},
      {"name":"raw","type":"bytes","default":"\u00ff"},
      {"name":"when","type":{"type":"long","logicalType":"timestamp-millis"},"default":5}]})";
  JsonSchemas schemas(LogicalTypes::kReadable);
  EXPECT_EQ(value(schemas.add(schema(text), JsonUse::kShown)),
            parse(R"({"$ref":"#/components/schemas/R"})"));
  EXPECT_EQ(value(schemas.add(schema(text), JsonUse::kTaken)),
            parse(R"({"$ref":"#/components/schemas/R-input"})"));
  const value& out = schemas.components().at("R");
  const value& in = schemas.components().at("R-input");
  EXPECT_EQ(out.at("required"), parse(R"(["id","tags","note","raw","when"])"));
  EXPECT_EQ(in.at("required"), parse(R"(["id"])"));
  EXPECT_EQ(out.at("properties").at("tags").as_object().if_contains("default"), nullptr);
  EXPECT_EQ(in.at("properties").at("tags").at("default"), parse(R"(["a"])"));
  EXPECT_EQ(in.at("properties").at("note").at("default"), nullptr);
  EXPECT_EQ(in.at("properties").at("raw").at("default"), "/w==");
  EXPECT_EQ(in.at("properties").at("when").at("default"), 5);
  EXPECT_EQ(in.at("properties").at("when").at("type"), "integer");
  EXPECT_EQ(out.at("properties").at("when").at("anyOf").at(0).at("format"), "date-time");
}

TEST(JsonSchema, LogicalTypesAsNumbers) {
  const value when = shown(logical("long", "timestamp-micros"));
  EXPECT_EQ(when.at("type"), "integer");
  EXPECT_EQ(when.at("description"), "microseconds since 1970-01-01 UTC");
  EXPECT_EQ(shown(logical("string", "uuid")), parse(R"({"type":"string","format":"uuid"})"));
  const value amount = shown(R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})");
  EXPECT_EQ(amount.at("contentEncoding"), "base64");
  EXPECT_EQ(defined(R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})", "D")
                .at("maxLength"),
            16);
  // A field's own words go before the unit.
  EXPECT_EQ(defined(R"({"type":"record","name":"R","fields":[{"name":"d","doc":"Born",
                        "type":{"type":"int","logicalType":"date"}}]})",
                    "R")
                .at("properties")
                .at("d")
                .at("description"),
            "Born (days since 1970-01-01)");
}

TEST(JsonSchema, LogicalTypesAsText) {
  const auto readable = LogicalTypes::kReadable;
  // Outside of the years 0000 to 9999, and of one day, they stay numbers.
  const value date = shown(logical("int", "date"), readable);
  EXPECT_EQ(date.at("anyOf").at(0), parse(R"({"type":"string","format":"date"})"));
  EXPECT_EQ(date.at("anyOf").at(1).at("type"), "integer");
  for (const auto& [type, name] : {std::pair("long", "local-timestamp-nanos"),
                                   {"int", "time-millis"},
                                   {"long", "time-micros"}}) {
    const value text = shown(logical(type, name), readable).at("anyOf").at(0);
    EXPECT_EQ(text.as_object().if_contains("format"), nullptr) << name;
    EXPECT_TRUE(text.as_object().contains("description")) << name;
  }
  EXPECT_EQ(shown(R"({"type":"bytes","logicalType":"decimal","precision":9,"scale":2})", readable),
            parse(R"({"type":"string","pattern":"^-?[0-9]+\\.[0-9]{2}$"})"));
  EXPECT_EQ(shown(R"({"type":"bytes","logicalType":"decimal","precision":9})", readable),
            parse(R"({"type":"string","pattern":"^-?[0-9]+$"})"));
  EXPECT_EQ(defined(R"({"type":"fixed","name":"U","size":16,"logicalType":"uuid"})", "U", readable),
            parse(R"({"type":"string","format":"uuid"})"));
  EXPECT_TRUE(
      defined(R"({"type":"fixed","name":"D","size":12,"logicalType":"duration"})", "D", readable)
          .at("pattern")
          .as_string()
          .starts_with("^P"));
  // What is taken are numbers all the same.
  EXPECT_EQ(taken(logical("int", "date"), readable).at("type"), "integer");
}

TEST(JsonSchema, TwoTypesOfOneNameAreTold) {
  JsonSchemas schemas(LogicalTypes::kNumbers);
  const auto add = [&schemas](std::string_view field, JsonUse use = JsonUse::kShown) {
    const std::string text = R"({"type":"record","name":"R","fields":[{"name":")" +
                             std::string(field) + R"(","type":"double"}]})";
    return std::string(schemas.add(schema(text), use).at("$ref").as_string());
  };
  const std::string place = "#/components/schemas/";
  EXPECT_EQ(add("a"), place + "R");
  EXPECT_EQ(add("b"), place + "R-2");
  EXPECT_EQ(add("c"), place + "R-3");
  EXPECT_EQ(add("b"), place + "R-2");
  EXPECT_EQ(add("a", JsonUse::kTaken), place + "R-input");
  EXPECT_EQ(add("b", JsonUse::kTaken), place + "R-input-2");
  EXPECT_EQ(schemas.components().size(), 5U);
}

TEST(JsonSchema, WhatIsTakenAsItIsShownIsOneType) {
  JsonSchemas schemas(LogicalTypes::kNumbers);
  const avro::Schema same = schema(R"({"type":"enum","name":"E","symbols":["X"]})");
  EXPECT_EQ(schemas.add(same, JsonUse::kShown), schemas.add(same, JsonUse::kTaken));
  EXPECT_EQ(schemas.components().size(), 1U);
}

TEST(JsonSchema, DeepAndWideSchemas) {
  std::string deep = R"("int")";
  for (int i = 0; i < 60; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_EQ(shown(deep).at("type"), "array");
  // A chain of a thousand records, each within the one before, each defined at its first use.
  std::string names = R"({"type":"record","name":"R0","fields":[)";
  for (int i = 1; i <= 1000; ++i) {
    const std::string n = std::to_string(i);
    names += R"({"name":"f)" + n + R"(","type":{"type":"record","name":"R)" + n +
             R"(","fields":[{"name":"up","type":["null","R)" + std::to_string(i - 1) + "\"]}]}},";
  }
  names.back() = ']';
  JsonSchemas schemas(LogicalTypes::kNumbers);
  schemas.add(schema(names + "}"), JsonUse::kShown);
  EXPECT_EQ(schemas.components().size(), 1001U);
}

}  // namespace
}  // namespace push_cache::api
