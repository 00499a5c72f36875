// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "ranking.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <span>
#include <variant>
#include <zermelo/core/statistics.hpp>
#include <zermelo/io/count.hpp>
#include <zermelo/preference/bootstrap.hpp>
#include <zermelo/preference/bradley_terry.hpp>
#include <zermelo/preference/comparison_graph.hpp>
#include <zermelo/preference/inference.hpp>

#include "league.hpp"
#include "text.hpp"

namespace {

namespace preference = zm::preference;

/// Intervals cost items³ operations and items² numbers.
constexpr std::int64_t most_items_with_intervals = 5000;

std::string describe(const preference::strength_prior& prior) {
  struct {
    std::string operator()(preference::no_prior) const { return "maximum likelihood"; }
    std::string operator()(preference::gaussian_prior p) const {
      return fmt::format("prior N(0, 1/{:g})", p.precision);
    }
    std::string operator()(preference::gamma_prior p) const {
      return fmt::format("prior Gamma({:g}, {:g}) on exp(strength)", p.shape, p.rate);
    }
    std::string operator()(preference::phantom_prior p) const {
      return fmt::format("{:g} wins and losses against a phantom", p.games);
    }
    std::string operator()(preference::pair_prior p) const {
      return fmt::format("{:g} tied games added to every pair that met", p.games);
    }
  } words;
  return std::visit(words, prior);
}

std::string describe(preference::fit_method method) {
  using enum preference::fit_method;
  switch (method) {
    case newton:
      return "damped Newton";
    case lbfgs:
      return "L-BFGS";
    case mm:
      return "Zermelo's iteration (MM)";
    case mm_cyclic:
      return "Zermelo's iteration (MM), cyclic";
    case newman:
      return "Newman's iteration, cyclic";
    case newman_parallel:
      return "Newman's iteration, parallel";
    case newman_simultaneous:
      return "Newman's iteration, simultaneous";
  }
  return {};
}

std::vector<standing> standings_of(const league& league, const preference::comparison_graph& graph,
                                   const preference::bradley_terry_fit& fitted) {
  std::vector<standing> all;
  for (std::int64_t i = 0; i < graph.items; ++i) {
    const auto item = static_cast<std::size_t>(i);
    const double theta = fitted.strength[item];
    standing s{.name = printable(league.battles.items[item]),
               .strength = theta,
               .standard_error = 0,
               .lower = theta,
               .upper = theta,
               .inner_lower = theta,
               .inner_upper = theta,
               .best_rank = 1,
               .worst_rank = graph.items,
               .wins = 0,
               .losses = 0,
               .ties = 0};
    for_each_opponent(graph, i, [&](std::int64_t j, std::int64_t) {
      const auto [wins, losses, ties] = graph.between(i, j);
      s.wins += wins, s.losses += losses, s.ties += ties;
    });
    if (!league.truth.empty()) s.truth = league.truth[item];
    all.push_back(s);
  }
  return all;
}

void add_wald(zm::threads& pool, const preference::bradley_terry& model, const preference::comparison_graph& graph,
              const preference::bradley_terry_fit& fitted, const ranking_settings& settings, leaderboard& board) {
  const auto kind = settings.sandwich ? preference::covariance_kind::sandwich : preference::covariance_kind::model;
  const auto sure = preference::infer(pool, model, graph, fitted, {.kind = kind, .level = settings.level});
  const double half = zm::normal_quantile(0.75);
  for (std::size_t i = 0; i < board.standings.size(); ++i) {
    standing& s = board.standings[i];
    s.standard_error = sure.standard_error[i];
    s.lower = sure.lower[i], s.upper = sure.upper[i];
    s.inner_lower = s.strength - half * s.standard_error, s.inner_upper = s.strength + half * s.standard_error;
    s.best_rank = sure.best_rank[i], s.worst_rank = sure.worst_rank[i];
  }
  board.intervals = settings.sandwich ? "Wald intervals from the sandwich covariance" : "Wald intervals";
}

double deviation(std::span<const double> sample) {
  const auto n = static_cast<double>(sample.size());
  const double mean = std::accumulate(sample.begin(), sample.end(), 0.0) / n;
  double squares = 0;
  for (const double x : sample) squares += (x - mean) * (x - mean);
  return n > 1 ? std::sqrt(squares / (n - 1)) : 0;
}

void add_bootstrap(zm::threads& pool, const preference::bradley_terry& model, const preference::comparison_graph& graph,
                   const preference::bradley_terry_fit& fitted, const ranking_settings& settings, leaderboard& board) {
  progress_bar bar("bootstrap", settings.replicates, settings.progress);
  const auto drawn = preference::bootstrap(
      pool, model, graph, fitted, {.replicates = settings.replicates, .seed = settings.seed, .level = settings.level},
      [&](std::int64_t done) { bar.show(done); });
  bar.clear();
  const auto kept = drawn.kept.size();
  if (drawn.degenerate > 0)
    board.notes.push_back(fmt::format("{} of {} bootstrap replicates had no finite estimate and were left out",
                                      drawn.degenerate, drawn.replicates));
  if (drawn.not_converged > 0)
    board.notes.push_back(fmt::format("{} bootstrap replicates stopped before they converged", drawn.not_converged));
  if (kept == 0) {
    board.notes.push_back("no bootstrap replicate had a finite estimate: there are no intervals");
    return;
  }
  const std::array<double, 2> quarters{0.25, 0.75};
  std::vector<double> sample(kept);
  for (std::size_t i = 0; i < board.standings.size(); ++i) {
    standing& s = board.standings[i];
    for (std::size_t r = 0; r < kept; ++r) sample[r] = drawn.strength[r * board.standings.size() + i];
    s.standard_error = deviation(sample);
    std::array<double, 2> inner{};
    zm::quantiles(sample, quarters, inner);
    s.inner_lower = inner[0], s.inner_upper = inner[1];
    s.lower = drawn.lower[i], s.upper = drawn.upper[i];
    s.best_rank = drawn.best_rank[i], s.worst_rank = drawn.worst_rank[i];
  }
  board.intervals = fmt::format("percentile intervals of {} bootstrap replicates", kept);
}

leaderboard rank_all(zm::threads& pool, const league& league, const ranking_settings& settings) {
  const preference::bradley_terry model{.prior = settings.prior};
  const auto graph = zm::io::count_battles(pool, league.battles);
  const auto fitted = preference::fit(pool, model, graph, {.method = settings.method});

  leaderboard board{.title = league.title,
                    .name = league.name,
                    .model = describe(settings.prior),
                    .method = describe(settings.method),
                    .level = settings.level,
                    .battles = graph.battles,
                    .rejected = static_cast<std::int64_t>(league.battles.rejected.size()),
                    .log_likelihood = fitted.log_likelihood,
                    .convergence = fitted.convergence,
                    .certificate = fitted.certificate,
                    .elo = settings.elo,
                    .standings = standings_of(league, graph, fitted)};
  if (graph.items > most_items_with_intervals)
    board.notes.push_back(
        fmt::format("no intervals: for more than {} items they take too long", most_items_with_intervals));
  else if (settings.replicates > 0)
    add_bootstrap(pool, model, graph, fitted, settings, board);
  else
    add_wald(pool, model, graph, fitted, settings, board);
  std::stable_sort(board.standings.begin(), board.standings.end(),
                   [](const standing& a, const standing& b) { return a.strength > b.strength; });
  return board;
}

std::vector<leaderboard> rank_parts(zm::threads& pool, const league& whole, const ranking_settings& settings,
                                    const char* part_is, const zm::item_sets& parts) {
  std::vector<leaderboard> boards;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    league part = among(whole, parts[k]);
    part.title += fmt::format(", {} {} of {}", part_is, k + 1, parts.size());
    part.name += fmt::format("_{}", k + 1);
    for (leaderboard& board : rank(pool, part, settings)) boards.push_back(std::move(board));
  }
  return boards;
}

}  // namespace

std::vector<leaderboard> rank(zm::threads& pool, const league& league, const ranking_settings& settings) {
  try {
    return {rank_all(pool, league, settings)};
  } catch (const zm::not_identifiable& e) {
    if (!settings.by_component) throw;
    return rank_parts(pool, league, settings, "island", e.components());
  } catch (const zm::no_maximum& e) {
    if (!settings.by_component) throw;
    return rank_parts(pool, league, settings, "component", e.components());
  }
}
