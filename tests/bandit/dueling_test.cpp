// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/bandit/beat_the_mean.hpp>
#include <zermelo/bandit/confidence_bounds.hpp>
#include <zermelo/bandit/double_thompson.hpp>
#include <zermelo/bandit/interleaved_filter.hpp>
#include <zermelo/bandit/rmed.hpp>
#include <zermelo/bandit/rucb.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"
#include "worlds.hpp"

using namespace zermelo::bandit;
using worlds::square;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Draws that were laid down before.
struct given_draws {
  std::vector<double> numbers;
  std::size_t next = 0;
  double uniform() { return numbers.at(next++); }
};

template <class Algorithm>
void play(Algorithm& a, const square& p, std::int64_t rounds, draw_stream& decisions, draw_stream& outcomes) {
  for (std::int64_t t = 0; t < rounds; ++t) {
    const duel d = a.next_pair(decisions);
    a.observe(d.first, d.second, outcomes.uniform() < p(d.first, d.second));
  }
}

std::vector<std::int64_t> sorted(std::vector<std::int64_t> v) {
  std::sort(v.begin(), v.end());
  return v;
}

}  // namespace

TEST_CASE("Bounds that are kept pair by pair give the candidates of their definition after every duel") {
  for (const std::int64_t n : {1, 2, 3, 7}) {
    const square p = worlds::drawn(n, 4);
    rucb a(n);
    double_thompson b(n);
    draw_stream draws(11, static_cast<std::uint64_t>(n)), outcomes(12, static_cast<std::uint64_t>(n));
    for (std::int64_t t = 1; t <= 3000; ++t) {
      if (t < 100 || t % 37 == 0) {
        CHECK(a.candidates() == may_beat_all(a.parameters, a.tally, t));
        CHECK(b.candidates() == may_beat_most(a.parameters, b.tally, t));
      }
      play(a, p, 1, draws, outcomes);
      play(b, p, 1, draws, outcomes);
    }
  }
}

TEST_CASE("Evidence that is kept arm by arm is that of its definition") {
  const square p = worlds::five();
  rmed a(5);
  draw_stream draws(1), outcomes(2);
  play(a, p, 500, draws, outcomes);
  rmed fresh = a;
  fresh.rebuild();
  draw_stream same = draws;
  for (int k = 0; k < 200; ++k) {
    const duel d = a.next_pair(draws);
    CHECK(d == fresh.next_pair(same));
    const bool won = outcomes.uniform() < p(d.first, d.second);
    a.observe(d.first, d.second, won);
    fresh.observe(d.first, d.second, won);
    fresh.rebuild();
  }
}

TEST_CASE("Bounds hold all but rarely: both sides at level t to the minus two alpha") {
  // Hoeffding: P(|mean − p| > √(α ln t / N)) ≤ 2 t^(−2α) for fixed N. 200 worlds of 21 pairs at t = 1000 with α = 1:
  // at most 4200·2e-6 bounds are expected to fail.
  std::int64_t failed = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const square p = worlds::drawn(7, seed);
    const auto tally = worlds::played(p, 999, seed);
    std::vector<double> upper(49), lower(49);
    bounds(confidence_bounds{.alpha = 1}, tally, 1000, upper, lower);
    for (std::int64_t i = 0; i < 7; ++i)
      for (std::int64_t j = 0; j < 7; ++j) {
        failed += p(i, j) > upper[at(i * 7 + j)] || p(i, j) < lower[at(i * 7 + j)] ? 1 : 0;
        if (i != j && tally.duels(i, j) > 0)  // what i can reach is what j cannot prevent
          CHECK(upper[at(i * 7 + j)] + lower[at(j * 7 + i)] == Approx(1).margin(1e-12));
      }
  }
  CHECK(failed == 0);
}

TEST_CASE("Names of arms do not matter to what is decided") {
  const std::vector<std::int64_t> label{3, 0, 4, 1, 2};
  const square p = worlds::five();
  const auto tally = worlds::played(p, 300, 8);
  square wins{5, tally.wins};
  const auto other = tally_of(worlds::relabelled(wins, label).view());
  const auto renamed = [&](std::vector<std::int64_t> arms) {
    for (auto& i : arms) i = label[at(i)];
    return sorted(arms);
  };
  const confidence_bounds b;
  CHECK(may_beat_all(b, other, 301) == renamed(may_beat_all(b, tally, 301)));
  CHECK(may_beat_most(b, other, 301) == renamed(may_beat_most(b, tally, 301)));
  const auto evidence = empirical_divergence(tally), renamed_evidence = empirical_divergence(other);
  for (std::int64_t i = 0; i < 5; ++i)
    CHECK(renamed_evidence[at(label[at(i)])] == Approx(evidence[at(i)]).epsilon(1e-14));
  CHECK(plausible_arms(renamed_evidence, 301, 1) == renamed(plausible_arms(evidence, 301, 1)));
  for (std::int64_t l = 0; l < 5; ++l)  // all counts differ, so nothing ties
    CHECK(rmed1_opponent(other, label[2], label[at(l)]) == label[at(rmed1_opponent(tally, 2, l))]);
}

