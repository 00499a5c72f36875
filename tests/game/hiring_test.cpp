// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>
#include <zermelo/core/random.hpp>
#include <zermelo/game/hiring.hpp>
#include <zermelo/game/online_hiring.hpp>

#include "../catch.hpp"
#include "../thrown.hpp"

using namespace zermelo::game;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Two states, and agents who see the right one with a chance that grows with effort, independently of each other; the
/// principal gets 1 for naming the state.
hiring_problem seers(const std::vector<std::vector<double>>& accuracy, std::vector<std::vector<double>> cost,
                     double limit) {
  hiring_problem p{.prior = {.5, .5}, .cost = std::move(cost), .utility = {1, 0, 0, 1}, .payment_limit = limit};
  for (const auto& a : accuracy) p.efforts.push_back(static_cast<std::int64_t>(a.size())), p.signals.push_back(2);
  for (std::int64_t b = 0; b < p.profiles(); ++b)
    for (std::int64_t theta = 0; theta < 2; ++theta)
      for (std::int64_t s = 0; s < p.signal_profiles(); ++s) {
        double chance = 1;
        for (std::int64_t i = 0; i < p.agents(); ++i) {
          const double right = accuracy[at(i)][at(p.effort_of(b, i))];
          chance *= p.signal_of(s, i) == theta ? right : 1 - right;
        }
        p.law.push_back(chance);
      }
  return p;
}

hiring_problem two(double limit) { return seers({{.5, .8}, {.5, .75}}, {{0, .05}, {0, .04}}, limit); }

hiring_problem drawn(std::uint64_t seed, std::vector<std::int64_t> efforts, std::vector<std::int64_t> signals) {
  hiring_problem p{.efforts = std::move(efforts), .signals = std::move(signals), .payment_limit = 0.6};
  std::uint64_t k = 0;
  const auto next = [&] { return zermelo::uniform(seed, 1, k++); };
  const double first = 0.2 + 0.6 * next();
  p.prior = {first, 1 - first};
  for (const std::int64_t e : p.efforts) {
    p.cost.emplace_back(at(e), 0.0);
    for (std::size_t c = 1; c < at(e); ++c) p.cost.back()[c] = 0.1 * next();
  }
  p.utility = {next(), next(), next(), next(), next(), next()};
  for (std::int64_t row = 0; row < p.profiles() * 2; ++row) {
    std::vector<double> q;
    double sum = 0;
    for (std::int64_t s = 0; s < p.signal_profiles(); ++s) q.push_back(next()), sum += q.back();
    for (const double x : q) p.law.push_back(x / sum);
  }
  return p;
}

/// The best that agent i gets, told an effort, over all efforts and all maps from what it sees to what it says.
double best_by_enumeration(const hiring_problem& p, const hiring_mechanism& m, std::int64_t i, std::int64_t told,
                           double& obeyed) {
  const std::int64_t signals = p.signals[at(i)];
  std::int64_t maps = 1;
  for (std::int64_t s = 0; s < signals; ++s) maps *= signals;
  double best = -1e300;
  for (std::int64_t tried = 0; tried < p.efforts[at(i)]; ++tried)
    for (std::int64_t map = 0; map < maps; ++map) {
      double sum = 0;
      bool honest = tried == told;
      for (std::int64_t b = 0; b < p.profiles(); ++b) {
        if (p.effort_of(b, i) != told) continue;
        double paid = -p.cost_of(i, tried);
        for (std::int64_t s = 0; s < p.signal_profiles(); ++s) {
          std::int64_t said = map;
          for (std::int64_t d = 0; d < p.signal_of(s, i); ++d) said /= signals;
          said %= signals;
          honest = honest && said == p.signal_of(s, i);
          for (std::int64_t theta = 0; theta < 2; ++theta)
            paid += p.chance(p.with_effort(b, i, tried), s, theta) * m.pays(p, i, b, p.with_signal(s, i, said), theta);
        }
        sum += m.probability[at(b)] * paid;
      }
      if (honest) obeyed = sum;
      best = std::max(best, sum);
    }
  return best;
}

}  // namespace

TEST_CASE("No agent gains by any effort and any map of reports, on random problems") {
  for (std::uint64_t seed = 0; seed < 6; ++seed)
    for (const auto& [efforts, signals] :
         {std::pair(std::vector<std::int64_t>{2, 2}, std::vector<std::int64_t>{2, 2}),
          std::pair(std::vector<std::int64_t>{3, 2}, std::vector<std::int64_t>{2, 3}),
          std::pair(std::vector<std::int64_t>{2, 2, 2}, std::vector<std::int64_t>{2, 1, 2}),
          std::pair(std::vector<std::int64_t>{4}, std::vector<std::int64_t>{3})}) {
      const auto p = drawn(seed, efforts, signals);
      const auto m = optimal_mechanism(p);
      REQUIRE(m.outcome == program_outcome::optimal);
      CHECK(m.value == Approx(mechanism_value(p, m)).margin(1e-9));
      CHECK(deviation_gain(p, m) < 1e-9);
      for (std::int64_t i = 0; i < p.agents(); ++i)
        for (std::int64_t told = 0; told < p.efforts[at(i)]; ++told) {
          double obeyed = 0;
          const double best = best_by_enumeration(p, m, i, told, obeyed);
          CHECK(best <= obeyed + 1e-9);
        }
      for (const double x : m.payment) CHECK((x >= 0 && x <= p.payment_limit));
      // a lottery is worth no less than any of its efforts alone, and paying nobody is always possible
      for (std::int64_t b = 0; b < p.profiles(); ++b) {
        const auto alone = optimal_mechanism(p, {.only_profile = b});
        if (alone.outcome == program_outcome::infeasible) continue;
        REQUIRE(alone.outcome == program_outcome::optimal);
        CHECK(alone.value <= m.value + 1e-9);
        CHECK(alone.value <= decision_value(p, b) + 1e-9);
      }
    }
}

