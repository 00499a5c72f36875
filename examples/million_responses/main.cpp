// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// million_responses: the policy over a million responses that no other beats, by general preferences.
//
// A response has a quality, which everybody likes, and a style, about which preferences run in circles: eight numbers in
// all. The game of a million players has 10¹² entries, of which none is ever computed: a product with all of them is a
// mean of embeddings. Leaving the uniform reference costs τ KL(π‖μ); the duality gap proves how far the policy is from
// the equilibrium.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <utility>
#include <vector>
#include <zermelo/core/distributions.hpp>
#include <zermelo/core/execution/threads.hpp>
#include <zermelo/game/dynamics.hpp>
#include <zermelo/game/gaps.hpp>
#include <zermelo/game/general_preference_operator.hpp>
#include <zermelo/game/solve.hpp>

#include "gnuplot.hpp"

namespace {

namespace zm = zermelo;
namespace zg = zermelo::game;

constexpr std::int64_t blocks = 4;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Block 0 is (quality, 1), whose scores are differences of qualities; the others are points in planes of taste.
struct response_set {
  std::int64_t items;
  std::vector<float> embedding;

  response_set(const zm::threads& pool, std::int64_t n, std::uint64_t seed)
      : items(n), embedding(static_cast<std::size_t>(n * 2 * blocks)) {
    constexpr std::int64_t chunk = 4096;
    constexpr double taste = 0.8;
    zm::for_each_tile(pool, (n + chunk - 1) / chunk, [&](std::int64_t t) {
      for (std::int64_t y = t * chunk; y < std::min(n, (t + 1) * chunk); ++y) {
        float* const v = embedding.data() + y * 2 * blocks;
        const auto draw = [&](std::uint64_t stream) {
          return static_cast<float>(zm::normal(seed, stream, static_cast<std::uint64_t>(y)));
        };
        v[0] = draw(0);
        v[1] = 1;
        for (std::int64_t d = 2; d < 2 * blocks; ++d)
          v[d] = static_cast<float>(taste) * draw(static_cast<std::uint64_t>(d));
      }
    });
  }
  auto matrix() const { return zm::matrix_view(embedding.data(), items, 2 * blocks); }
  double quality(std::int64_t y) const {
    return static_cast<double>(embedding[static_cast<std::size_t>(y * 2 * blocks)]);
  }
};

/// What is to be said of a policy.
struct row {
  double kl_weight = 0, seconds = 0;
  zg::solution<float> found = {};
  std::vector<std::pair<std::int64_t, double>> gaps = {};  ///< by rounds
  double in_play = 0;                                      ///< e^entropy: as many responses as if all were alike
  double quality = 0, exploitability = 0;
};

double entropy(const std::vector<float>& p) {
  double sum = 0;
  for (const float x : p)
    if (x > 0) sum -= static_cast<double>(x) * std::log(static_cast<double>(x));
  return sum;
}

template <class Game>
row solve(const zm::threads& pool, const Game& game, const response_set& responses, double kl_weight, double target) {
  row r{.kl_weight = kl_weight};
  const auto start = std::chrono::steady_clock::now();
  r.found = zg::solve(pool, game, zg::egpo{.step = std::min(0.5, 0.5 / kl_weight), .kl_weight = kl_weight},
                      zg::uniform_policy, zg::uniform_policy, {.limit = 400, .target = target},
                      [&](const auto& seen) { r.gaps.emplace_back(seen.round, seen.gap); });
  r.seconds = seconds_since(start);
  r.in_play = std::exp(entropy(r.found.policy));
  for (std::int64_t y = 0; y < responses.items; ++y)
    r.quality += static_cast<double>(r.found.policy[static_cast<std::size_t>(y)]) * responses.quality(y);
  r.exploitability = zg::exploitability(pool, game, r.found.policy).exploitability;
  return r;
}

void print_row(const row& r) {
  fmt::print("{:>7}{:>8}{:>9.2f}{:>12.1e}{:>15.0f}{:>10.2f}{:>16.3f}   {}\n", r.kl_weight,
             r.found.convergence.iterations, r.seconds, r.found.gap, r.in_play, r.quality, r.exploitability,
             name(r.found.convergence.status));
  std::fflush(stdout);
}

/// Shares of a policy by quality, in bins of a width.
std::vector<double> by_quality(const response_set& responses, const std::vector<float>& policy, double low,
                               double width, std::size_t bins) {
  std::vector<double> share(bins, 0.0);
  for (std::int64_t y = 0; y < responses.items; ++y) {
    const double at = (responses.quality(y) - low) / width;
    if (at < 0 || at >= static_cast<double>(bins)) continue;
    share[static_cast<std::size_t>(at)] += policy.empty() ? 1 / static_cast<double>(responses.items)
                                                          : static_cast<double>(policy[static_cast<std::size_t>(y)]);
  }
  for (double& x : share) x /= width;
  return share;
}

std::string draw(const response_set& responses, const std::vector<row>& rows, const std::string& basename) {
  constexpr double low = -4, width = 0.4;
  constexpr std::size_t bins = 23;
  const char* colours[] = {gnuplot::sky, gnuplot::blue, gnuplot::green, gnuplot::vermilion, gnuplot::purple};
  gnuplot::script to;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    to.line("$gap{} << END", k);
    for (const auto& [round, gap] : rows[k].gaps)
      if (gap > 0) to.line("{} {}", round, gap);
    to.line("END\n$share{} << END", k);
    const auto share = by_quality(responses, rows[k].found.policy, low, width, bins);
    for (std::size_t b = 0; b < bins; ++b) to.line("{} {}", low + width * (static_cast<double>(b) + 0.5), share[b]);
    to.line("END");
  }
  to.line("$reference << END");
  const auto reference = by_quality(responses, {}, low, width, bins);
  for (std::size_t b = 0; b < bins; ++b) to.line("{} {}", low + width * (static_cast<double>(b) + 0.5), reference[b]);
  to.line("END");
  to.line("set multiplot");
  to.line("set border 3 lc rgb '{}'\nset tics nomirror out scale 0.5 tc rgb '{}'", gnuplot::faint, gnuplot::ink);
  to.line("set grid lt 1 lw 0.6 lc rgb '{}'", gnuplot::grid);
  to.line("set tmargin at screen 0.86\nset bmargin at screen 0.17");

