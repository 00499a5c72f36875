// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// hiring: two analysts may work, at a cost, to see more clearly whether it will rain. Whom to ask, what to pay for which report,
// and what not knowing them costs at first.
#include <cmath>
#include <cstdio>
#include <zermelo/game/online_hiring.hpp>

namespace {

namespace zm = zermelo;
using namespace zm::game;

/// Analysts see the right one of two equally likely states with these chances, idle and at work, independently.
constexpr double accuracy[2][2] = {{0.55, 0.80}, {0.55, 0.75}};

hiring_problem two_analysts(double payment_limit) {
  hiring_problem p{.efforts = {2, 2},
                   .signals = {2, 2},
                   .prior = {0.5, 0.5},
                   .cost = {{0, 0.05}, {0, 0.04}},
                   .utility = {1, 0, 0, 1},  // 1 for a right forecast
                   .payment_limit = payment_limit};
  for (std::int64_t b = 0; b < p.profiles(); ++b)
    for (std::int64_t state = 0; state < p.states(); ++state)
      for (std::int64_t s = 0; s < p.signal_profiles(); ++s) {
        double chance = 1;
        for (std::int64_t i = 0; i < 2; ++i) {
          const double right = accuracy[i][p.effort_of(b, i)];
          chance *= p.signal_of(s, i) == state ? right : 1 - right;
        }
        p.law.push_back(chance);
      }
  return p;
}

}  // namespace

int main() {
  const char* const efforts[] = {"idle", "work"};
  std::printf("What the principal gets a forecast, by the most she may pay an analyst\n%-12s", "");
  for (std::int64_t b = 0; b < 4; ++b) std::printf("  %s, %s", efforts[b / 2], efforts[b % 2]);
  std::printf("   any lottery\n%-12s", "if told so");
  for (std::int64_t b = 0; b < 4; ++b) std::printf("  %10.3f", decision_value(two_analysts(1), b));
  std::printf("\n");
  for (const double limit : {0.05, 0.10, 0.15, 0.20, 0.40}) {
    const auto p = two_analysts(limit);
    std::printf("limit %.2f  ", limit);
    for (std::int64_t b = 0; b < 4; ++b) {
      const auto m = optimal_mechanism(p, {.only_profile = b});
      if (m.outcome == program_outcome::optimal)
        std::printf("  %10.3f", m.value);
      else
        std::printf("  %10s", "impossible");
    }
    std::printf("  %12.3f\n", optimal_mechanism(p).value);
  }

  const auto world = two_analysts(0.4);
  const auto m = optimal_mechanism(world);
  std::printf("\nThe best mechanism at limit 0.40 gains %.3f; nobody gains more than %.0e by idling or lying.\n",
              m.value, deviation_gain(world, m));
  for (std::int64_t b = 0; b < 4; ++b) {
    if (m.probability[static_cast<std::size_t>(b)] < 1e-9) continue;
    std::printf("with probability %.2f ask for %s, %s:\n", m.probability[static_cast<std::size_t>(b)], efforts[b / 2],
                efforts[b % 2]);
    for (std::int64_t i = 0; i < 2; ++i) {
      double right = 0, wrong = 0;  // payments, averaged over what the other says
      for (std::int64_t s = 0; s < 4; ++s)
        for (std::int64_t state = 0; state < 2; ++state)
          (world.signal_of(s, i) == state ? right : wrong) += world.chance(b, s, state) * m.pays(world, i, b, s, state);
      std::printf("  analyst %d is paid %.3f on average when right, %.3f when wrong\n", static_cast<int>(i),
                  right / accuracy[i][world.effort_of(b, i)], wrong / (1 - accuracy[i][world.effort_of(b, i)]));
    }
  }

  std::printf("\nNot knowing chances and costs: explore, search where analysts begin to work, commit\n");
  std::printf("%12s %10s %14s %14s %16s\n", "rounds", "explored", "gets at last", "regret", "/ rounds^(2/3)");
  const auto rules = strictest_rules(world);
  for (std::int64_t horizon = 10'000; horizon <= 100'000'000; horizon *= 10) {
    const auto r = hire_online(world, rules, {.horizon = horizon});
    std::printf("%12ld %10ld %14.3f %14.0f %16.2f\n", static_cast<long>(horizon), static_cast<long>(r.explored),
                r.committed_value, r.regret, r.regret / std::pow(static_cast<double>(horizon), 2.0 / 3));
  }
}
