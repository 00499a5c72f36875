// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/io/battles.hpp>
#include <zermelo/io/count.hpp>

#include "../catch.hpp"
#include "trickle.hpp"

namespace zm = zermelo;
namespace io = zermelo::io;
using io::outcome;

namespace {

constexpr auto first = outcome::first, second = outcome::second, tie = outcome::tie;

/// All that a reader shows of a text, in words; an error too.
struct seen {
  std::string words;
  void operator()(const io::battle& b) {
    words += std::to_string(b.first) + " " + std::to_string(b.second) + " " +
             std::to_string(static_cast<int>(b.outcome)) + (b.both_bad ? " bad " : " ") + zm::detail::text(b.weight) +
             "\n";
  }
  template <class Read>
  static std::string of(Read&& read) {
    seen sink;
    try {
      const io::battle_summary s = read(sink);
      for (const auto& name : s.items) sink.words += "item " + name + "\n";
      for (const auto& r : s.rejected)
        sink.words += std::to_string(r.line) + ":" + std::to_string(r.column) + " " + r.reason + "\n";
      for (const std::int64_t n : {s.bytes, s.lines, s.blank_lines, s.records, s.accepted, s.battles})
        sink.words += std::to_string(n) + " ";
      if (s.records != s.accepted + static_cast<std::int64_t>(s.rejected.size())) sink.words += "records were lost";
    } catch (const zm::parse_error& e) {
      sink.words += std::to_string(e.line()) + ":" + std::to_string(e.column()) + " thrown: " + e.reason();
    }
    return sink.words;
  }
};

zm::threads& pool() {
  static zm::threads three(3);
  return three;
}

/// Reads in pieces, in blocks and at once under both error policies and requires the same of all.
void require_same_however_read(std::string_view text, io::battle_options options = {}) {
  for (const auto policy : {io::error_policy::refuse, io::error_policy::collect}) {
    options.on_error = policy;
    const std::string whole = seen::of([&](seen& s) { return io::stream_battles(text, s, options); });
    CHECK(whole.find("records were lost") == std::string::npos);
    for (const std::size_t piece : std::initializer_list<std::size_t>{1, 2, 3, 7, 64, 1000}) {
      io::battle_options small = options;
      small.chunk_bytes = static_cast<std::int64_t>(piece);
      INFO("pieces of " << piece << " bytes");
      CHECK(seen::of([&](seen& s) { return io::stream_battles(trickle{text, piece}, s, small); }) == whole);
      CHECK(seen::of([&](seen& s) { return io::stream_battles(pool(), text, s, small); }) == whole);
    }
  }
}

struct refusal {
  std::int64_t line, column;
  std::string reason;
};

refusal refused(std::string_view text, const io::battle_options& options = {}) {
  require_same_however_read(text, options);
  try {
    io::read_battles(text, options);
  } catch (const zm::parse_error& e) {
    CHECK(e.file() == "<memory>");
    return {e.line(), e.column(), e.reason()};
  }
  return {0, 0, "nothing was wrong"};
}

void check_refused(std::string_view text, std::int64_t line, std::int64_t column, std::string_view reason,
                   const io::battle_options& options = {}) {
  const refusal r = refused(text, options);
  INFO(text.substr(0, 200) << " -> " << r.line << ":" << r.column << ": " << r.reason);
  CHECK(r.line == line);
  CHECK(r.column == column);
  CHECK(r.reason.find(reason) != std::string::npos);
}

io::battle_table accepted(std::string_view text, const io::battle_options& options = {}) {
  require_same_however_read(text, options);
  return io::read_battles(text, options);
}

using ids = std::vector<std::int32_t>;
using names = std::vector<std::string>;
using outcomes = std::vector<outcome>;

std::string quoted(std::string_view text) {
  std::string all = "\"";
  for (const char c : text) all.append(c == '"' ? 2 : 1, c);
  return all + '"';
}

}  // namespace

