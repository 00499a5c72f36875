// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

/// A round of a dueling bandit, decision and observation, against the number of arms. `naive` decides by the definition:
/// bounds, candidates and evidence from the counts anew. Rows of mechanisms, debates and games in sequence form follow.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 intrinsics, inlined into Eigen
#endif
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "zermelo/bandit/apohf.hpp"
#include "zermelo/bandit/beat_the_mean.hpp"
#include "zermelo/bandit/contextual_dueling.hpp"
#include "zermelo/bandit/double_thompson.hpp"
#include "zermelo/bandit/interleaved_filter.hpp"
#include "zermelo/bandit/rmed.hpp"
#include "zermelo/bandit/rucb.hpp"
#include "zermelo/bandit/simulate_duels.hpp"
#include "zermelo/core/distributions.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/game/debate.hpp"
#include "zermelo/game/hiring.hpp"
#include "zermelo/game/sequence_form.hpp"

namespace {

using namespace zermelo::bandit;
namespace zm = zermelo;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Bradley–Terry preferences of n arms.
preference_world world(std::int64_t n) {
  preference_world w{.items = n, .preferences = std::vector<double>(at(n * n))};
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j)
      w.preferences[at(i * n + j)] = 1 / (1 + std::exp(zm::normal(1, 0, static_cast<std::uint64_t>(j)) -
                                                       zm::normal(1, 0, static_cast<std::uint64_t>(i))));
  return w;
}

/// Duels before the clock starts: `meetings` of every pair. After twenty nearly every arm may still be the best, after two
/// thousand few.
duel_tally prior_duels(const preference_world& w, double meetings) {
  duel_tally tally = empty_tally(w.items);
  for (std::int64_t i = 0; i < w.items; ++i)
    for (std::int64_t j = 0; j < w.items; ++j)
      if (i != j) tally.wins[at(i * w.items + j)] = std::round(meetings * w.probability(i, j));
  return tally;
}

template <class Algorithm>
void rounds(benchmark::State& state, Algorithm a, const preference_world& w) {
  draw_stream draws(1, 0), outcomes(1, 1);
  for (auto _ : state) {
    const duel d = a.next_pair(draws);
    a.observe(d.first, d.second, outcomes.uniform() < w.probability(d.first, d.second));
  }
  state.SetItemsProcessed(state.iterations());
}

template <class Algorithm>
Algorithm warmed(Algorithm a, const preference_world& w, double meetings = 20) {
  a.tally = prior_duels(w, meetings);
  a.round = static_cast<std::int64_t>(a.tally.total()) + 1;
  a.rebuild();
  return a;
}

/// RUCB by its definition.
struct naive_rucb {
  confidence_bounds parameters = {};
  duel_tally tally;
  std::int64_t round = 1, best = rucb::nobody;
  std::vector<std::int64_t> ties = {};
  void rebuild() {}
  duel next_pair(draw_stream& draws) {
    const std::int64_t n = tally.items;
    std::vector<double> upper(at(n * n));
    bounds(parameters, tally, round, upper, zm::discard);
    std::vector<std::int64_t> candidates;
    for (std::int64_t i = 0; i < n; ++i) {
      bool all = true;
      for (std::int64_t j = 0; j < n; ++j) all = all && upper[at(i * n + j)] >= 0.5;
      if (all) candidates.push_back(i);
    }
    const auto [first, winner] = rucb_first_arm(candidates, best, n, draws);
    best = winner;
    return {first, rucb_second_arm(parameters, tally, round, first, draws, ties)};
  }
  void observe(std::int64_t i, std::int64_t j, bool won) {
    tally.record(i, j, won);
    ++round;
  }
};

/// Double Thompson sampling by its definition: a whole tournament is drawn.
struct naive_double_thompson {
  duel_tally tally;
  std::int64_t round = 1;
  void rebuild() {}
  duel next_pair(draw_stream& draws) {
    const std::int64_t n = tally.items;
    const auto candidates = may_beat_most({}, tally, round);
    std::vector<double> theta(at(n * n)), second(at(n), 0.5);
    zm::bandit::detail::draw_tournament(tally, theta, draws);
    std::vector<std::int64_t> counts(at(n)), ties;
    sampled_copeland(theta, counts);
    most_sampled(candidates, counts, ties);
    const std::int64_t first = ties[at(draw_index(draws, static_cast<std::int64_t>(ties.size())))];
    for (std::int64_t i = 0; i < n; ++i)
      if (i != first) second[at(i)] = draw_beta(draws, tally.won(i, first) + 1, tally.won(first, i) + 1);
    return {first, double_thompson_second_arm({}, tally, round, first, second)};
  }
  void observe(std::int64_t i, std::int64_t j, bool won) {
    tally.record(i, j, won);
    ++round;
  }
};

