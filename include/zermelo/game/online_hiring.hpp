// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../core/value.hpp"
#include "hiring.hpp"
#include "linear_program.hpp"

/// Hiring agents whose signals, whose costs, and whose world are not known: explore, then commit.
///
/// What is known is, for every agent and effort, a scoring rule that pays by the agent's own report and the state, and under
/// which that effort and the truth are best by a margin ℓ. The principal
///   1. commits N rounds to these rules for every joint effort, and estimates p and Q by frequencies;
///   2. searches, along mixtures of two rules (which are truthful again), for the points at which an agent switches its
///      effort; there costs differ by what payments differ;
///   3. solves the linear programme of `optimal_mechanism` for the estimates, with obedience relaxed by ε, mixes its payments
///      with the rules by weight ρ = ε/(ε + ℓ), which makes it incentive compatible if ε covers the errors, and commits.
///
/// With N of the order T^(2/3) regret is Õ(T^(2/3)).   Source: Chen, Ren et al. 2024, "Online information acquisition:
/// hiring multiple agents"; switching points: Chen, Wu, Wu, Yang 2023.
namespace zermelo::inline v1::game {

/// Payments γ[report, state] to one agent.
struct scoring_rule {
  std::vector<double> payment = {};  ///< [signals, Θ]
};

/// rules[agent][effort]: under it this effort and the truth are best, by `margin` at least.
struct scoring_rules {
  std::vector<std::vector<scoring_rule>> of = {};
  double margin = 0;  ///< ℓ > 0
};

struct online_hiring_parameters {
  std::int64_t horizon = 100'000;  ///< T rounds in all, ≥ 1
  std::int64_t rounds = 0;         ///< N for each joint effort; 0: T^(2/3) over their number, at least 1
  double confidence = 0.05;        ///< δ in (0, 1) of the radius √(log(2·cells/δ)/N)
  double slack = 0.25;             ///< ε in units of M times the radius, > 0; what suffices depends on the world
  double search_tolerance = 1e-6;  ///< to which switching points are found, in (0, ½)
  std::uint64_t seed = 1;
};

struct online_hiring_result {
  hiring_problem estimate = {};             ///< what was learnt: prior, law, and costs up to a constant for each agent
  hiring_mechanism mechanism = {};          ///< what was committed to
  double radius = 0, slack = 0, mixed = 0;  ///< the radius, ε and ρ
  std::int64_t explored = 0, searched = 0, committed = 0;  ///< rounds of each phase
  double optimal_value = 0;                                ///< what the principal would get a round, knew she all
  double committed_value = 0;                              ///< what she gets a round of the last phase, if all obey
  double gain = 0;    ///< what disobedience would gain in the last phase: ≤ 0 if the mechanism is compatible
  double regret = 0;  ///< expected, of all rounds; a round without obedience counts as the worst that payments allow
};

namespace detail::inline ZERMELO_ISA {

/// Σ over the others' signals of Q(s | b, θ) p(θ): the law of one agent's signal and the state.  [signals, Θ]
inline std::vector<double> own_law(const hiring_problem& p, std::int64_t i, std::int64_t b) {
  std::vector<double> law(static_cast<std::size_t>(p.signals[static_cast<std::size_t>(i)] * p.states()), 0.0);
  for (std::int64_t s = 0; s < p.signal_profiles(); ++s)
    for (std::int64_t theta = 0; theta < p.states(); ++theta)
      law[static_cast<std::size_t>(p.signal_of(s, i) * p.states() + theta)] += p.chance(b, s, theta);
  return law;
}

/// The most an agent earns by working under a rule, and whether truth attains it.
inline double earned(const std::vector<double>& law, const scoring_rule& rule, std::int64_t signals,
                     std::int64_t states, bool truthful) {
  double sum = 0;
  for (std::int64_t seen = 0; seen < signals; ++seen) {
    double most = -HUGE_VAL;
    for (std::int64_t said = 0; said < signals; ++said) {
      if (truthful && said != seen) continue;
      double pays = 0;
      for (std::int64_t theta = 0; theta < states; ++theta)
        pays += law[static_cast<std::size_t>(seen * states + theta)] *
                rule.payment[static_cast<std::size_t>(said * states + theta)];
      most = (std::max)(most, pays);
    }
    sum += most;
  }
  return sum;
}

inline void require_rules(const hiring_problem& p, const scoring_rules& rules) {
  if (rules.of.size() != p.efforts.size()) throw shape_error("rules", "one list of rules an agent");
  for (std::size_t i = 0; i < rules.of.size(); ++i) {
    if (static_cast<std::int64_t>(rules.of[i].size()) != p.efforts[i])
      throw shape_error("rules", "one rule an effort of agent " + std::to_string(i));
    for (const scoring_rule& r : rules.of[i]) {
      if (static_cast<std::int64_t>(r.payment.size()) != p.signals[i] * p.states())
        throw shape_error("rules", "payments of agent " + std::to_string(i) + " are [signals, states]");
      for (const double x : r.payment)
        if (!(x >= 0 && x <= p.payment_limit))
          throw domain_error("rules", static_cast<std::int64_t>(i), "payments lie between 0 and the limit");
    }
  }
  if (!is_finite(rules.margin) || rules.margin <= 0)
    throw domain_error("margin", domain_error::whole, "must be positive and finite");
}

/// Switching points along the mixtures of the rules for two efforts of one agent.
struct cost_search {
  const hiring_problem& world;     // what agents know
  const hiring_problem& estimate;  // what the principal knows
  const scoring_rules& rules;
  std::int64_t agent, low, high;  // efforts at weights 0 and 1
  double tolerance;
  std::int64_t commitments = 0;

