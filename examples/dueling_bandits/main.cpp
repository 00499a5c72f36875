// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// dueling_bandits: what it costs to learn who wins from duels, by all algorithms in four worlds.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>
#include <zermelo/core/error.hpp>

#include "contest.hpp"
#include "plot.hpp"
#include "prompts.hpp"

namespace {

void print(const contest& c) {
  const auto& rounds = c.entries[0].curves.rounds;
  const std::int64_t last = static_cast<std::int64_t>(rounds.size()) - 1;
  std::int64_t tenth = 0;
  while (rounds[static_cast<std::size_t>(tenth)] * 10 < rounds.back()) ++tenth;
  fmt::print("{}: cumulative {}, mean of {} repetitions\n", c.title, c.regret, c.entries[0].curves.repetitions);
  fmt::print("  {:<34} {:>10} {:>10} {:>8} {:>18}\n", "",
             fmt::format("T = {}", rounds[static_cast<std::size_t>(tenth)]), fmt::format("T = {}", rounds.back()),
             "s. d.", "10 % ... 90 %");
  for (const entry& e : c.entries) {
    double squares = 0;
    for (std::int64_t r = 0; r < e.curves.repetitions; ++r)
      squares += std::pow(e.curves.at(r, last) - e.curves.mean(last), 2);
    const double deviation =
        e.curves.repetitions > 1 ? std::sqrt(squares / static_cast<double>(e.curves.repetitions - 1)) : 0;
    fmt::print("  {:<34} {:>10.1f} {:>10.1f} {:>8.1f} {:>18}\n", e.algorithm, e.curves.mean(tenth), e.curves.mean(last),
               deviation, fmt::format("{:.1f} ... {:.1f}", e.curves.quantile(0.1, last), e.curves.quantile(0.9, last)));
  }
  fmt::print("\n");
}

void print(const std::vector<prompt_row>& rows) {
  fmt::print(
      "Prompt optimisation, 60 prompts: reward of the prompt reported, the mean prompt is 0, the best 1\n  {:<34}", "");
  for (const auto duels : prompt_checks) fmt::print(" {:>10}", fmt::format("{} duels", duels));
  for (const prompt_row& row : rows) {
    fmt::print("\n  {:<34}", row.method);
    for (const double share : row.share) fmt::print(" {:>10.2f}", share);
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Plays dueling bandits in four worlds and shows what they lose until they know who wins.",
               "dueling_bandits");
  contest_settings settings;
  std::string plot;
  int threads = 0;
  app.add_option("--horizon", settings.horizon, "duels of a repetition")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--repetitions", settings.repetitions, "of every algorithm in every world")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--seed", settings.seed, "of everything random")->capture_default_str();
  app.add_option("--plot", plot, "draw BASENAME.svg and .png, and BASENAME_linear.svg and .png, with gnuplot")
      ->type_name("BASENAME");
  app.add_option("--threads", threads, "0: as many as the machine has")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  CLI11_PARSE(app, argc, argv);
  try {
    const zm::threads pool(threads);
    const auto contests = hold_contests(pool, settings);
    for (const contest& c : contests) print(c);
    print(optimise_prompts(pool, settings));
    std::fflush(stdout);
    if (!plot.empty()) fmt::print(stderr, "{}\n", draw_contests(contests, plot));
  } catch (const std::exception& e) {
    fmt::print(stderr, "dueling_bandits: {}\n", e.what());
    return 1;
  }
  return 0;
}