/// RMED1 with the evidence of all arms anew each round.
struct naive_rmed {
  duel_tally tally;
  std::int64_t round = 1, turn = 0;
  void rebuild() {}
  duel next_pair(draw_stream&) {
    const auto evidence = empirical_divergence(tally);
    const std::int64_t winner = zm::bandit::detail::index_of_least(evidence, tally.items);
    const auto plausible = plausible_arms(evidence, round, rmed_parameters{}.f(tally.items));
    const std::int64_t l = plausible[at(turn++ % static_cast<std::int64_t>(plausible.size()))];
    return {l, rmed1_opponent(tally, winner, l)};
  }
  void observe(std::int64_t i, std::int64_t j, bool won) {
    tally.record(i, j, won);
    ++round;
  }
};

void round_of_rucb(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, warmed(rucb(w.items), w, static_cast<double>(state.range(1))), w);
}
void round_of_rucb_naive(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, warmed(naive_rucb{.tally = empty_tally(w.items)}, w, static_cast<double>(state.range(1))), w);
}
void round_of_double_thompson(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, warmed(double_thompson(w.items), w, static_cast<double>(state.range(1))), w);
}
void round_of_double_thompson_naive(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, warmed(naive_double_thompson{.tally = empty_tally(w.items)}, w, static_cast<double>(state.range(1))),
         w);
}
void round_of_double_thompson_plus(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, warmed(double_thompson(w.items, {.break_by_regret = true}), w, static_cast<double>(state.range(1))), w);
}
void round_of_rmed1(benchmark::State& state) {
  const auto w = world(state.range(0));
  auto a = warmed(rmed(w.items), w, static_cast<double>(state.range(1)));
  a.met = w.items * w.items;
  rounds(state, std::move(a), w);
}
void round_of_rmed2(benchmark::State& state) {
  const auto w = world(state.range(0));
  auto a = warmed(rmed(w.items, {.variant = rmed_variant::two}), w, static_cast<double>(state.range(1)));
  a.met = 1'000'000'000;
  rounds(state, std::move(a), w);
}
void round_of_rmed1_naive(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, warmed(naive_rmed{.tally = empty_tally(w.items)}, w, static_cast<double>(state.range(1))), w);
}
void round_of_interleaved_filter(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, interleaved_filter(w.items, 1'000'000'000), w);
}
void round_of_beat_the_mean(benchmark::State& state) {
  const auto w = world(state.range(0));
  rounds(state, beat_the_mean(w.items, {.horizon = 1'000'000'000}), w);
}
#define ARMS ->Arg(5)->Arg(20)->Arg(100)->Arg(400)->Unit(benchmark::kMicrosecond)
#define ARMS_AND_MEETINGS \
  ->ArgNames({"arms", "meetings"})->ArgsProduct({{5, 20, 100, 400}, {20, 2000}})->Unit(benchmark::kMicrosecond)
BENCHMARK(round_of_rucb) ARMS_AND_MEETINGS;
BENCHMARK(round_of_rucb_naive) ARMS_AND_MEETINGS;
BENCHMARK(round_of_double_thompson) ARMS_AND_MEETINGS;
BENCHMARK(round_of_double_thompson_naive) ARMS_AND_MEETINGS;
BENCHMARK(round_of_double_thompson_plus) ARMS_AND_MEETINGS;
BENCHMARK(round_of_rmed1) ARMS_AND_MEETINGS;
BENCHMARK(round_of_rmed1_naive) ARMS_AND_MEETINGS;
BENCHMARK(round_of_rmed2) ARMS_AND_MEETINGS;
BENCHMARK(round_of_interleaved_filter) ARMS;
BENCHMARK(round_of_beat_the_mean) ARMS;

/// Arms of d normal features.
arm_features features(std::int64_t n, std::int64_t d) {
  std::vector<double> x;
  for (std::int64_t k = 0; k < n * d; ++k)
    x.push_back(zm::normal(3, 0, static_cast<std::uint64_t>(k)) / std::sqrt(static_cast<double>(d)));
  return features_of(zm::matrix_view(x.data(), n, d));
}

/// The first thousand rounds, on average; K arms in ten dimensions.
template <class Make>
void thousand_rounds(benchmark::State& state, std::int64_t arms, Make make) {
  const auto w = world(arms);
  for (auto _ : state) {
    auto a = make();
    draw_stream draws(1, 0), outcomes(1, 1);
    for (int t = 0; t < 1000; ++t) {
      const duel d = a.next_pair(draws);
      a.observe(d.first, d.second, outcomes.uniform() < w.probability(d.first, d.second));
    }
  }
  state.counters["a_round"] =
      benchmark::Counter(1000, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

template <contextual_rule Rule>
void thousand_contextual_rounds(benchmark::State& state) {
  const auto x = features(state.range(0), 10);
  thousand_rounds(state, x.arms, [&] { return contextual_dueling(x, {.rule = Rule, .horizon = 1000}); });
}
/// The same with norms from a fresh factorisation every round.
void thousand_contextual_rounds_refactored(benchmark::State& state) {
  const auto x = features(state.range(0), 10);
  thousand_rounds(state, x.arms, [&] {
    return contextual_dueling(x, {.rule = contextual_rule::max_first_ucb_next, .horizon = 1000, .refresh = 1});
  });
}
/// With a ridge by which nearly all arms stay candidates: what a decision between them costs.
template <contextual_rule Rule>
void thousand_contextual_rounds_of_many(benchmark::State& state) {
  const auto x = features(state.range(0), 10);
  thousand_rounds(state, x.arms, [&] { return contextual_dueling(x, {.rule = Rule, .ridge = 10, .horizon = 1000}); });
}
BENCHMARK(thousand_contextual_rounds<contextual_rule::max_first_ucb_next>)
    ->Arg(20)
    ->Arg(100)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_contextual_rounds_refactored)->Arg(20)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_contextual_rounds<contextual_rule::max_pair_ucb>)->Arg(20)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_contextual_rounds<contextual_rule::max_inp>)->Arg(20)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_contextual_rounds<contextual_rule::colstim>)->Arg(20)->Arg(100)->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_contextual_rounds_of_many<contextual_rule::max_inp>)
    ->Arg(20)
    ->Arg(100)
    ->Unit(benchmark::kMillisecond);
BENCHMARK(thousand_contextual_rounds_of_many<contextual_rule::vacdb>)->Arg(20)->Arg(100)->Unit(benchmark::kMillisecond);

/// One decision after a hundred duels of 200 candidates in 32 dimensions: training by thirty steps, gradients, norms.
void decision_of_apohf(benchmark::State& state) {
  const bool neural = state.range(0) != 0;
  const auto x = features(200, 32);
  const auto w = world(200);
  apohf a(x, {.model = neural ? reward_model::neural : reward_model::linear});
  draw_stream draws(1);
  for (int t = 0; t < 100; ++t) {
    const std::int64_t i = draw_index(draws, 200), j = draw_index(draws, 200);
    a.observe(i, j, draws.uniform() < w.probability(i, j));
  }
  for (auto _ : state) benchmark::DoNotOptimize(a.next_pair(draws));
}
BENCHMARK(decision_of_apohf)->ArgName("neural")->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

/// Simulations: 32 repetitions of 10⁴ rounds of RUCB with five arms.
void simulation(benchmark::State& state) {
  const auto w = world(5);
  const auto table = regrets_of(zm::matrix_view(w.preferences.data(), 5, 5));
  const zm::threads pool(static_cast<int>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(simulate_duels(pool, w, table, [](auto) { return rucb(5); }, {.repetitions = 32}));
  state.SetItemsProcessed(state.iterations() * 320'000);
}
BENCHMARK(simulation)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The debate of the paper's size, 44 features of which six are revealed: 8.3 million positions.
void debate_of_44_features(benchmark::State& state) {
  zm::game::additive_judge judge{.features = 44};
  for (std::uint64_t k = 0; k < 88; ++k) judge.scores.push_back(zm::normal(1, 7, k));
  const zm::threads pool(static_cast<int>(state.range(0)));
  for (auto _ : state)
    benchmark::DoNotOptimize(
        zm::game::solve_debate(pool, judge, 44, {.length = 6, .payoff = zm::game::debate_payoff::margin}).value);
}
BENCHMARK(debate_of_44_features)->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The mechanism for n agents of two efforts and two signals each.
void mechanism(benchmark::State& state) {
  const std::int64_t n = state.range(0);
  zm::game::hiring_problem p{.efforts = std::vector<std::int64_t>(at(n), 2),
                             .signals = std::vector<std::int64_t>(at(n), 2),
                             .prior = {.5, .5},
                             .utility = {1, 0, 0, 1},
                             .payment_limit = 0.3};
  for (std::int64_t i = 0; i < n; ++i) p.cost.push_back({0, 0.03});
  for (std::int64_t b = 0; b < p.profiles(); ++b)
    for (std::int64_t theta = 0; theta < 2; ++theta)
      for (std::int64_t s = 0; s < p.signal_profiles(); ++s) {
        double q = 1;
        for (std::int64_t i = 0; i < n; ++i) {
          const double right = p.effort_of(b, i) ? 0.7 : 0.5;
          q *= p.signal_of(s, i) == theta ? right : 1 - right;
        }
        p.law.push_back(q);
      }
  for (auto _ : state) benchmark::DoNotOptimize(zm::game::optimal_mechanism(p).value);
}
BENCHMARK(mechanism)->ArgName("agents")->Arg(1)->Arg(2)->Arg(3)->Unit(benchmark::kMillisecond);

}  // namespace