  scoring_rule mixture(double weight) const {
    const auto& of = rules.of[static_cast<std::size_t>(agent)];
    scoring_rule r = of[static_cast<std::size_t>(low)];
    for (std::size_t k = 0; k < r.payment.size(); ++k)
      r.payment[k] += weight * (of[static_cast<std::size_t>(high)].payment[k] - r.payment[k]);
    return r;
  }
  double expected(const hiring_problem& p, const scoring_rule& r, std::int64_t effort) const {
    const std::int64_t signals = p.signals[static_cast<std::size_t>(agent)];
    return earned(own_law(p, agent, p.with_effort(0, agent, effort)), r, signals, p.states(), true);
  }
  std::int64_t response(double weight) {
    ++commitments;
    const scoring_rule r = mixture(weight);
    std::int64_t best = 0;
    double most = -HUGE_VAL;
    for (std::int64_t e = 0; e < world.efforts[static_cast<std::size_t>(agent)]; ++e) {
      const double utility = expected(world, r, e) - world.cost_of(agent, e);
      if (utility > most) best = e, most = utility;
    }
    return best;
  }
  /// c(effort at `to`) − c(effort at `from`): differences chained over the efforts that take over between.
  double difference(double from, std::int64_t effort_from, double to, std::int64_t effort_to) {
    if (effort_from == effort_to) return 0;
    const double middle = (from + to) / 2;
    if (to - from <= tolerance) {
      const scoring_rule r = mixture(middle);
      return expected(estimate, r, effort_to) - expected(estimate, r, effort_from);
    }
    const std::int64_t between = response(middle);
    return difference(from, effort_from, middle, between) + difference(middle, between, to, effort_to);
  }
};

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The rule of the widest margin for an agent's effort when the others do `others`:  payments in [0, M] under which any
/// other effort, however reported, earns less by the margin, and so does every lie about a signal, by that margin times the
/// chance of the signal. A linear programme. The margin is negative if no payments within the limit make the effort best.
/// Errors: domain_error.
inline std::pair<scoring_rule, double> strictest_rule(const hiring_problem& p, std::int64_t agent, std::int64_t effort,
                                                      std::int64_t others = 0) {
  p.require_valid();
  if (agent < 0 || agent >= p.agents()) throw domain_error("agent", domain_error::whole, "is out of range");
  const std::int64_t signals = p.signals[static_cast<std::size_t>(agent)], states = p.states();
  const std::int64_t efforts = p.efforts[static_cast<std::size_t>(agent)];
  if (effort < 0 || effort >= efforts) throw domain_error("effort", domain_error::whole, "is out of range");
  const std::int64_t cells = signals * states, margin = cells + efforts * signals;
  linear_program<double> program(margin + 1);
  program.free[static_cast<std::size_t>(margin)] = 1;
  program.objective[static_cast<std::size_t>(margin)] = 1;
  for (std::int64_t k = 0; k < cells; ++k) program(program.add_row(relation::at_most, p.payment_limit), k) = 1;
  const auto law = detail::own_law(p, agent, p.with_effort(others, agent, effort));
  for (std::int64_t tried = 0; tried < efforts; ++tried) {
    const auto other = detail::own_law(p, agent, p.with_effort(others, agent, tried));
    const std::int64_t z = cells + tried * signals;
    if (tried != effort) {
      const std::int64_t row = program.add_row(relation::at_most, p.cost_of(agent, tried) - p.cost_of(agent, effort));
      program(row, margin) = 1;
      for (std::int64_t seen = 0; seen < signals; ++seen) program(row, z + seen) = 1;
      for (std::int64_t k = 0; k < cells; ++k) program(row, k) = -law[static_cast<std::size_t>(k)];
    }
    for (std::int64_t seen = 0; seen < signals; ++seen)
      for (std::int64_t said = 0; said < signals; ++said) {
        if (tried == effort && said == seen) continue;
        const std::int64_t row = program.add_row(relation::at_most, 0);
        double chance = 0;
        for (std::int64_t theta = 0; theta < states; ++theta) {
          const double q = other[static_cast<std::size_t>(seen * states + theta)];
          chance += q;
          program(row, said * states + theta) += q;
          if (tried == effort) program(row, seen * states + theta) -= q;
        }
        if (tried == effort)
          program(row, margin) = chance;
        else
          program(row, z + seen) = -1;
      }
  }
  const auto solved = solve_linear_program(program);
  scoring_rule rule;
  for (std::int64_t k = 0; k < cells; ++k)
    rule.payment.push_back((std::min)((std::max)(solved.x[static_cast<std::size_t>(k)], 0.0), p.payment_limit));
  return {std::move(rule), solved.value};
}

/// The strictest rules of all agents and efforts, and the least of their margins. For simulations: the principal of the
/// online problem is given them.
inline scoring_rules strictest_rules(const hiring_problem& p) {
  scoring_rules rules{.of = {}, .margin = HUGE_VAL};
  for (std::int64_t i = 0; i < p.agents(); ++i) {
    rules.of.emplace_back();
    for (std::int64_t e = 0; e < p.efforts[static_cast<std::size_t>(i)]; ++e) {
      auto [rule, margin] = strictest_rule(p, i, e);
      rules.of.back().push_back(std::move(rule));
      rules.margin = (std::min)(rules.margin, margin);
    }
  }
  return rules;
}

/// c(efforts) − c(0) of one agent, by the points at which it switches along mixtures of rules; commitments counts the rounds
/// that this takes.   Cost: O(log(1/tolerance)) commitments for each effort.
inline std::vector<double> search_costs(const hiring_problem& world, const hiring_problem& estimate,
                                        const scoring_rules& rules, std::int64_t agent, double tolerance,
                                        std::int64_t& commitments) {
  std::vector<double> cost{0};
  for (std::int64_t e = 1; e < world.efforts[static_cast<std::size_t>(agent)]; ++e) {
    detail::cost_search search{world, estimate, rules, agent, 0, e, tolerance};
    cost.push_back(search.difference(0, 0, 1, e));
    commitments += search.commitments;
  }
  return cost;
}

/// Plays the online problem against the world given, whose prior, law and costs only nature and the agents know.
///
/// rules must be strict in this world. The regret is exact in what agents and nature do in expectation; samples are drawn in
/// the first phase alone, by (seed, round).
/// Errors: shape_error, domain_error for what is no problem, no rule, or no parameter.
inline online_hiring_result hire_online(const hiring_problem& world, const scoring_rules& rules,
                                        const online_hiring_parameters& p = {}) {
  world.require_valid();
  detail::require_rules(world, rules);
  if (p.horizon < 1 || p.rounds < 0)
    throw domain_error("horizon", domain_error::whole,
                       "at least one round, and not a negative number of them to explore");
  if (!(p.confidence > 0 && p.confidence < 1))
    throw domain_error("confidence", domain_error::whole, "lies between 0 and 1");
  if (!is_finite(p.slack) || p.slack <= 0) throw domain_error("slack", domain_error::whole, "must be positive");
  if (!(p.search_tolerance > 0 && p.search_tolerance < 0.5))
    throw domain_error("search_tolerance", domain_error::whole, "lies between 0 and 1/2");
  const std::int64_t states = world.states(), joint = world.signal_profiles(), profiles = world.profiles();
  online_hiring_result r;
  r.optimal_value = optimal_mechanism(world).value;
  const std::int64_t wanted =
      p.rounds > 0 ? p.rounds : static_cast<std::int64_t>(std::pow(static_cast<double>(p.horizon), 2.0 / 3)) / profiles;
  const std::int64_t rounds = (std::max)(std::int64_t{1}, wanted);

  // 1. Frequencies under the strict rules. Meanwhile the principal decides at random.
  r.estimate = world;
  std::vector<double> seen(static_cast<std::size_t>(states), 0.0), counts(world.law.size(), 0.0);
  double chance_decision = 0;
  for (std::int64_t a = 0; a < world.actions(); ++a)
    for (std::int64_t theta = 0; theta < states; ++theta)
      chance_decision += world.prior[static_cast<std::size_t>(theta)] *
                         world.utility[static_cast<std::size_t>(a * states + theta)] /
                         static_cast<double>(world.actions());
  const auto draw = [](const double* weights, std::int64_t n, double u) {
    std::int64_t k = 0;
    for (double sum = weights[0]; k + 1 < n && u >= sum; sum += weights[k]) ++k;
    return k;
  };
  for (std::int64_t b = 0; b < profiles; ++b) {
    for (std::int64_t t = 0; t < rounds; ++t) {
      const auto counter = static_cast<std::uint64_t>(b * rounds + t);
      const std::int64_t theta = draw(world.prior.data(), states, uniform(p.seed, 0, counter));
      const double* const row = world.law.data() + (b * states + theta) * joint;
      const std::int64_t s = draw(row, joint, uniform(p.seed, 1, counter));
      seen[static_cast<std::size_t>(theta)] += 1;
      counts[static_cast<std::size_t>((b * states + theta) * joint + s)] += 1;
    }
    double paid = 0;
    for (std::int64_t i = 0; i < world.agents(); ++i) {
      const std::int64_t e = world.effort_of(b, i);
      paid += detail::earned(detail::own_law(world, i, b),
                             rules.of[static_cast<std::size_t>(i)][static_cast<std::size_t>(e)],
                             world.signals[static_cast<std::size_t>(i)], states, true);
    }
    r.regret += static_cast<double>(rounds) * (r.optimal_value - chance_decision + paid);
  }
  r.explored = rounds * profiles;
  for (std::int64_t theta = 0; theta < states; ++theta)
    r.estimate.prior[static_cast<std::size_t>(theta)] =
        seen[static_cast<std::size_t>(theta)] / static_cast<double>(r.explored);
  for (std::int64_t row = 0; row < profiles * states; ++row) {
    double total = 0;
    for (std::int64_t s = 0; s < joint; ++s) total += counts[static_cast<std::size_t>(row * joint + s)];
    for (std::int64_t s = 0; s < joint; ++s)
      r.estimate.law[static_cast<std::size_t>(row * joint + s)] =
          total > 0 ? counts[static_cast<std::size_t>(row * joint + s)] / total : 1 / static_cast<double>(joint);
  }

  // 2. Costs, by the points at which agents switch. The least of an agent's costs is zero.
  const double lowest = *std::min_element(world.utility.begin(), world.utility.end());
  const double worst = lowest - static_cast<double>(world.agents()) * world.payment_limit;
  for (std::int64_t i = 0; i < world.agents(); ++i) {
    auto& cost = r.estimate.cost[static_cast<std::size_t>(i)];
    cost = search_costs(world, r.estimate, rules, i, p.search_tolerance, r.searched);
    const double least = *std::min_element(cost.begin(), cost.end());
    for (double& c : cost) c -= least;
  }
  r.regret += static_cast<double>(r.searched) * (r.optimal_value - worst);

  // 3. The mechanism of the estimates, made strict.
  const double cells = static_cast<double>(profiles * states * joint);
  r.radius = std::sqrt(log(2 * cells / p.confidence) / static_cast<double>(rounds));
  r.slack = p.slack * world.payment_limit * r.radius;
  r.mixed = r.slack / (r.slack + rules.margin);
  r.mechanism = optimal_mechanism(r.estimate, {.slack = r.slack});
  for (std::int64_t i = 0; i < world.agents(); ++i)
    for (std::int64_t b = 0; b < profiles; ++b) {
      if (r.mechanism.probability[static_cast<std::size_t>(b)] == 0) continue;
      const auto& rule = rules.of[static_cast<std::size_t>(i)][static_cast<std::size_t>(world.effort_of(b, i))].payment;
      for (std::int64_t s = 0; s < joint; ++s)
        for (std::int64_t theta = 0; theta < states; ++theta) {
          double& pays =
              r.mechanism.payment[static_cast<std::size_t>(((i * profiles + b) * joint + s) * states + theta)];
          pays += r.mixed * (rule[static_cast<std::size_t>(world.signal_of(s, i) * states + theta)] - pays);
        }
    }
  r.gain = deviation_gain(world, r.mechanism);
  r.committed_value = mechanism_value(world, r.mechanism);
  r.committed = (std::max)(std::int64_t{0}, p.horizon - r.explored - r.searched);
  const double a_round = r.gain <= 1e-9 ? r.optimal_value - r.committed_value : r.optimal_value - worst;
  r.regret += static_cast<double>(r.committed) * a_round;
  return r;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