TEST_CASE("arena lines name their four outcomes, and both kinds of tie are ties") {
  const auto t = accepted(
      "{\"model_a\": \"gpt\", \"model_b\": \"llama\", \"winner\": \"model_a\"}\n"
      "{\"model_a\": \"llama\", \"model_b\": \"claude\", \"winner\": \"model_b\"}\n"
      "{\"model_a\": \"gpt\", \"model_b\": \"claude\", \"winner\": \"tie\"}\n"
      "{\"model_a\": \"claude\", \"model_b\": \"llama\", \"winner\": \"tie (bothbad)\"}\n");
  CHECK(t.items == names{"gpt", "llama", "claude"});
  CHECK(t.first == ids{0, 1, 0, 2});
  CHECK(t.second == ids{1, 2, 2, 1});
  CHECK(t.outcome == outcomes{first, second, tie, tie});
  CHECK(t.both_bad == std::vector<std::int64_t>{3});
  CHECK(t.weight.empty());
  CHECK(t.rejected.empty());
}

TEST_CASE("a rejected line adds no battle, interns no name and says why") {
  const std::string text =
      "{\"model_a\": \"a\", \"model_b\": \"b\", \"winner\": \"model_a\"}\n"
      "{\"model_a\": \"a\", \"model_b\": \"a\", \"winner\": \"tie\"}\n"
      "{\"model_a\": \"b\", \"model_b\": \"z\", \"winner\": \"left\"}\n"
      "{\"model_a\": \"c\", \"model_b\": \"a\", \"winner\": \"both_bad\"}\n";
  const auto t = accepted(text, collecting());
  CHECK(t.items == names{"a", "b", "c"});
  CHECK(t.first == ids{0, 2});
  REQUIRE(t.rejected.size() == 2);
  CHECK(t.rejected[0].line == 2);
  CHECK(t.rejected[0].reason == "item compared with itself: a");
  CHECK(t.rejected[1].line == 3);
  CHECK(t.rejected[1].column == 44);
  CHECK(t.rejected[1].reason == "unknown winner: left");
  CHECK(t.records == 4);
  CHECK(t.accepted == 2);
  check_refused(text, 2, 29, "item compared with itself: a");
}

TEST_CASE("columns are found by the header") {
  SECTION("evalica's, where numbers name the models and names stand in left and right") {
    const auto t = accepted(
        "id,prompt,model_x,model_y,worker,winner,left,right\n0,8,97,98,58,tie,Ant,Bee\n0,8,97,98,83,right,Ant,Bee\n");
    CHECK(t.items == names{"Ant", "Bee"});
    CHECK(t.outcome == outcomes{tie, second});
  }
  SECTION("x and y as words for left and right") {
    const auto t = accepted("left,right,winner\na,b,x\na,b,y\na,b,draw\n");
    CHECK(t.outcome == outcomes{first, second, tie});
  }
  SECTION("in any order, with the outcome first and the items last") {
    const auto t = accepted("winner,judge,model_b,model_a\nmodel_a,j,b,a\nmodel_b,j,c,a\n");
    CHECK(t.items == names{"a", "b", "c"});
    CHECK(t.outcome == outcomes{first, second});
  }
  SECTION("by the names given, with the labels given") {
    io::battle_options options;
    options.columns = {.first = "white", .second = "black", .outcome = "result"};
    options.labels = {.first = {"1-0"}, .second = {"0-1"}, .tie = {"1/2-1/2"}};
    options.delimiter = ';';
    const auto t = accepted("white;black;result\na;b;1-0\nb;a;1/2-1/2\n", options);
    CHECK(t.outcome == outcomes{first, tie});
    check_refused("white;black;result\na;b;draw\n", 2, 5, "unknown winner: draw", options);
  }
  SECTION("and a missing one is an error under both policies") {
    for (const auto& options : {io::battle_options{}, collecting()}) {
      check_refused("model_a,model_b,judge\n", 1, 1, "missing column: winner (the header has: model_a, model_b, judge)",
                    options);
      check_refused("model_a,winner\n", 1, 1, "missing column: model_b", options);
      check_refused("a,b,c\n", 1, 1, "missing columns of the two items: expected model_a, model_b;", options);
      check_refused("model_a,model_b,winner,winner\n", 1, 1, "column appears twice: winner", options);
      check_refused("home,away,home_wins\n", 1, 1, "missing column: away_wins", options);
    }
  }
}