TEST_CASE("The Condorcet winner stays among the candidates and plausible arms") {
  const square p = worlds::five();
  rucb a(5);
  rmed b(5);
  draw_stream draws(21), outcomes(22);
  std::int64_t missing = 0;
  for (int t = 1; t <= 5000; ++t) {
    play(a, p, 1, draws, outcomes);
    play(b, p, 1, draws, outcomes);
    const auto& c = a.candidates();
    if (std::find(c.begin(), c.end(), 2) == c.end()) ++missing;
  }
  CHECK(missing < 50);  // 1 % of the rounds; on this seed a few of the first
  const auto plausible = plausible_arms(empirical_divergence(b.tally), b.round, b.parameters.f(5));
  CHECK(std::find(plausible.begin(), plausible.end(), 2) != plausible.end());
  CHECK(plausible.size() < 5);
}

TEST_CASE("RUCB's first arm follows its table of cases") {
  given_draws draws{.numbers = {0.99}};
  CHECK(rucb_first_arm({}, 1, 4, draws) == std::pair<std::int64_t, std::int64_t>(3, rucb::nobody));
  draws = {};
  CHECK(rucb_first_arm({2}, 1, 4, draws) == std::pair<std::int64_t, std::int64_t>(2, 2));
  draws = {.numbers = {0.3}};
  CHECK(rucb_first_arm({1, 3}, 1, 4, draws) == std::pair<std::int64_t, std::int64_t>(1, 1));
  draws = {.numbers = {0.7, 0.1}};
  CHECK(rucb_first_arm({1, 3}, 1, 4, draws) == std::pair<std::int64_t, std::int64_t>(3, 1));
  draws = {.numbers = {0.6}};  // the old winner is no candidate any more
  CHECK(rucb_first_arm({0, 3}, 1, 4, draws) == std::pair<std::int64_t, std::int64_t>(3, rucb::nobody));
}

TEST_CASE("Double Thompson sampling duels the first arm with itself when nobody may beat it") {
  auto tally = empty_tally(2);
  tally.wins = {0, 1000, 0, 0};
  double_thompson a(2);
  a.tally = tally;
  a.round = 1001;
  a.rebuild();
  draw_stream draws(3);
  for (int k = 0; k < 100; ++k) CHECK(a.next_pair(draws) == duel{0, 0});
}

TEST_CASE("An untouched D-TS+ equals its decision functions on the tournament that it draws") {
  double_thompson a(4, {.break_by_regret = true});
  const square p = worlds::drawn(4, 6);
  draw_stream draws(5), outcomes(6);
  play(a, p, 60, draws, outcomes);
  draw_stream copy = draws;
  const duel d = a.next_pair(draws);
  std::vector<double> theta(16);
  zermelo::bandit::detail::draw_tournament(a.tally, theta, copy);
  std::vector<std::int64_t> counts(4), ties;
  sampled_copeland(theta, counts);
  most_sampled(may_beat_most({}, a.tally, a.round), counts, ties);
  CHECK(d.first == least_regret_per_information(theta, counts, ties));
}

TEST_CASE("State that is written down and read again goes on with the same duels") {
  const square p = worlds::five();
  const auto check = [&](auto whole) {
    auto half = whole;
    draw_stream draws(31), outcomes(32), again(31), outcomes_again(32);
    play(whole, p, 400, draws, outcomes);
    play(half, p, 200, again, outcomes_again);
    auto restored = half;  // as from a file: the derived part is made anew
    restored.rebuild();
    draw_stream continued(31), outcomes_continued(32);
    continued.set_position(again.position());
    outcomes_continued.set_position(outcomes_again.position());
    play(restored, p, 200, continued, outcomes_continued);
    if constexpr (requires { whole.tally; }) CHECK(restored.tally.wins == whole.tally.wins);
    if constexpr (requires { whole.focal_wins; }) CHECK(restored.focal_wins == whole.focal_wins);
  };
  check(rucb(5));
  check(relative_confidence_sampling(5));
  check(double_thompson(5));
  check(double_thompson(5, {.break_by_regret = true}));
  check(rmed(5));
  check(rmed(5, {.variant = rmed_variant::two}));
  check(beat_the_mean(5));
}