TEST_CASE("Random problems are solved, however degenerate, and in any unit of money") {
  for (std::uint64_t seed = 0; seed < 150; ++seed)
    for (const double unit : {1.0, 1e-5, 1e6}) {
      auto p = drawn(seed, {3, 2}, {2, 2});
      for (double& u : p.utility) u *= unit;
      for (auto& costs : p.cost)
        for (double& c : costs) c *= unit;
      p.payment_limit *= unit;
      const auto m = optimal_mechanism(p);
      REQUIRE(m.outcome == program_outcome::optimal);
      CHECK(m.error <= 1e-9 * unit);
      if (unit == 1.0) continue;
      CHECK(m.value == Approx(unit * optimal_mechanism(drawn(seed, {3, 2}, {2, 2})).value).epsilon(1e-8));
    }
}

TEST_CASE("One agent is paid by the scoring rule that makes work just worth while") {
  // 0.4·0.8 x̂: γ = x 1{s = θ} with (0.8 − 0.5) x = 0.05, so that 0.8/6 are paid of what 0.8 right decisions are worth.
  const auto p = seers({{.5, .8}}, {{0, .05}}, 1);
  CHECK(optimal_mechanism(p).value == Approx(0.8 - 0.8 / 6).epsilon(1e-12));
  CHECK(optimal_mechanism(p, {.only_profile = 0}).value == Approx(0.5).epsilon(1e-12));
}

TEST_CASE("More may be paid, more is gained; nothing may be paid, nothing is learnt") {
  double last = 0;
  for (const double limit : {0.0, 0.05, 0.1, 0.2, 0.5, 1.0, 10.0}) {
    const double value = optimal_mechanism(two(limit)).value;
    CHECK(value >= last - 1e-12);
    last = value;
  }
  CHECK(optimal_mechanism(two(0)).value == Approx(0.5));
  CHECK(optimal_mechanism(two(0.05), {.only_profile = 3}).outcome == program_outcome::infeasible);
  auto indifferent = two(1);
  indifferent.utility = {0.3, 0.3};
  CHECK(optimal_mechanism(indifferent).value == Approx(0.3));
  auto blind = two(1);
  blind.signals = {1, 1};
  blind.law.assign(8, 1.0);
  CHECK(optimal_mechanism(blind).value == Approx(0.5));
}

TEST_CASE("Agents may change places") {
  const auto p = seers({{.55, .8, .9}, {.6, .75}}, {{0, .03, .07}, {0, .02}}, 0.4);
  const auto q = seers({{.6, .75}, {.55, .8, .9}}, {{0, .02}, {0, .03, .07}}, 0.4);
  CHECK(optimal_mechanism(p).value == Approx(optimal_mechanism(q).value).epsilon(1e-10));
}

TEST_CASE("A lottery over efforts can be worth more than any efforts") {
  hiring_problem p{.efforts = {2, 2}, .signals = {2, 2}, .prior = {.5, .5}};
  p.law = {.01, .44, .08, .47, .02, .57, .01, .4,  0, .11, .18, .71, 0,   .34, .34, .32,
           .19, 0,   .02, .79, 0,   .79, .05, .16, 0, .85, 0,   .15, .49, .01, .4,  .1};
  p.cost = {{0, .13}, {0, .02}};
  p.utility = {1, 0, 0, 1};
  p.payment_limit = 0.41;
  const auto m = optimal_mechanism(p);
  double best = 0;
  for (std::int64_t b = 0; b < 4; ++b) best = std::max(best, optimal_mechanism(p, {.only_profile = b}).value);
  CHECK(m.value > best + 0.02);
  CHECK(std::count_if(m.probability.begin(), m.probability.end(), [](double x) { return x > 1e-6; }) > 1);
}

TEST_CASE("Slack lets agents gain that much and no more") {
  const auto p = two(0.4);
  const auto strict = optimal_mechanism(p), loose = optimal_mechanism(p, {.slack = 0.01});
  CHECK(loose.value > strict.value);
  CHECK(deviation_gain(p, loose) <= 0.01 + 1e-9);
}