TEST_CASE("counted wins become weighted battles") {
  const auto t = accepted("home,away,home_wins,away_wins,ties\nAnt,Bee,4,3,0\nAnt,Cat,0,0,2\nCat,Bee,0,0,0\n");
  CHECK(t.items == names{"Ant", "Bee", "Cat"});
  CHECK(t.first == ids{0, 0, 0});
  CHECK(t.second == ids{1, 1, 2});
  CHECK(t.outcome == outcomes{first, second, tie});
  CHECK(t.weight == std::vector<double>{4, 3, 2});
  CHECK(t.records == 3);
  CHECK(t.accepted == 3);
  CHECK(t.battles == 3);
  const auto j = accepted("{\"home\": \"a\", \"away\": \"b\", \"home_wins\": 2, \"away_wins\": 1}\n");
  CHECK(j.weight == std::vector<double>{2, 1});
  for (const char* bad : {"-1", "1.5", "", "x", "1e3", "9007199254740993", "99999999999999999999", "+1", " 1"})
    check_refused("home,away,home_wins,away_wins\na,b,1,1\na,b," + std::string(bad) + ",1\n", 3, 5,
                  "home_wins is '" + std::string(bad) + "': expected a whole number from 0 to 2^53");
}

TEST_CASE("a weight is a finite number that is not negative") {
  const auto t = accepted("left,right,winner,weight\na,b,left,1\na,b,left,0.5\na,b,tie,0\na,b,tie,-0\na,b,right,2e3\n");
  CHECK(t.weight == std::vector<double>{1, 0.5, 0, 0, 2000});
  CHECK_FALSE(std::signbit(t.weight[3]));
  CHECK(accepted("left,right,winner,weight\na,b,left,1\n").weight.empty());
  CHECK(accepted("{\"left\":\"a\",\"right\":\"b\",\"winner\":\"tie\",\"weight\":2.5e-1}").weight ==
        std::vector<double>{0.25});
  for (const char* bad :
       {"-1", "nan", "inf", "-inf", "NaN", "infinity", "", "1x", "0x10", "1e999", " 1", "+1", "1,5"}) {
    const std::string text = "left,right,winner,weight\na,b,left,1\na,b,left,\"" + std::string(bad) + "\"\n";
    check_refused(text, 3, 10, "weight is '" + std::string(bad) + "': expected a finite number >= 0");
  }
  check_refused("left,right,winner,weight\na,b,left,1\na,b,left,-1\n", 3, 10, "weight is '-1'");
  const std::string line = "{\"left\":\"a\",\"right\":\"b\",\"winner\":\"tie\"";
  check_refused(line + ",\"weight\":-1}", 1, 49, "weight is '-1'");
  check_refused(line + ",\"weight\":\"1\"}", 1, 49, "weight: expected a number");
  check_refused(line + ",\"weight\":1}\n" + line + "}", 2, 40, "missing key: weight");
  check_refused(line + "}\n" + line + ",\"weight\":1}", 2, 40, "weight: expected none, as in the first record");
}

TEST_CASE("quoted fields may hold delimiters, quotation marks and line ends") {
  const auto t = accepted(
      "prompt,model_a,model_b,winner\n"
      "\"one,\ntwo\r\n\"\"three\"\"\",\"a \"\"the first\"\"\",\"b,c\",\"model_a\"\n"
      "\"\",\"b,c\",\"a \"\"the first\"\"\",tie\n");
  CHECK(t.items == names{"a \"the first\"", "b,c"});
  CHECK(t.outcome == outcomes{first, tie});
  CHECK(t.second == ids{1, 0});
  CHECK(t.lines == 5);

  const std::string begin = "model_a,model_b,winner\n";
  check_refused(begin + "\"x\ny\",b,model_a\na,\"b\"c,tie\n", 4, 6, "text after a closing quotation mark");
  check_refused(begin + "a,b\"c,tie\n", 2, 4, "quotation mark inside a field");
  check_refused(begin + "a,\"b,tie\nc,d,tie\n", 2, 3, "quoted field is never closed");
  check_refused(begin + "a,\"b\"\"", 2, 3, "quoted field is never closed");
  const auto c = accepted(begin + "a,\"b\"c,tie\na,b,tie\na,b\"b,tie\nb,a,tie", collecting());
  CHECK(c.records == 4);
  CHECK(c.accepted == 2);
}

