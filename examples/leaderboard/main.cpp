// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// leaderboard [FILE]: battles in, a ranked table with uncertainty out.
// Exit status: 0; 1 if something is wrong with the options, a file or the data; 2 if no estimate exists.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zermelo/core/error.hpp>
#include <zermelo/core/execution/threads.hpp>

#include "export.hpp"
#include "league.hpp"
#include "plot.hpp"
#include "ranking.hpp"
#include "table.hpp"
#include "text.hpp"

namespace {

struct options {
  std::string file, title, delimiter = ",", method = "newton", prior, json, csv, plot;
  std::int64_t top = 0;
  int threads = 0, width = 0;
  bool skip_bad_lines = false;
  zm::io::battle_options input;
  ranking_settings ranking;
};

zm::preference::fit_method parse_method(const std::string& text) {
  using enum zm::preference::fit_method;
  for (const auto& [name, method] : {std::pair("newton", newton), std::pair("lbfgs", lbfgs), std::pair("mm", mm),
                                     std::pair("newman", newman), std::pair("newman-parallel", newman_parallel)})
    if (text == name) return method;
  throw CLI::ValidationError("--method", "'" + text + "': expected newton, lbfgs, mm, newman or newman-parallel");
}

/// "gaussian:1", "gamma:2,1", "phantom:0.5", "pair:1".
zm::preference::strength_prior parse_prior(const std::string& text) {
  const auto colon = std::min(text.find(':'), text.size());
  const std::string kind = text.substr(0, colon);
  std::vector<double> numbers;
  const char* at = text.data() + std::min(colon + 1, text.size());
  const char* const end = text.data() + text.size();
  while (at != end) {
    double x = 0;
    const auto [stop, failure] = std::from_chars(at, end, x);
    if (failure != std::errc()) break;
    numbers.push_back(x);
    at = stop != end && *stop == ',' ? stop + 1 : stop;
    if (at == stop) break;
  }
  const bool all_read = at == end;
  if (all_read && kind == "gaussian" && numbers.size() == 1)
    return zm::preference::gaussian_prior{.precision = numbers[0]};
  if (all_read && kind == "gamma" && numbers.size() == 2)
    return zm::preference::gamma_prior{.shape = numbers[0], .rate = numbers[1]};
  if (all_read && kind == "phantom" && numbers.size() == 1) return zm::preference::phantom_prior{.games = numbers[0]};
  if (all_read && kind == "pair" && numbers.size() == 1) return zm::preference::pair_prior{.games = numbers[0]};
  throw CLI::ValidationError("--prior", "'" + text +
                                            "': expected gaussian:PRECISION, gamma:SHAPE,RATE, phantom:GAMES or "
                                            "pair:GAMES");
}

char parse_delimiter(const std::string& text) {
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() != 1) throw CLI::ValidationError("--delimiter", "'" + text + "': expected one character, or tab");
  return text[0];
}

