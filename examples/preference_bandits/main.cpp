// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// preference_bandits: how many rounds the dynamics of preference games take to a duality gap of 1e-3, 1e-6, 1e-9, and pictures.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "games.hpp"
#include "methods.hpp"
#include "pictures.hpp"

namespace {

/// "33/84/130", with – for what was not reached; nothing at all is one –.
template <class F>
std::string three(const run_result& r, F f) {
  if (!r.at[0]) return "–";
  std::string text;
  for (int k = 0; k < 3; ++k) text += (k ? "/" : "") + (r.at[k] ? f(*r.at[k]) : std::string("–"));
  return text;
}

std::string milliseconds(double seconds) {
  const double ms = 1e3 * seconds;
  return ms < 0.1 ? fmt::format("{:.2f}", ms) : ms < 10 ? fmt::format("{:.1f}", ms) : fmt::format("{:.0f}", ms);
}

/// Columns on a terminal, for text of ASCII and a few two- and three-byte letters.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& text, std::size_t width, bool right) {
  const std::string space(width - std::min(width, width_of(text)), ' ');
  return right ? space + text : text + space;
}

void print(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], width_of(row[k]));
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t k = 0; k < row.size(); ++k) line += (k ? "  " : "") + padded(row[k], widths[k], k > 1);
    fmt::print("{}\n", line);
  }
}

void print_table(const std::string& title, const std::vector<method>& methods, const std::vector<contest>& games,
                 std::int64_t limit) {
  std::vector<std::vector<std::string>> counts{{"method", "policy"}}, times{{"method", "policy"}};
  for (const contest& c : games) counts[0].push_back(c.game.name), times[0].push_back(c.game.name);
  times[0].push_back("µs/round");
  for (const method& m : methods) {
    const std::string which = m.judged == zermelo::game::judged::last ? "last" : "average";
    counts.push_back({m.name, which}), times.push_back({m.name, which});
    double cheapest = 1e9, dearest = 0;
    for (const contest& c : games) {
      const run_result r = measure(m, c, limit);
      counts.back().push_back(three(r, [](const reached& at) { return std::to_string(at.round); }));
      times.back().push_back(three(r, [](const reached& at) { return milliseconds(at.seconds); }));
      const double each = 1e6 * r.seconds / static_cast<double>(std::max<std::int64_t>(1, r.rounds));
      if (r.rounds < 20) continue;
      cheapest = std::min(cheapest, each), dearest = std::max(dearest, each);
    }
    times.back().push_back(fmt::format("{:.2f}–{:.2f}", cheapest, dearest));
  }
  fmt::print("\n{}: rounds to a gap of 1e-3 / 1e-6 / 1e-9\n", title);
  print(counts);
  fmt::print("\n{}: milliseconds to the same\n", title);
  print(times);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Plays toy preference games by every dynamics of the library.");
  std::string only, plot;
  std::int64_t limit = 100000;
  app.add_option("--game", only, "one game of the table only, such as rps_biased");
  app.add_option("--limit", limit, "rounds at most")->check(CLI::PositiveNumber);
  app.add_option("--plot", plot, "PREFIX of pictures: PREFIX_simplex and PREFIX_gaps, .svg and .png");
  CLI11_PARSE(app, argc, argv);
  try {
    auto games = contests(ZERMELO_PREFERENCE_BANDITS_DATA);
    const std::vector<contest> all = games;
    if (!only.empty()) {
      std::erase_if(games, [&](const contest& c) { return c.game.name != only; });
      if (games.empty()) throw std::runtime_error("there is no game '" + only + "' in the table");
    }
    const auto begin = std::chrono::steady_clock::now();
    print_table("Without regularisation", plain_methods(), games, limit);
    for (const double tau : {0.1, 0.01})
      print_table(fmt::format("Regularised, τ = {}", tau), regularized_methods(tau), games, limit);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    fmt::print(
        "\n– not within {} rounds. Gaps are looked at where a round is a hundredth later than the last look. All of it "
        "took "
        "{:.1f} s on one core.\n",
        limit, taken.count());
    if (!plot.empty()) {
      fmt::print("{}\n", draw_paths(plot + "_simplex"));
      fmt::print("{}\n", draw_gaps(all[4], plot + "_gaps"));
    }
  } catch (const std::exception& e) {
    fmt::print(stderr, "preference_bandits: {}\n", e.what());
    return 1;
  }
}