TEST_CASE("lines end with LF or CRLF, also mixed, and the last may end without") {
  const std::string text = "\xef\xbb\xbfmodel_a,model_b,winner\r\na,b,tie\nb,c,model_a\r\n\r\n\nc,a,model_b";
  for (const char* tail : {"", "\n", "\r\n", "\r"}) {
    const auto t = accepted(text + tail);
    CHECK(t.items == names{"a", "b", "c"});
    CHECK(t.outcome == outcomes{tie, first, second});
    CHECK(t.lines == 6);
    CHECK(t.blank_lines == 2);
    CHECK(t.bytes == static_cast<std::int64_t>(text.size() + std::string_view(tail).size()));
  }
  check_refused("model_a,model_b,winner\ra,b,tie\r", 1, 23, "carriage return inside a line");
  check_refused("model_a,model_b,winner\na\rb,c,tie\n", 2, 2, "carriage return inside a line");
}

TEST_CASE("no data is an error, a header without records is not") {
  for (const char* text : {"", "\n", "\xef\xbb\xbf", "\xef\xbb", "  \r\n \n"}) {
    const refusal r = refused(text);
    CHECK(r.line >= 1);
    CHECK(r.reason != "nothing was wrong");
  }
  check_refused("", 1, 1, "no data: expected a header line or a JSON object");
  io::battle_options csv;
  csv.format = io::battle_format::csv;
  check_refused("", 1, 1, "no data: expected a header line", csv);
  io::battle_options json;
  json.format = io::battle_format::jsonl;
  CHECK(accepted("", json).records == 0);
  const auto t = accepted("left,right,winner\n");
  CHECK(t.records == 0);
  CHECK(t.items.empty());
  check_refused("[{\"left\": 1}]", 1, 1, "a JSON array: expected JSON lines");
}

TEST_CASE("a line of another number of fields is rejected") {
  const std::string begin = "model_a,model_b,winner\na,b,tie\n";
  check_refused(begin + "a,b\n", 3, 4, "2 fields: expected 3, as in the header");
  check_refused(begin + "a,b,tie,x\n", 3, 9, "4 fields: expected 3, as in the header");
  check_refused(begin + " \na,b,tie\n", 3, 2, "1 field: expected 3");
  check_refused(begin + "a,b,ti", 3, 5, "unknown winner: ti");
  check_refused(begin + "a,,tie\n", 3, 3, "item without a name");
  check_refused(begin + "a,b,\n", 3, 5, "unknown winner: ");
  check_refused(begin + "c,c,tie\n", 3, 3, "item compared with itself: c");
  check_refused(begin + "a,a,tie\n", 3, 3, "item compared with itself: a");
}