void declare(CLI::App& app, options& o) {
  app.add_option("FILE", o.file, "CSV or JSON lines; - reads the standard input; without one, data of our own");

  auto* const input = app.add_option_group("Input");
  auto& columns = o.input.columns;
  input->add_option("--first", columns.first, "column of the first item")->type_name("COLUMN");
  input->add_option("--second", columns.second, "column of the second item")->type_name("COLUMN");
  input->add_option("--outcome", columns.outcome, "column that says who won")->type_name("COLUMN");
  input->add_option("--weight", columns.weight, "column of the battle's weight")->type_name("COLUMN");
  input->add_option("--first-wins", columns.first_wins, "column of the first item's wins")->type_name("COLUMN");
  input->add_option("--second-wins", columns.second_wins, "column of the second item's wins")->type_name("COLUMN");
  input->add_option("--ties", columns.ties, "column of the number of ties, beside those of wins")->type_name("COLUMN");
  input->add_option("--delimiter", o.delimiter, "between the columns of CSV: one character, or tab");
  input->add_flag("--skip-bad-lines", o.skip_bad_lines, "report lines that cannot be read and go on");

  auto* const model = app.add_option_group("Model");
  model->add_option("--method", o.method, "how to fit: newton, lbfgs, mm, newman or newman-parallel")
      ->capture_default_str();
  model->add_option("--prior", o.prior, "gaussian:PRECISION, gamma:SHAPE,RATE, phantom:GAMES or pair:GAMES");
  model->add_flag("--by-component", o.ranking.by_component, "where no estimate exists, rank every component by itself");
  model->add_option("--level", o.ranking.level, "of the intervals")->capture_default_str();
  model->add_flag("--sandwich", o.ranking.sandwich, "intervals that hold when the model does not");
  model->add_option("--bootstrap", o.ranking.replicates, "percentile intervals of so many replicates")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  model->add_option("--seed", o.ranking.seed, "of everything random")->capture_default_str();

  auto* const output = app.add_option_group("Output");
  output->add_option("--title", o.title, "instead of the file's name");
  output->add_option("--top", o.top, "show so many items only")->type_name("N")->check(CLI::NonNegativeNumber);
  output->add_option("--elo-centre", o.ranking.elo.centre, "rating of strength zero")->capture_default_str();
  output->add_option("--elo-scale", o.ranking.elo.scale, "rating points that make odds of ten to one")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  output->add_option("--json", o.json, "write JSON; - instead of the table")->type_name("FILE");
  output->add_option("--csv", o.csv, "write CSV; - instead of the table")->type_name("FILE");
  output->add_option("--plot", o.plot, "draw BASENAME.svg and BASENAME.png with gnuplot")->type_name("BASENAME");
  output->add_option("--width", o.width, "columns of the table; by default, the terminal's up to 110")->type_name("N");
  output->add_option("--threads", o.threads, "0: as many as the machine has")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

void interpret(options& o) {
  o.ranking.method = parse_method(o.method);
  if (!o.prior.empty()) o.ranking.prior = parse_prior(o.prior);
  o.input.delimiter = parse_delimiter(o.delimiter);
  if (o.skip_bad_lines) o.input.on_error = zm::io::error_policy::collect;
  if (o.json == "-" && o.csv == "-") throw CLI::ValidationError("--csv", "--json has the standard output already");
  o.ranking.progress = isatty(STDERR_FILENO) != 0;
  winsize window{};
  if (o.width == 0) {
    const bool terminal = ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0;
    o.width = terminal ? std::clamp<int>(window.ws_col, 70, 110) : 100;
  }
}

void report_rejected(const zm::io::battle_table& battles) {
  constexpr std::size_t shown = 5;
  const auto& rejected = battles.rejected;
  if (rejected.empty()) return;
  fmt::print(stderr, "{} of {} records were rejected:\n", rejected.size(), battles.records);
  for (std::size_t k = 0; k < std::min(shown, rejected.size()); ++k)
    fmt::print(stderr, "  {}:{}: {}\n", rejected[k].line, rejected[k].column, printable(rejected[k].reason));
  if (rejected.size() > shown) fmt::print(stderr, "  … and {} more\n", rejected.size() - shown);
}

/// Says with names why no maximum-likelihood estimate exists, and what can be done.
void explain(const league& league, const zm::item_sets& parts, std::string_view what, std::string_view order) {
  fmt::print(stderr, "leaderboard: {}: no maximum-likelihood estimate exists.\n{}\n", league.title, what);
  constexpr std::size_t shown_parts = 8, shown_items = 6;
  for (std::size_t k = 0; k < std::min(shown_parts, parts.size()); ++k) {
    std::string line;
    for (std::size_t i = 0; i < std::min(shown_items, parts[k].size()); ++i)
      line += (i ? ", " : "") + printable(league.battles.items[static_cast<std::size_t>(parts[k][i])]);
    if (parts[k].size() > shown_items) line += fmt::format(", … ({} items)", parts[k].size());
    fmt::print(stderr, "  {:3}. {}\n", k + 1, line);
  }
  if (parts.size() > shown_parts) fmt::print(stderr, "  … and {} more\n", parts.size() - shown_parts);
  fmt::print(stderr,
             "{}\n"
             "  --prior phantom:0.5   every item also wins and loses half a game against a phantom\n"
             "  --by-component        rank every component by itself\n",
             order);
}

std::string join(const league& league, const std::vector<std::int64_t>& items) {
  std::string text;
  for (const std::int64_t i : items)
    text += (text.empty() ? "" : ", ") + printable(league.battles.items[static_cast<std::size_t>(i)]);
  return text;
}

void explain(const league& league, const zm::no_maximum& e) {
  const auto& parts = e.components();
  const std::string best = join(league, parts.front()), worst = join(league, parts.back());
  const std::string fact = parts.front().size() <= 3  ? best + " never lost to any other item"
                           : parts.back().size() <= 3 ? worst + " never won against any other item"
                                                      : "the items of the first component never lost to any other";
  explain(league, parts,
          "The likelihood rises for ever as some items are moved away from the others: " + fact +
              ".\nThe strong components of \"i beat j\", winners first:",
          "No item ever lost to one of a component below its own. Ways on:");
}

void explain(const league& league, const zm::not_identifiable& e) {
  explain(league, e.components(),
          "The items fall into islands that never met:", "Strengths of different islands cannot be compared. Ways on:");
}

void publish(const options& o, const std::vector<leaderboard>& boards) {
  if (o.json != "-" && o.csv != "-")
    for (const leaderboard& board : boards) fmt::print("{}\n", table_text(board, o.top, o.width));
  std::fflush(stdout);
  if (!o.json.empty()) write_text(o.json, json_text(boards));
  if (!o.csv.empty()) write_text(o.csv, csv_text(boards));
  if (o.plot.empty()) return;
  for (const leaderboard& board : boards)
    if (board.standings.size() > 1)
      fmt::print(stderr, "{}\n", draw(board, o.top, boards.size() == 1 ? o.plot : o.plot + "_" + board.name));
}

/// What the program shows without a file. The invented battles have ties, which make the model's own intervals too wide.
std::vector<leaderboard> demonstrate(zm::threads& pool, ranking_settings settings) {
  std::vector<leaderboard> boards = rank(pool, american_league(), settings);
  settings.sandwich = true;
  for (leaderboard& board : rank(pool, invented_league(20'000, settings.seed), settings))
    boards.push_back(std::move(board));
  return boards;
}

int run(options& o) {
  interpret(o);
  zm::threads pool(o.threads);
  if (o.file.empty()) {
    publish(o, demonstrate(pool, o.ranking));
    return 0;
  }
  league league = read_league(pool, o.file, o.input);
  if (!o.title.empty()) league.title = o.title;
  report_rejected(league.battles);
  if (league.battles.items.empty()) throw zm::error(league.title + ": there are no battles");
  try {
    publish(o, rank(pool, league, o.ranking));
    return 0;
  } catch (const zm::not_identifiable& e) {
    explain(league, e);
  } catch (const zm::no_maximum& e) {
    explain(league, e);
  }
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Ranks the items of paired comparisons by their Bradley–Terry strengths.", "leaderboard");
  options o;
  declare(app, o);
  try {
    app.parse(argc, argv);
    return run(o);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    fmt::print(stderr, "leaderboard: {}\n", printable(e.what()));
    return 1;
  }
}