  to.line("set lmargin at screen 0.085\nset rmargin at screen 0.475");
  to.line("set label 1 '{{/:Bold a}}  duality gap' at screen 0.03, screen 0.94 tc rgb '{}'", gnuplot::ink);
  to.line(
      "set logscale y\nset format y '10^{{%T}}'\nset key top right Left reverse samplen 1.6 spacing 1.15 tc rgb '{}'",
      gnuplot::ink);
  to.line(
      "set xlabel 'rounds, two products each' tc rgb '{0}'\nset ylabel 'duality gap of the regularised game' tc rgb "
      "'{0}'",
      gnuplot::ink);
  std::string plot = "plot ";
  for (std::size_t k = 0; k < rows.size(); ++k)
    plot += fmt::format("{}$gap{} using 1:2 with linespoints pt 7 ps 0.3 lw 1.8 lc rgb '{}' title 'τ = {}'",
                        k ? ", " : "", k, colours[k % 5], rows[k].kl_weight);
  to.line("{}", plot);

  to.line("unset logscale y\nset format y '%g'\nset lmargin at screen 0.58\nset rmargin at screen 0.975");
  to.line("set label 1 '{{/:Bold b}}  what the policies play' at screen 0.525, screen 0.94 tc rgb '{}'", gnuplot::ink);
  to.line(
      "set xlabel 'quality of the response' tc rgb '{0}'\nset ylabel 'share of the policy, a unit of quality' tc rgb "
      "'{0}'",
      gnuplot::ink);
  to.line("set xrange [-4:5.2]\nset yrange [0:*]\nset key top left Left reverse");
  plot = fmt::format("plot $reference using 1:2 with lines lw 1.8 dt 2 lc rgb '{}' title 'reference'", gnuplot::faint);
  for (std::size_t k = 0; k < rows.size(); ++k)
    plot += fmt::format(", $share{} using 1:2 with lines lw 1.8 lc rgb '{}' title 'τ = {}'", k, colours[k % 5],
                        rows[k].kl_weight);
  to.line("{}\nunset multiplot", plot);
  return gnuplot::draw(to.text(), basename, 900, 370, 11);
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("The policy over a million responses that no other beats, by general preferences.", "million_responses");
  std::int64_t items = 1'000'000;
  std::uint64_t seed = 1;
  int threads = 0;
  double target = 1e-5;
  std::vector<double> kl_weights{2, 1, 0.5, 0.25};
  std::string plot;
  app.add_option("--items", items, "responses")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--kl-weight", kl_weights, "what leaving the reference costs, τ")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  app.add_option("--target", target, "duality gap to stop at")->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--threads", threads, "0: as many as the machine has")->capture_default_str();
  app.add_option("--seed", seed, "of everything random")->capture_default_str();
  app.add_option("--plot", plot, "draw BASENAME.svg and BASENAME.png with gnuplot")->type_name("BASENAME");
  CLI11_PARSE(app, argc, argv);

  const zm::threads pool(threads);
  const auto start = std::chrono::steady_clock::now();
  const response_set responses(pool, items, seed);
  const auto game = zg::general_preference_score_game(responses.matrix());
  fmt::print("{} responses of {} numbers, made in {:.2f} s; the matrix of their scores would take {:.0f} GB.\n", items,
             2 * blocks, seconds_since(start), 4e-9 * static_cast<double>(items) * static_cast<double>(items));

  // What a reward model would choose, and what the best answer to it scores.
  std::int64_t best = 0;
  for (std::int64_t y = 1; y < items; ++y)
    if (responses.quality(y) > responses.quality(best)) best = y;
  std::vector<float> only(static_cast<std::size_t>(items), 0.0F);
  only[static_cast<std::size_t>(best)] = 1;
  const auto against_best = zg::exploitability(pool, game, only);
  fmt::print("Response {} has the highest quality, {:.2f}; response {} beats it by a score of {:.2f}.\n\n", best,
             responses.quality(best), against_best.best_response, against_best.exploitability);

  fmt::print("{:>7}{:>8}{:>9}{:>12}{:>15}{:>10}{:>16}\n", "", "", "", "duality", "responses", "mean", "best answer");
  fmt::print("{:>7}{:>8}{:>9}{:>12}{:>15}{:>10}{:>16}\n", "τ", "rounds", "seconds", "gap", "in play", "quality",
             "scores");
  std::vector<row> rows;
  for (const double tau : kl_weights) {
    rows.push_back(solve(pool, game, responses, tau, target));
    print_row(rows.back());
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  fmt::print("\n{:.1f} s in all on {} threads, {:.0f} MB of memory at most.\n", seconds_since(start), pool.size(),
             static_cast<double>(used.ru_maxrss) / 1024);
  if (!plot.empty()) fmt::print("{}\n", draw(responses, rows, plot));
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "million_responses: %s\n", e.what());
  return 1;
}