TEST_CASE("Costs are found where agents switch, through efforts between as well") {
  const auto p = seers({{.5, .8}}, {{0, .05}}, 1);
  const scoring_rules rules{.of = {{{{0, 0, 0, 0}}, {{.4, 0, 0, .4}}}}, .margin = 0.01};
  std::int64_t commitments = 0;
  const auto cost = search_costs(p, p, rules, 0, 1e-9, commitments);
  CHECK(cost[1] == Approx(0.05).margin(1e-9));
  CHECK(commitments < 64);  // two ends of thirty halvings

  const auto three = seers({{.5, .7, .8}}, {{0, .02, .05}}, 1);
  const scoring_rules more{.of = {{{{0, 0, 0, 0}}, {{.2, 0, 0, .2}}, {{.9, 0, 0, .9}}}}, .margin = 0.01};
  const auto costs = search_costs(three, three, more, 0, 1e-9, commitments);
  CHECK(costs[1] == Approx(0.02).margin(1e-8));
  CHECK(costs[2] == Approx(0.05).margin(1e-8));
}

TEST_CASE("The strictest rules make each effort best by their margin") {
  const auto p = seers({{.55, .8}, {.55, .75}}, {{0, .05}, {0, .04}}, 0.4);
  const auto rules = strictest_rules(p);
  CHECK(rules.margin > 0);
  for (std::int64_t i = 0; i < 2; ++i)
    for (std::int64_t e = 0; e < 2; ++e) {
      const auto& rule = rules.of[at(i)][at(e)];
      const auto worth = [&](std::int64_t tried, bool truthful) {
        return zermelo::game::detail::earned(zermelo::game::detail::own_law(p, i, p.with_effort(0, i, tried)), rule, 2,
                                             2, truthful) -
               p.cost_of(i, tried);
      };
      CHECK(worth(e, true) == Approx(worth(e, false)));
      CHECK(worth(e, true) >= worth(1 - e, false) + rules.margin - 1e-12);
    }
}

TEST_CASE("Exploring and committing, regret falls behind rounds like their power of two thirds") {
  const auto p = seers({{.55, .8}, {.55, .75}}, {{0, .05}, {0, .04}}, 0.4);
  const auto rules = strictest_rules(p);
  double first = 0;
  for (std::int64_t horizon = 10'000; horizon <= 10'000'000; horizon *= 10) {
    double regret = 0;
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      const auto r = hire_online(p, rules, {.horizon = horizon, .seed = seed});
      CHECK(r.explored + r.searched + r.committed == horizon);
      CHECK(r.gain <= 1e-9);  // compatible in the world, not only in the estimate
      CHECK(r.committed_value <= r.optimal_value + 1e-9);
      regret += r.regret / 3;
    }
    // up to the logarithm in the radius, of which the square root grows by 1 at the cell counts of this world
    const double scaled = regret / std::pow(static_cast<double>(horizon), 2.0 / 3);
    if (horizon == 10'000) first = scaled;
    CHECK(scaled < 2 * first);
  }
  const auto r = hire_online(p, rules, {.horizon = 10'000'000});
  CHECK(r.estimate.cost[0][1] == Approx(0.05).margin(0.002));
  CHECK(r.estimate.cost[1][1] == Approx(0.04).margin(0.002));
  CHECK(hire_online(p, rules, {.horizon = 5000}).regret == hire_online(p, rules, {.horizon = 5000}).regret);
}

TEST_CASE("What is no problem is refused with its place") {
  const auto argument = [](auto change) {
    auto p = two(0.4);
    change(p);
    return thrown<zermelo::domain_error>([&] { optimal_mechanism(p); }).argument();
  };
  CHECK(argument([](auto& p) { p.prior = {.5, .6}; }) == "prior");
  CHECK(argument([](auto& p) { p.law[3] = -0.25; }) == "law");
  CHECK(argument([](auto& p) { p.law[0] += 0.1; }) == "law");
  CHECK(argument([](auto& p) { p.cost[1][0] = -1; }) == "cost");
  CHECK(argument([](auto& p) { p.payment_limit = -1; }) == "payment_limit");
  CHECK(argument([](auto& p) { p.utility[2] = std::numeric_limits<double>::quiet_NaN(); }) == "utility");
  CHECK(argument([](auto& p) { p.efforts[0] = 0; }) == "efforts");
  auto p = two(0.4);
  p.law.pop_back();
  CHECK_THROWS_AS(optimal_mechanism(p), zermelo::shape_error);
  CHECK_THROWS_AS(optimal_mechanism(two(0.4), {.only_profile = 4}), zermelo::domain_error);
  CHECK_THROWS_AS(optimal_mechanism(two(0.4), {.slack = -1}), zermelo::domain_error);
  const auto rules = strictest_rules(seers({{.55, .8}}, {{0, .05}}, 1));
  CHECK_THROWS_AS(hire_online(two(0.4), rules), zermelo::shape_error);
  const auto one = seers({{.55, .8}}, {{0, .05}}, 1);
  CHECK_THROWS_AS(hire_online(one, rules, {.horizon = 0}), zermelo::domain_error);
  CHECK_THROWS_AS(hire_online(one, rules, {.confidence = 1}), zermelo::domain_error);
}
