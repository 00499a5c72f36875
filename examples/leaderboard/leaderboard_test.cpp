// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the program says, and how it ends.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "catch.hpp"
#include "text.hpp"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct answer {
  int status;
  std::string out, err;
};

/// Runs the program in a folder of its own, with a file battles.csv there.
answer run(const std::string& arguments, const std::string& battles = "") {
  const fs::path folder = fs::temp_directory_path() / ("zermelo_leaderboard_" + std::to_string(getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "battles.csv", std::ios::binary) << battles;
  const std::string command =
      "cd '" + folder.string() + "' && '" ZERMELO_LEADERBOARD_PROGRAM "' " + arguments + " >out 2>err </dev/null";
  const int status = std::system(command.c_str());
  answer a{.status = WEXITSTATUS(status), .out = contents(folder / "out"), .err = contents(folder / "err")};
  fs::remove_all(folder);
  return a;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string undefeated = "left,right,winner\nant,bee,left\nant,cat,left\nbee,cat,right\ncat,bee,right\n";

}  // namespace

TEST_CASE("Milwaukee is the best of the American League, 1.5814 above Baltimore, the last") {
  const answer a = run("--json -");
  REQUIRE(a.status == 0);
  const json board = json::parse(a.out).at("leaderboards").at(0);
  const json& items = board.at("items");
  REQUIRE(items.size() == 7);
  CHECK(board.at("battles") == 273);
  CHECK(items.at(0).at("name") == "Milwaukee");
  CHECK(items.at(0).at("wins") == 50);
  CHECK(items.at(0).at("games") == 78);
  CHECK(items.at(6).at("name") == "Baltimore");
  const double difference = items.at(0).at("strength").get<double>() - items.at(6).at("strength").get<double>();
  CHECK(std::abs(difference - 1.5813558766613942) < 1e-9);  // the reference was fitted to that many digits
  CHECK(board.at("convergence").at("status") == "converged");
}

TEST_CASE("The intervals cover the strengths that the invented battles were drawn from") {
  for (const std::string intervals : {"", " --bootstrap 400"}) {
    const json board = json::parse(run("--json -" + intervals).out).at("leaderboards").at(1);
    CHECK(board.at("items").size() == 24);
    // Of 24 intervals of 95 %, fewer than 20 cover with probability 0.6 % if they are right.
    CHECK(board.at("true_strengths_covered").get<int>() >= 20);
  }
}

TEST_CASE("An item that never lost is named, and the status is 2, unless a prior or components are asked for") {
  const answer a = run("battles.csv", undefeated);
  CHECK(a.status == 2);
  CHECK(a.out.empty());
  CHECK(has(a.err, "ant never lost"));
  CHECK(has(a.err, "--prior phantom:0.5"));
  CHECK(has(a.err, "--by-component"));
  CHECK(run("battles.csv --prior phantom:0.5", undefeated).status == 0);
  const answer parts = run("battles.csv --by-component --json -", undefeated);
  CHECK(parts.status == 0);
  CHECK(json::parse(parts.out).at("leaderboards").size() == 2);
}

TEST_CASE("Islands that never met are told apart by name") {
  const answer a = run("battles.csv", "left,right,winner\na,b,left\nb,a,left\nc,d,left\nd,c,left\n");
  CHECK(a.status == 2);
  CHECK(has(a.err, "1. a, b"));
  CHECK(has(a.err, "2. c, d"));
}

TEST_CASE("A line that cannot be read ends the program with its place, or is reported and skipped") {
  const std::string text = "left,right,winner\na,b,left\nb,a,left\na,b,both\n";
  const answer a = run("battles.csv", text);
  CHECK(a.status == 1);
  CHECK(has(a.err, "battles.csv:4:5: unknown winner: both"));
  const answer skipped = run("battles.csv --skip-bad-lines", text);
  CHECK(skipped.status == 0);
  CHECK(has(skipped.err, "1 of 3 records were rejected:\n  4:5: unknown winner: both"));
}

TEST_CASE("What is asked for and cannot be is refused with status 1") {
  for (const std::string arguments : {"nothing.csv", "battles.csv", "--prior gaussian", "--prior gamma:2", "--level 1",
                                      "--method guess", "--delimiter ab", "--top -1", "--bootstrap many"})
    CHECK(run(arguments).status == 1);
}

TEST_CASE("A name with a comma, quotation marks and an escape sequence stays one name and loses the escape") {
  const std::string text = "left,right,winner\n\"a \"\"x\"\", \x1b[1m\",b,left\nb,\"a \"\"x\"\", \x1b[1m\",left\n";
  const answer csv = run("battles.csv --csv -", text);
  CHECK(has(csv.out, "battles.csv,1,\"a \"\"x\"\", \uFFFD[1m\",0,"));
  CHECK(json::parse(run("battles.csv --json -", text).out).at("leaderboards").at(0).at("items").at(0).at("name") ==
        "a \"x\", \uFFFD[1m");
  CHECK(!has(run("battles.csv", text).out, "\x1b"));
}

TEST_CASE("No line of a table is wider than asked for, in columns of a terminal") {
  const answer a = run("--width 80");
  std::size_t begin = 0;
  for (std::size_t end; (end = a.out.find('\n', begin)) != std::string::npos; begin = end + 1)
    if (a.out.compare(begin, 2, "  ") == 0 && has(a.out.substr(begin, end - begin), "  +0"))
      CHECK(display_width(a.out.substr(begin, end - begin)) <= 80);
}

TEST_CASE("Text is cut and padded by columns, not by bytes") {
  CHECK(in_columns("Ångström", 10) == "Ångström  ");
  CHECK(in_columns("Ångström", 5) == "Ångs…");
  CHECK(in_columns("日本語", 5) == "日本…");
  CHECK(in_columns("日本語", 4) == "日… ");
  CHECK(display_width("e\u0301") == 1);
}