TEST_CASE("text must be UTF-8 without zero bytes") {
  const std::string begin = "model_a,model_b,winner\nmodèle,模型,tie\n模型,modèle,model_a\n";
  const auto t = accepted(begin);
  CHECK(t.items == names{"modèle", "模型"});
  check_refused(begin + "\xe9,b,tie\n", 4, 1, "not UTF-8: byte 0xE9");
  check_refused(begin + "a,b\xff,tie\n", 4, 4, "not UTF-8: byte 0xFF");
  check_refused(begin + std::string("a\0b,c,tie\n", 10), 4, 2, "zero byte: expected text");
  check_refused("model_a,model_b,winner,\xfe\n", 1, 24, "not UTF-8: byte 0xFE");
  check_refused("{\"left\": \"a\", \"right\": \"\x80\"}", 1, 25, "not UTF-8: byte 0x80");
  check_refused(std::string("{\"left\":\0 1}", 12), 1, 9, "zero byte");

  const auto bad = [](std::string_view text) { return io::detail::first_bad_byte(text.data(), text.size()); };
  for (std::string_view good : {"", "plain and long enough for words", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
                                "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK(bad(good) == good.size());
  for (std::string_view wrong :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\x80", "\xed\xa0\x80", "\xe1\x80",
        "\xf0\x8f\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf1\x80\x80"}) {
    CHECK(bad(wrong) == 0);
    CHECK(bad("twelve bytes" + std::string(wrong)) == 12);
  }
}

TEST_CASE("a line of a megabyte is read, a longer one than allowed is an error") {
  const std::string million(1'000'000, 'q');
  const std::string csv = "prompt,left,right,winner\n1,a,b,left\n" + million + ",a,b,tie\n2,b,a,tie\n";
  CHECK(io::read_battles(csv).accepted == 3);
  CHECK(io::read_battles("prompt,left,right,winner\n1," + million + ",b,left\n2," + million + ",b,left\n").items[0] ==
        million);
  const std::string json = "{\"left\":\"a\",\"right\":\"b\",\"winner\":\"tie\",\"prompt\":[\"" + million + "\"]}\n";
  CHECK(io::read_battles(json).accepted == 1);
  for (const std::string* text : {&csv, &json})
    for (const auto policy : {io::error_policy::refuse, io::error_policy::collect}) {
      io::battle_options options;
      options.on_error = policy;
      options.chunk_bytes = 4096;
      CHECK(io::read_battles(pool(), *text, options).accepted == (text == &csv ? 3 : 1));
      options.longest_record = 900'000;
      const std::string whole = seen::of([&](seen& s) { return io::stream_battles(*text, s, options); });
      CHECK(whole.find("thrown: record longer than 900000 bytes") != std::string::npos);
      CHECK(seen::of([&](seen& s) { return io::stream_battles(trickle{*text, 5000}, s, options); }) == whole);
      CHECK(seen::of([&](seen& s) { return io::stream_battles(pool(), *text, s, options); }) == whole);
    }
  const refusal r = refused("left,right,winner\na,b," + million + "\n");
  CHECK(r.reason == "unknown winner: " + std::string(200, 'q') + "…");
}

TEST_CASE("other keys of a JSON line are passed over, whatever they hold") {
  const auto t = accepted(
      "{\"conv\": [{\"winner\": \"x\", \"n\": [1, -0.5e+3, {}], \"s\": \"}\\\"\\\\\"}, []], \"model_a\": \"a\", "
      "\"ok\": true, \"none\": null, \"model_b\": \"b\",\t\"winner\" : \"tie\" , \"no\": false}\r\n"
      "\r\n"
      "  {\"winner\": \"model_b\", \"model_b\": \"a\", \"model_a\": \"c\"}  \n");
  CHECK(t.items == names{"a", "b", "c"});
  CHECK(t.outcome == outcomes{tie, second});
  CHECK(t.blank_lines == 1);
}

TEST_CASE("escapes of JSON strings become UTF-8, in keys too") {
  const auto t = accepted(
      R"({"\u006codel":1,"mod\u0065l_a":"\"\\\/\b\f\n\r\t","model_b":"\u0041\u00e9\u6A21\ud83d\ude00","winner":"t\u0069e"})");
  CHECK(t.items == names{"\"\\/\b\f\n\r\t", "Aé模😀"});
  const auto value = [](const std::string& s) {
    return "{\"left\": \"a\", \"right\": \"b\", \"winner\": \"tie\", \"k\": " + s + "}";
  };
  for (const char* lone : {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", R"("\ud83d\u0041")"})
    check_refused(value(lone), 1, 52, "a surrogate without its other half");
  check_refused(value(R"("\x")"), 1, 52, "unknown escape");
  check_refused(value(R"("\u00g0")"), 1, 56, "four hexadecimal digits");
  check_refused(value("\"\x01\""), 1, 52, "control character");
}

TEST_CASE("a JSON line that breaks the grammar is rejected where it breaks") {
  const std::string good = "{\"left\":\"a\",\"right\":\"b\",\"winner\":\"tie\"}";
  for (std::size_t cut = 1; cut < good.size(); ++cut) {
    const refusal r = refused(good + "\n" + good.substr(0, cut));
    CHECK(r.line == 2);
    CHECK(r.column >= 1);
  }
  for (const char* value : {"01",    "-",   "1.",   ".5",   "1e",    "1e+",     "+1",       "NaN",   "tru",
                            "nulll", "'a'", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}",
                            "[",     "{",   "]",    "\"",   "0x1",   "1 2",     ""}) {
    const std::string text = good.substr(0, good.size() - 1) + ",\"k\":" + value + "}";
    const refusal r = refused(good + "\n" + text);
    INFO(text);
    CHECK(r.line == 2);
  }
  check_refused(good + " x", 1, 41, "text after the object");
  check_refused(good + "\n[]\n", 2, 1, "expected a JSON object");
  check_refused("{\"left\":\"a\",\"right\":\"b\"}", 1, 1, "missing key: winner");
  check_refused(good + "\n{\"left\":\"a\",\"right\":\"b\"}", 2, 25, "missing key: winner");
  check_refused(good + "\n{\"left\":\"a\",\"left\":\"c\",\"right\":\"b\",\"winner\":\"tie\"}", 2, 13,
                "key appears twice: left");
  check_refused("{\"left\":\"a\",\"left\":\"c\",\"right\":\"b\",\"winner\":\"tie\"}", 1, 1, "key appears twice: left");
  check_refused(good + "\n{\"left\":1,\"right\":\"b\",\"winner\":\"tie\"}", 2, 9, "left: expected a string");
  check_refused(good + "\n{\"left\":\"a\",\"right\":\"b\",\"winner\":null}", 2, 34, "winner: expected a string");
  const std::string deep = good.substr(0, good.size() - 1) + ",\"k\":";
  CHECK(accepted(deep + std::string(256, '[') + std::string(256, ']') + "}").accepted == 1);
  check_refused(deep + std::string(257, '[') + std::string(257, ']') + "}", 1, 300, "nested deeper than 256");
}

TEST_CASE("a first JSON line that cannot be understood does not decide the keys") {
  const auto t =
      accepted("{\"comment\": 1}\n{\"left\": \"a\", \n{\"model_a\": \"a\", \"model_b\": \"b\", \"winner\": \"tie\"}\n",
               collecting());
  CHECK(t.records == 3);
  CHECK(t.accepted == 1);
}

TEST_CASE("options that contradict each other are refused") {
  const auto wrong = [](const io::battle_options& options) {
    CHECK_THROWS_AS(io::read_battles("left,right,winner\n", options), zm::domain_error);
  };
  for (const char d : {'"', '\n', '\r', '\0', '\x80'}) {
    io::battle_options options;
    options.delimiter = d;
    wrong(options);
  }
  const auto columns = [&](const io::battle_columns& c) {
    io::battle_options options;
    options.columns = c;
    wrong(options);
  };
  columns({.first = "left"});
  columns({.first = "left", .second = "left"});
  columns({.outcome = "winner", .first_wins = "x", .second_wins = "y"});
  columns({.second_wins = "y"});
  io::battle_options options;
  options.chunk_bytes = 0;
  wrong(options);
  options = {};
  options.labels = {.first = {"w"}, .second = {"w"}};
  wrong(options);
}

TEST_CASE("a name table numbers names exactly, of any length, up to its limit") {
  std::vector<std::string> all;
  for (std::size_t length = 0; length < 80; ++length)
    for (const char c : {'a', 'b'}) {
      all.push_back(std::string(length, 'a') + c);
      all.push_back(std::string(length, 'a') + c + std::string(40, 'a'));
    }
  for (int k = 0; k < 5000; ++k) all.push_back("n" + std::to_string(k));
  io::detail::name_table table;
  names kept;
  for (int round = 0; round < 2; ++round)
    for (const auto& name : all) {
      const auto known = std::find(kept.begin(), kept.end(), name) - kept.begin();
      REQUIRE(table.intern(name) == known);
      if (known == std::ssize(kept)) kept.push_back(name);
      if (kept.size() > 500 && round == 0) break;
    }
  for (const auto& name : all) table.intern(name);
  for (std::int32_t id = 0; id < table.size(); ++id)
    REQUIRE(table.find(table.names()[static_cast<std::size_t>(id)]) == id);
  CHECK(table.find("not there") == io::detail::name_table::absent);

  io::detail::name_table two(2);
  two.intern("a");
  two.intern("b");
  CHECK(two.intern("a") == 0);
  CHECK_THROWS_AS(two.intern("c"), zm::domain_error);
}

TEST_CASE("random CSV reads as it was written, in pieces, in blocks and at once") {
  std::mt19937 draw(7);
  const auto below = [&](unsigned n) { return static_cast<std::size_t>(draw() % n); };
  const names pool_of_names = {"a",         "b,c",     "say \"hi\"",         "longer than sixteen bytes", "größer",
                               "line\nend", " blank ", std::string(40, 'z'), std::string(39, 'z') + "y",  "0"};
  const std::string winner[] = {"right", "left", "tie"};
  for (int round = 0; round < 60; ++round) {
    const bool quotes = round % 3 != 0;
    const bool noise = round % 2 == 0;
    std::string text = noise ? "note,left,winner,right\r\n" : "left,winner,right\n";
    names items;
    ids a, b;
    outcomes o;
    const auto id = [&](const std::string& name) {
      const auto at = std::find(items.begin(), items.end(), name) - items.begin();
      if (at == std::ssize(items)) items.push_back(name);
      return static_cast<std::int32_t>(at);
    };
    const auto put = [&](const std::string& s) {
      text += s.find_first_of(",\"\n") != std::string::npos || (quotes && below(4) == 0) ? quoted(s) : s;
    };
    for (std::size_t k = below(200); k-- > 0;) {
      const std::size_t x = below(10), y = (x + 1 + below(9)) % 10, w = below(3);
      const auto usable = [&](std::size_t n) {
        return quotes || pool_of_names[n].find_first_of(",\"\n") == std::string::npos;
      };
      if (!usable(x) || !usable(y)) continue;
      a.push_back(id(pool_of_names[x]));
      b.push_back(id(pool_of_names[y]));
      o.push_back(static_cast<outcome>(w));
      if (noise) {
        put(std::string(below(30), 'n'));
        text += ',';
      }
      put(pool_of_names[x]);
      text += ',';
      put(winner[w]);
      text += ',';
      put(pool_of_names[y]);
      text += below(2) == 0 ? "\r\n" : "\n";
      if (below(20) == 0) text += "\n";
    }
    const auto t = accepted(text);
    REQUIRE(t.items == items);
    REQUIRE(t.first == a);
    REQUIRE(t.second == b);
    REQUIRE(t.outcome == o);
  }
}

TEST_CASE("long texts with faults anywhere read the same in one pass and on several threads") {
  std::mt19937 draw(11);
  const auto below = [&](unsigned n) { return static_cast<std::size_t>(draw() % n); };
  for (const bool quotes : {false, true}) {
    std::string csv = "model_a,model_b,winner\n", json;
    for (int k = 0; k < 4000; ++k) {
      const std::string a = "m" + std::to_string(below(50)), b = "m" + std::to_string(below(50));
      const std::string w = below(50) == 0 ? "nobody" : below(2) == 0 ? "model_a" : "model_b";
      csv += a + "," + b + "," + w + (below(60) == 0 ? "\xff\n" : below(60) == 0 ? ",\n" : "\n");
      if (quotes && k > 2000 && below(40) == 0) csv += "\"x\ny\"," + b + "," + w + "\n";
      json += "{\"model_a\":\"" + a + "\",\"model_b\":\"" + b + "\",\"winner\":\"" + w + "\"" +
              (below(60) == 0 ? "\n" : "}\n");
    }
    for (const std::string* text : {&csv, &json}) {
      io::battle_options options = collecting();
      const std::string whole = seen::of([&](seen& s) { return io::stream_battles(*text, s, options); });
      for (const std::int64_t chunk : {100, 5000, 40000}) {
        options.chunk_bytes = chunk;
        CHECK(seen::of([&](seen& s) { return io::stream_battles(pool(), *text, s, options); }) == whole);
        CHECK(seen::of([&](seen& s) { return io::stream_battles(zm::serial{}, *text, s, options); }) == whole);
        CHECK(seen::of([&](seen& s) { return io::stream_battles(trickle{*text, 77}, s, options); }) == whole);
      }
    }
  }
}

TEST_CASE("a file reads as its text, and errors carry its path and the system's words") {
  std::string path = "/tmp/zermelo_battles_test_XXXXXX";
  const int descriptor = ::mkstemp(path.data());
  REQUIRE(descriptor >= 0);
  ::close(descriptor);
  std::string text = "left,right,winner\n";
  for (int k = 0; k < 3000; ++k) text += "item" + std::to_string(k % 17) + ",other" + std::to_string(k % 5) + ",left\n";
  text += "a,b,nobody\n";
  std::FILE* file = std::fopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  CHECK(std::fwrite(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);

  io::battle_options options = collecting();
  options.chunk_bytes = 1000;
  const std::string whole = seen::of([&](seen& s) { return io::stream_battles(text, s, options); });
  CHECK(seen::of([&](seen& s) { return io::stream_battles_file(path, s, options); }) == whole);
  CHECK(seen::of([&](seen& s) { return io::stream_battles_file(pool(), path, s, options); }) == whole);
  CHECK(io::read_battles_file(path, options).first == io::read_battles_file(pool(), path, options).first);
  CHECK_THROWS_WITH(io::read_battles_file(path), path + ":3002:5: unknown winner: nobody");
  std::remove(path.c_str());
  CHECK_THROWS_WITH(io::read_battles_file(path), path + ": cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(io::read_battles_file("/"), "/: cannot be read: Is a directory");
}

TEST_CASE("a sink may take a battle apart") {
  std::int64_t ties = 0;
  const auto s = io::stream_battles("x,y,winner\na,b,tie\n",
                                    [&](std::int32_t, std::int32_t, outcome o, double) { ties += o == tie; });
  CHECK(ties == 1);
  CHECK(s.battles == 1);
}

TEST_CASE("a table counts to the graph of its battles, and counted records to battles of weight one") {
  const auto plain =
      zm::io::count_battles(zm::io::read_battles("left,right,winner\nb,a,left\na,b,tie\nc,b,right\nb,a,left\n"));
  CHECK(plain.items == 3);
  CHECK(plain.battles == 4);
  CHECK(plain.between(0, 1).wins == 2);
  CHECK(plain.between(1, 0).ties == 1);
  CHECK(plain.between(2, 0).losses == 1);
  CHECK(plain.unit_weights());

  const auto counted = zm::io::count_battles(zm::io::read_battles("home,away,home_wins,away_wins\nx,y,4,3\ny,x,1,0\n"));
  CHECK(counted.between(0, 1).wins == 4);
  CHECK(counted.between(0, 1).losses == 4);
  CHECK(counted.unit_weights());
  CHECK(counted.battles == 8);

  const auto weighted =
      zm::io::count_battles(zm::io::read_battles("left,right,winner,weight\na,b,left,0.5\na,b,left,2\n"));
  CHECK(weighted.between(0, 1).wins == 2.5);
  CHECK(!weighted.unit_weights());
}

TEST_CASE("counting while reading gives the graph of the table, however many items and whatever the weights") {
  const auto same = [](const zm::preference::comparison_graph& a, const zm::preference::comparison_graph& b) {
    CHECK(a.items == b.items);
    CHECK(a.battles == b.battles);
    CHECK(a.dense == b.dense);
    CHECK(a.wins == b.wins);
    CHECK(a.losses == b.losses);
    CHECK(a.ties == b.ties);
    CHECK(a.opponents == b.opponents);
    CHECK(a.squared_wins == b.squared_wins);
    CHECK(a.squared_ties == b.squared_ties);
  };
  std::mt19937 random(5);
  const zm::threads pool(2);
  for (const unsigned items : {2u, 63u, 65u, 200u, 1100u, 5000u})
    for (const bool weighted : {false, true}) {
      std::string text = weighted ? "left,right,winner,weight\n" : "left,right,winner\n";
      const char* winners[] = {"left", "right", "tie"};
      const char* weights[] = {"1", "0.5", "3"};
      for (unsigned k = 0; k < 4 * items + 10; ++k) {
        const unsigned a = unsigned(random() % items), b = (a + 1 + unsigned(random() % (items - 1))) % items;
        text += "i" + std::to_string(a) + ",i" + std::to_string(b) + "," + winners[random() % 3];
        if (weighted) text += std::string(",") + weights[random() % 3];
        text += "\n";
      }
      const auto expected = zm::io::count_battles(zm::io::read_battles(text));
      const auto got = zm::io::read_graph(text);
      CHECK(got.accepted == 4 * items + 10);
      same(got.graph, expected);
      same(zm::io::read_graph(pool, text).graph, expected);
    }
  const std::string records = "home,away,home_wins,away_wins\nx,y,4,3\ny,x,1,0\nz,x,1,1\n";
  same(zm::io::read_graph(records).graph, zm::io::count_battles(zm::io::read_battles(records)));
  CHECK(zm::io::read_graph("left,right,winner\n").graph.items == 0);
}
