// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/random.hpp"
#include "../core/statistics.hpp"
#include "../core/tensor.hpp"
#include "duels.hpp"
#include "regret.hpp"

/// Worlds in which arms duel, and simulations of algorithms in them.
namespace zermelo::inline v1::bandit {

/// Duels decided by a preference matrix: i beats j with probability P[i, j], anew and independently each time.
struct preference_world {
  std::int64_t items = 0;
  std::vector<double> preferences = {};  ///< [n, n]

  ZERMELO_INLINE double probability(std::int64_t i, std::int64_t j) const {
    return preferences[detail::at(i * items + j)];
  }
  /// Whether i wins the duel number t of a stream: a pure function of (seed, stream, t), the same on every backend.
  ZERMELO_INLINE bool wins(std::int64_t i, std::int64_t j, std::uint64_t seed, std::uint64_t stream,
                           std::uint64_t t) const {
    return uniform(seed, stream, t) < probability(i, j);
  }
};

struct simulation_parameters {
  std::int64_t horizon = 10'000;   ///< duels of a repetition, ≥ 1
  std::int64_t repetitions = 10;   ///< ≥ 1
  std::uint64_t seed = 1;          ///< repetition r draws decisions from stream 2r and outcomes from stream 2r + 1
  std::int64_t checkpoints = 100;  ///< at most so many rounds at which regret is read, the last round among them, ≥ 1
  bool logarithmic = false;        ///< whether these lie evenly in log t, not in t
  regret_kind regret = regret_kind::strong_condorcet;

  ZERMELO_INLINE void require_valid() const {
    const std::pair<const char*, std::int64_t> counts[] = {
        {"horizon", horizon}, {"repetitions", repetitions}, {"checkpoints", checkpoints}};
    for (const auto& [name, count] : counts)
      if (count < 1) throw domain_error(name, domain_error::whole, "at least one, not " + std::to_string(count));
  }
};

/// Cumulative regret: how it grew in every repetition.
struct regret_curves {
  std::vector<std::int64_t> rounds = {};  ///< [c] ascending, from 1 on; the last is the horizon
  std::int64_t repetitions = 0;
  std::vector<double> cumulative = {};  ///< [repetitions, c]