TEST_CASE("Two machines' duels merge into those of one") {
  const square p = worlds::five();
  const auto check = [&](auto a, auto b) {
    draw_stream draws(41), outcomes(42);
    play(a, p, 150, draws, outcomes);
    play(b, p, 250, draws, outcomes);
    const auto before = a;
    a.merge(b);
    CHECK(a.round == 401);
    CHECK(a.tally.won(2, 4) == before.tally.won(2, 4) + b.tally.won(2, 4));
    CHECK(a.tally.total() == before.tally.total() + b.tally.total());
    play(a, p, 50, draws, outcomes);
  };
  check(rucb(5), rucb(5));
  check(double_thompson(5), double_thompson(5));
  check(rmed(5), rmed(5));
  CHECK_THROWS_AS(empty_tally(3).merge(empty_tally(4)), zermelo::shape_error);
}

TEST_CASE("The interleaved filter finds the best of transitive arms, and some arm of a cycle") {
  std::int64_t found = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    interleaved_filter a(5, 10'000);
    draw_stream draws(seed, 1), outcomes(seed, 2);
    play(a, worlds::of_utilities(std::vector<double>{0, 3, 1, 2, -1}), 10'000, draws, outcomes);
    CHECK(a.remaining.empty());
    CHECK(a.next_pair(draws) == duel{a.champion, a.champion});
    found += a.champion == 1 ? 1 : 0;
  }
  CHECK(found == 20);  // a failure has probability of about 1e-3 in all
  interleaved_filter a(5, 10'000);
  draw_stream draws(1), outcomes(2);
  play(a, worlds::cycle(5, 0.9), 10'000, draws, outcomes);
  CHECK(a.remaining.empty());
  CHECK((a.champion >= 0 && a.champion < 5));
  // It settles, though somebody beats it nine times in ten, and does so for ever: what it loses to that arm is linear.
  for (int t = 0; t < 1000; ++t) {
    const duel d = a.next_pair(draws);
    CHECK(d == duel{a.champion, a.champion});
    a.observe(d.first, d.second, outcomes.uniform() < 0.5);
  }
}

TEST_CASE("Arms that leave a filter never come back") {
  for (const square& p : {worlds::cycle(5, 0.95), worlds::of_utilities(std::vector<double>{0, 4, 1, -3, -1})}) {
    beat_the_mean a(5, {.gamma = 1, .horizon = 1000});
    interleaved_filter b(5, 1000);
    draw_stream draws(3), outcomes(4);
    b.next_pair(draws);
    auto active = a.active, remaining = b.remaining;
    for (int t = 0; t < 6000; ++t) {
      play(a, p, 1, draws, outcomes);
      play(b, p, 1, draws, outcomes);
      CHECK(std::includes(active.begin(), active.end(), a.active.begin(), a.active.end()));
      CHECK(std::includes(remaining.begin(), remaining.end(), b.remaining.begin(), b.remaining.end()));
      CHECK_FALSE(a.active.empty());
      active = a.active, remaining = b.remaining;
    }
  }
}

TEST_CASE("The interleaved filter tests after full rounds only") {
  interleaved_filter a(3, 100, 0);
  draw_stream draws(1);
  for (int k = 0; k < 2 * 60; ++k) {
    if (a.remaining.size() < 2) break;
    const duel d = a.next_pair(draws);
    CHECK(d.first == 0);
    CHECK(d.second == 1 + k % 2);
    a.observe(d.first, d.second, d.second == 1);  // wins against 1, loses to 2
  }
  CHECK(a.champion == 2);  // refuted by 2; arm 1, which lost to the old champion, left at the same time
  CHECK(a.remaining.empty());
  // P̂ = 0 < ½ − √(ln(900)/t) from t = 28 on
  CHECK_THROWS_AS(a.observe(0, 1, true), zermelo::domain_error);
}

TEST_CASE("Beat the mean drops the worst arm and forgets its duels") {
  beat_the_mean a(3, {.gamma = 1, .horizon = 10'000});
  const square p = worlds::of_utilities(std::vector<double>{0, 6, -6});
  draw_stream draws(1), outcomes(2);
  play(a, p, 4000, draws, outcomes);
  CHECK(a.active.size() < 3);
  CHECK(std::find(a.active.begin(), a.active.end(), 2) == a.active.end());
  std::vector<double> share;
  const auto test = a.test(share);
  CHECK(share.size() == a.active.size());
  CHECK(test.radius > 0);
  for (int k = 0; k < 20; ++k) CHECK(a.next_pair(draws).second != 2);
  const auto before = a.focal_duels;
  a.observe(2, 0, true);  // an echo of the arm that left
  CHECK(a.focal_duels == before);
}

TEST_CASE("A single arm duels itself") {
  draw_stream draws(1);
  const auto check = [&](auto a) {
    for (int k = 0; k < 5; ++k) {
      CHECK(a.next_pair(draws) == duel{0, 0});
      a.observe(0, 0, k % 2 == 0);
    }
  };
  check(rucb(1));
  check(relative_confidence_sampling(1));
  check(double_thompson(1));
  check(double_thompson(1, {.break_by_regret = true}));
  check(rmed(1));
  check(interleaved_filter(1, 10));
  check(beat_the_mean(1));
}

TEST_CASE("Beta and gamma draws have their moments") {
  draw_stream draws(7);
  for (const auto& [a, b] : {std::pair(1.0, 1.0), std::pair(1.0, 5.0), std::pair(20.0, 3.0), std::pair(300.0, 400.0)}) {
    constexpr int n = 20'000;
    double sum = 0, squares = 0;
    for (int k = 0; k < n; ++k) {
      const double x = draw_beta(draws, a, b);
      sum += x, squares += x * x;
    }
    const double mean = a / (a + b), variance = mean * (1 - mean) / (a + b + 1);
    // Five standard errors of a mean, and of a variance of a nearly normal number.
    CHECK(sum / n == Approx(mean).margin(5 * std::sqrt(variance / n)));
    CHECK(squares / n - sum / n * sum / n == Approx(variance).epsilon(5 * std::sqrt(3.0 / n)));
  }
}

TEST_CASE("Coins decide whether a Beta draw exceeds one half as often as the draw itself does") {
  draw_stream draws(8);
  for (const auto& [wins, losses] :
       {std::pair(0.0, 0.0), std::pair(3.0, 1.0), std::pair(0.0, 4.0), std::pair(60.0, 70.0), std::pair(51.0, 0.5),
        std::pair(400.0, 380.0), std::pair(700.0, 720.0)}) {
    constexpr int n = 40'000;
    int coins = 0, drawn = 0;
    for (int k = 0; k < n; ++k) {
      coins += draw_above_half(draws, wins, losses) ? 1 : 0;
      drawn += draw_beta(draws, wins + 1, losses + 1) > 0.5 ? 1 : 0;
    }
    CHECK(std::abs(coins - drawn) <= 5 * std::sqrt(n / 2.0));  // five standard errors of a difference
  }
  // exactly: P(Beta(2, 1) > ½) = ¾ is that of at most one head of two coins
  given_draws two{.numbers = {0.0, 0.75 * 0x1p-50, 0.25 * 0x1p-50}};
  CHECK(draw_above_half(two, 1, 0));        // tails, tails
  CHECK_FALSE(draw_above_half(two, 1, 0));  // heads, heads
  CHECK(draw_above_half(two, 1, 0));
}

TEST_CASE("Bad arms, counts and parameters are named") {
  CHECK_THROWS_AS(rucb(0), zermelo::domain_error);
  CHECK(thrown<zermelo::domain_error>([] { rucb(3, {.alpha = 0.5}); }).argument() == "alpha");
  CHECK_THROWS_AS(double_thompson(3, {.alpha = std::numeric_limits<double>::quiet_NaN()}), zermelo::domain_error);
  CHECK_THROWS_AS(rmed(3, {.exploration = -2}), zermelo::domain_error);
  CHECK_THROWS_AS(rmed(3, {.top_up = 0}), zermelo::domain_error);
  CHECK_THROWS_AS(interleaved_filter(3, 0), zermelo::domain_error);
  CHECK_THROWS_AS(interleaved_filter(3, 10, 3), zermelo::domain_error);
  CHECK_THROWS_AS(beat_the_mean(3, {.gamma = 0.5}), zermelo::domain_error);
  rucb a(3);
  CHECK(thrown<zermelo::domain_error>([&] { a.observe(0, 3, true); }).argument() == "second");
  const double ragged[2][3] = {}, negative[2][2] = {{0, -1}, {0, 0}};
  CHECK_THROWS_AS(tally_of(ragged), zermelo::shape_error);
  CHECK(thrown<zermelo::domain_error>([&] { tally_of(negative); }).index() == 1);
  CHECK_THROWS_AS(may_beat_all({}, empty_tally(2), 0), zermelo::domain_error);
  const std::vector<double> theta{0.5, 1.5, -0.5, 0.5};
  std::vector<std::int64_t> counts(2);
  CHECK(thrown<zermelo::domain_error>([&] { sampled_copeland(theta, counts); }).index() == 1);
}
