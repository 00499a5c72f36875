// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "league.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <zermelo/core/random.hpp>
#include <zermelo/core/statistics.hpp>
#include <zermelo/io/battles.hpp>
#include <zermelo/preference/bradley_terry.hpp>

namespace {

using zm::preference::outcome;

std::string standard_input() {
  std::string text;
  char block[1 << 16];
  while (const std::size_t n = std::fread(block, 1, sizeof block, stdin)) text.append(block, n);
  return text;
}

constexpr const char* players[] = {"Ångström",  "Bélisaire", "Corvid",  "Dædalus",    "Eurydíkē", "Fenrir",
                                   "Galatea",   "Hálfdan",   "Ixion",   "Jötunn",     "Kestrel",  "Łabędź",
                                   "Mnemosyne", "Níðhöggr",  "Øresund", "Perséphone", "Quetzal",  "Rígr",
                                   "Σίσυφος",   "Tycho",     "Undine",  "Völundr",    "Wyvern",   "Żmija"};

/// A number of [0, bound): element k of a stream.
std::int64_t below(std::int64_t bound, std::uint64_t seed, std::uint64_t stream, std::int64_t k) {
  return static_cast<std::int64_t>(zm::uniform(seed, stream, static_cast<std::uint64_t>(k)) *
                                   static_cast<double>(bound));
}

/// Quantiles of a normal distribution, in random order.
std::vector<double> normal_strengths(std::int64_t n, double deviation, std::uint64_t seed) {
  std::vector<double> strength;
  for (std::int64_t i = 0; i < n; ++i)
    strength.push_back(deviation * zm::normal_quantile((static_cast<double>(i) + 0.5) / static_cast<double>(n)));
  for (std::int64_t i = n - 1; i > 0; --i)
    std::swap(strength[static_cast<std::size_t>(i)],
              strength[static_cast<std::size_t>(below(i + 1, seed, /*stream*/ 1, i))]);
  return strength;
}

}  // namespace

league read_league(zm::threads& pool, const std::string& path, zm::io::battle_options options) {
  if (path == "-") {
    options.name = "<standard input>";
    return {
        .title = "Standard input", .name = "battles", .battles = zm::io::read_battles(pool, standard_input(), options)};
  }
  return {.title = std::filesystem::path(path).filename().string(),
          .name = std::filesystem::path(path).stem().string(),
          .battles = zm::io::read_battles_file(pool, path, options)};
}

league american_league() {
  return {.title = "Baseball: American League, eastern division, 1987",
          .name = "baseball_1987",
          .battles = zm::io::read_battles_file(ZERMELO_LEADERBOARD_DATA "/baseball_1987.csv")};
}

/// One battle in two is a single game; the others are two games, and tied where each side wins one. So half a win is the
/// right score for a tie, and the Bradley–Terry model holds.
league invented_league(std::int64_t battles, std::uint64_t seed) {
  const auto n = static_cast<std::int64_t>(std::size(players));
  league made{.title = "Invented players, battles drawn from known strengths", .name = "invented"};
  made.truth = normal_strengths(n, 0.8, seed);

  zm::io::battle_table& table = made.battles;
  table.items.assign(std::begin(players), std::end(players));
  table.records = table.accepted = table.battles = battles;
  for (std::int64_t k = 0; k < battles; ++k) {
    const std::int64_t first = below(n, seed, /*stream*/ 2, 2 * k);
    const std::int64_t other = below(n - 1, seed, /*stream*/ 2, 2 * k + 1);
    table.first.push_back(static_cast<std::int32_t>(first));
    table.second.push_back(static_cast<std::int32_t>(other + (other >= first)));
  }
  const zm::preference::bradley_terry_fit nature{.strength = made.truth};
  std::vector<outcome> return_game(static_cast<std::size_t>(battles));
  table.outcome.resize(static_cast<std::size_t>(battles));
  nature.simulate(table.first, table.second, table.outcome, seed + 1);
  nature.simulate(table.first, table.second, return_game, seed + 2);
  for (std::size_t k = 0; k < return_game.size(); ++k)
    if (k % 2 == 1 && return_game[k] != table.outcome[k]) table.outcome[k] = outcome::tie;
  return made;
}

league among(const league& whole, std::span<const std::int64_t> items) {
  league part{.title = whole.title, .name = whole.name};
  const zm::io::battle_table& from = whole.battles;
  zm::io::battle_table& to = part.battles;
  std::vector<std::int32_t> renumbered(from.items.size(), -1);
  for (const std::int64_t i : items) {
    renumbered[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(to.items.size());
    to.items.push_back(from.items[static_cast<std::size_t>(i)]);
    if (!whole.truth.empty()) part.truth.push_back(whole.truth[static_cast<std::size_t>(i)]);
  }
  for (std::size_t k = 0; k < from.first.size(); ++k) {
    const std::int32_t first = renumbered[static_cast<std::size_t>(from.first[k])];
    const std::int32_t second = renumbered[static_cast<std::size_t>(from.second[k])];
    if (first < 0 || second < 0) continue;
    to.first.push_back(first);
    to.second.push_back(second);
    to.outcome.push_back(from.outcome[k]);
    if (!from.weight.empty()) to.weight.push_back(from.weight[k]);
  }
  to.counted = from.counted;
  to.records = to.accepted = to.battles = static_cast<std::int64_t>(to.first.size());
  return part;
}