  /// c
  ZERMELO_INLINE std::int64_t count() const { return static_cast<std::int64_t>(rounds.size()); }
  ZERMELO_INLINE double at(std::int64_t repetition, std::int64_t k) const {
    return cumulative[detail::at(repetition) * rounds.size() + detail::at(k)];
  }
  /// Mean over repetitions at checkpoint k.
  ZERMELO_INLINE double mean(std::int64_t k) const {
    double sum = 0;
    for (std::int64_t r = 0; r < repetitions; ++r) sum += at(r, k);
    return sum / static_cast<double>(repetitions);
  }
  /// The q-quantile over repetitions at checkpoint k. Errors: domain_error for q outside [0, 1].
  ZERMELO_INLINE double quantile(double q, std::int64_t k) const {
    std::vector<double> sample;
    for (std::int64_t r = 0; r < repetitions; ++r) sample.push_back(at(r, k));
    return zermelo::quantile(sample, q);
  }
};

/// Called by nobody.
struct no_duel_observer {
  ZERMELO_INLINE void operator()(std::int64_t, std::int64_t, duel, bool) const {}
};

namespace detail::inline ZERMELO_ISA {

inline std::vector<std::int64_t> checkpoints_of(const simulation_parameters& p) {
  std::vector<std::int64_t> rounds;
  const double count = static_cast<double>(p.checkpoints), last = static_cast<double>(p.horizon);
  for (std::int64_t k = 1; k <= p.checkpoints; ++k) {
    const double share = static_cast<double>(k) / count;
    const double t =
        p.logarithmic ? std::exp(std::log(last) * (p.checkpoints == 1 ? 1 : (static_cast<double>(k) - 1) / (count - 1)))
                      : last * share;
    const auto round = (std::max)(std::int64_t{1}, static_cast<std::int64_t>(std::llround(t)));
    if (rounds.empty() || round > rounds.back()) rounds.push_back(round);
  }
  rounds.back() = p.horizon;
  return rounds;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// A world from a preference matrix [n, n].
/// Errors: shape_error; domain_error for entries outside [0, 1], NaN, or |P + Pᵀ − 1| > 1e-9.
template <tensor M>
preference_world world_of(const M& preferences) {
  return {.items = view(preferences).shape[0],
          .preferences = detail::checked_preferences("preferences", preferences, 1e-9)};
}

/// Plays an algorithm for `horizon` rounds, `repetitions` times, and sums what its duels cost.
///
/// make(repetition) → a dueling_algorithm
/// table            the costs, regrets_of(P)
/// observe(repetition, round, duel, first_won) is called after every duel, by the thread that plays the repetition
///
/// Repetitions are tiles: the same seed gives the same bits for any number of threads.
/// Errors: domain_error for parameters, for a regret that does not exist, and if algorithm, world and table differ in
/// their number of arms.   Cost: allocates only before the first round.
template <host_policy P, class World, class Make, class Observe = no_duel_observer>
regret_curves simulate_duels(P&& policy, const World& world, const regret_table& table, Make&& make,
                             const simulation_parameters& parameters = {}, Observe&& observe = {}) {
  static_assert(dueling_algorithm<std::invoke_result_t<Make&, std::int64_t>>,
                "zermelo: make(repetition) returns an algorithm with next_pair, observe and items");
  parameters.require_valid();
  if (table.items() != world.items)
    throw shape_error("table", std::to_string(table.items()) + " arms, expected " + std::to_string(world.items));
  table.of(parameters.regret, 0, 0);
  regret_curves curves{.rounds = detail::checkpoints_of(parameters), .repetitions = parameters.repetitions};
  const std::size_t width = curves.rounds.size();
  curves.cumulative.assign(detail::at(parameters.repetitions) * width, 0.0);
  for_each_tile(policy, parameters.repetitions, [&](std::int64_t r) {
    auto algorithm = make(r);
    if (algorithm.items() != world.items)
      throw shape_error("make", "an algorithm for " + std::to_string(algorithm.items()) + " arms, expected " +
                                    std::to_string(world.items));
    draw_stream draws(parameters.seed, 2 * static_cast<std::uint64_t>(r));
    const std::uint64_t outcomes = 2 * static_cast<std::uint64_t>(r) + 1;
    double* const row = curves.cumulative.data() + detail::at(r) * width;
    double total = 0;
    std::size_t k = 0;
    for (std::int64_t t = 1; t <= parameters.horizon; ++t) {
      const duel d = algorithm.next_pair(draws);
      const bool won = world.wins(d.first, d.second, parameters.seed, outcomes, static_cast<std::uint64_t>(t));
      algorithm.observe(d.first, d.second, won);
      total += table.of(parameters.regret, d.first, d.second);
      observe(r, t, d, won);
      if (t == curves.rounds[k]) row[k++] = total;
    }
  });
  return curves;
}

template <class World, class Make, class Observe = no_duel_observer>
  requires(!execution<World>)
regret_curves simulate_duels(const World& world, const regret_table& table, Make&& make,
                             const simulation_parameters& parameters = {}, Observe&& observe = {}) {
  return simulate_duels(simd{}, world, table, make, parameters, observe);
}

}  // namespace ZERMELO_ISA

/// Uniformly random pairs: what every algorithm is to beat.
struct random_pairs {
  std::int64_t arms = 0;
  ZERMELO_INLINE explicit random_pairs(std::int64_t n) : arms(n) { detail::require_arms(n); }
  ZERMELO_INLINE std::int64_t items() const { return arms; }
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws) {
    const std::int64_t i = draw_index(draws, arms);
    return {i, draw_index(draws, arms)};
  }
  ZERMELO_INLINE void observe(std::int64_t, std::int64_t, bool) {}
};

}  // namespace zermelo::inline v1::bandit
