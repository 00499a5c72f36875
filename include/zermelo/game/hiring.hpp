// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/random.hpp"
#include "../core/value.hpp"
#include "linear_program.hpp"

/// Hiring agents to acquire information: whom to ask for how much effort, and what to pay for which report.
///
/// Agents i choose efforts bᵢ at costs cᵢ(bᵢ) and see signals sᵢ of a state θ ~ p; the joint law is Q(s | b, θ). The principal
/// decides by their reports, gets u(a, θ), sees θ, and pays γᵢ ∈ [0, M]. A mechanism draws recommended efforts b ~ μ, tells
/// each agent its own, and pays γᵢ(b, s, θ); it is incentive compatible if obeying and reporting truthfully is best for each.
///
/// Source: Chen, Ren et al. 2024, "Online information acquisition: hiring multiple agents".
namespace zermelo::inline v1::game {

/// Joint efforts and joint signals are numbered with the last agent's fastest.
struct hiring_problem {
  std::vector<std::int64_t> efforts = {};      ///< [n] how many each agent has to choose from
  std::vector<std::int64_t> signals = {};      ///< [n] how many each may see
  std::vector<double> prior = {};              ///< [Θ] p
  std::vector<double> law = {};                ///< [joint efforts, Θ, joint signals] Q
  std::vector<std::vector<double>> cost = {};  ///< [n][efforts] c ≥ 0, one of them 0
  std::vector<double> utility = {};            ///< [actions, Θ] u
  double payment_limit = 1;                    ///< M ≥ 0

  ZERMELO_INLINE std::int64_t agents() const { return static_cast<std::int64_t>(efforts.size()); }
  ZERMELO_INLINE std::int64_t states() const { return static_cast<std::int64_t>(prior.size()); }
  ZERMELO_INLINE std::int64_t actions() const { return static_cast<std::int64_t>(utility.size()) / states(); }
  ZERMELO_INLINE std::int64_t profiles() const { return product(efforts); }
  ZERMELO_INLINE std::int64_t signal_profiles() const { return product(signals); }
  /// Part i of a joint index.
  ZERMELO_INLINE std::int64_t effort_of(std::int64_t b, std::int64_t i) const { return part(efforts, b, i); }
  ZERMELO_INLINE std::int64_t signal_of(std::int64_t s, std::int64_t i) const { return part(signals, s, i); }
  /// The joint index with part i replaced.
  ZERMELO_INLINE std::int64_t with_effort(std::int64_t b, std::int64_t i, std::int64_t to) const {
    return replaced(efforts, b, i, to);
  }
  ZERMELO_INLINE std::int64_t with_signal(std::int64_t s, std::int64_t i, std::int64_t to) const {
    return replaced(signals, s, i, to);
  }
  /// p(θ) Q(s | b, θ)
  ZERMELO_INLINE double chance(std::int64_t b, std::int64_t s, std::int64_t theta) const {
    const std::int64_t at = (b * states() + theta) * signal_profiles() + s;
    return prior[static_cast<std::size_t>(theta)] * law[static_cast<std::size_t>(at)];
  }
  ZERMELO_INLINE double cost_of(std::int64_t i, std::int64_t effort) const {
    return cost[static_cast<std::size_t>(i)][static_cast<std::size_t>(effort)];
  }
  ZERMELO_INLINE void require_valid() const;

 private:
  ZERMELO_INLINE static std::int64_t product(const std::vector<std::int64_t>& of) {
    std::int64_t p = 1;
    for (const std::int64_t x : of) p *= x;
    return p;
  }
  ZERMELO_INLINE static std::int64_t stride(const std::vector<std::int64_t>& of, std::int64_t i) {
    std::int64_t p = 1;
    for (std::size_t k = static_cast<std::size_t>(i) + 1; k < of.size(); ++k) p *= of[k];
    return p;
  }
  ZERMELO_INLINE static std::int64_t part(const std::vector<std::int64_t>& of, std::int64_t joint, std::int64_t i) {
    return joint / stride(of, i) % of[static_cast<std::size_t>(i)];
  }
  ZERMELO_INLINE static std::int64_t replaced(const std::vector<std::int64_t>& of, std::int64_t joint, std::int64_t i,
                                              std::int64_t to) {
    return joint + (to - part(of, joint, i)) * stride(of, i);
  }
};

/// A correlated mechanism.
struct hiring_mechanism {
  double value = 0;                       ///< what the principal expects, payments deducted
  std::vector<double> probability = {};   ///< [joint efforts] μ
  std::vector<double> payment = {};       ///< [n, joint efforts, joint signals, Θ] γ; 0 where μ = 0
  std::vector<std::int64_t> action = {};  ///< [joint efforts, joint signals] the best by the posterior
  program_outcome outcome = program_outcome::stalled;
  double error = 0;  ///< the largest error of the linear programme's certificate

  ZERMELO_INLINE double pays(const hiring_problem& p, std::int64_t i, std::int64_t b, std::int64_t s,
                             std::int64_t theta) const {
    return payment[static_cast<std::size_t>(((i * p.profiles() + b) * p.signal_profiles() + s) * p.states() + theta)];
  }
};

struct hiring_parameters {
  std::int64_t only_profile = -1;  ///< recommend this joint effort alone; −1: any lottery
  double slack = 0;                ///< ε ≥ 0 that an agent may gain by disobeying, given what it was told
};

namespace detail::inline ZERMELO_ISA {

inline void require_distribution(const char* name, std::span<const double> p, std::int64_t first) {
  double sum = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    if (!is_finite(p[k]) || p[k] < 0)
      throw domain_error(name, first + static_cast<std::int64_t>(k),
                         "a probability is not negative, got " + zermelo::detail::text(p[k]));
    sum += p[k];
  }
  if (!(std::abs(sum - 1) <= 1e-9))
    throw domain_error(name, first, "probabilities from here on must sum to one, got " + zermelo::detail::text(sum));
}

inline void require_hiring(const hiring_problem& p) {
  if (p.efforts.empty()) throw shape_error("efforts", "no agents");
  if (p.signals.size() != p.efforts.size() || p.cost.size() != p.efforts.size())
    throw shape_error("signals", "efforts, signals and costs are of equally many agents");
  for (std::size_t i = 0; i < p.efforts.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    if (p.efforts[i] < 1) throw domain_error("efforts", at, "at least one, not " + std::to_string(p.efforts[i]));
    if (p.signals[i] < 1) throw domain_error("signals", at, "at least one, not " + std::to_string(p.signals[i]));
    if (static_cast<std::int64_t>(p.cost[i].size()) != p.efforts[i])
      throw shape_error("cost", "agent " + std::to_string(i) + " has " + std::to_string(p.efforts[i]) +
                                    " efforts and " + std::to_string(p.cost[i].size()) + " costs");
    for (const double c : p.cost[i])
      if (!is_finite(c) || c < 0)
        throw domain_error("cost", at, "is finite and not negative, got " + zermelo::detail::text(c));
  }
  if (p.prior.empty()) throw shape_error("prior", "no states");
  require_distribution("prior", p.prior, 0);
  if (p.utility.empty() || p.utility.size() % p.prior.size() != 0)
    throw shape_error("utility", std::to_string(p.utility.size()) + " numbers are no matrix of actions by " +
                                     std::to_string(p.prior.size()) + " states");
  for (std::size_t k = 0; k < p.utility.size(); ++k)
    if (!is_finite(p.utility[k])) throw domain_error("utility", static_cast<std::int64_t>(k), "is not a finite number");
  if (!is_finite(p.payment_limit) || p.payment_limit < 0)
    throw domain_error("payment_limit", domain_error::whole,
                       "is finite and not negative, got " + zermelo::detail::text(p.payment_limit));
  const std::int64_t expected = p.profiles() * p.states() * p.signal_profiles();
  if (static_cast<std::int64_t>(p.law.size()) != expected)
    throw shape_error("law", std::to_string(p.law.size()) + " numbers, expected " + std::to_string(expected));
  const auto width = static_cast<std::size_t>(p.signal_profiles());
  for (std::size_t row = 0; row * width < p.law.size(); ++row)
    require_distribution("law", {p.law.data() + row * width, width}, static_cast<std::int64_t>(row * width));
}

inline double utility_of(const hiring_problem& p, std::int64_t b, std::int64_t s, std::int64_t action) {
  double sum = 0;
  for (std::int64_t theta = 0; theta < p.states(); ++theta)
    sum += p.chance(b, s, theta) * p.utility[static_cast<std::size_t>(action * p.states() + theta)];
  return sum;
}

/// The first of the actions that are best after signals s of efforts b.
inline std::int64_t best_action(const hiring_problem& p, std::int64_t b, std::int64_t s) {
  std::int64_t best = 0;
  for (std::int64_t a = 1; a < p.actions(); ++a)
    if (utility_of(p, b, s, a) > utility_of(p, b, s, best)) best = a;
  return best;
}

}  // namespace detail::inline ZERMELO_ISA

ZERMELO_INLINE void hiring_problem::require_valid() const { detail::require_hiring(*this); }

inline namespace ZERMELO_ISA {

/// v(b) = Σ_s max_a Σ_θ p(θ) Q(s | b, θ) u(a, θ): what decisions are worth when efforts are b and reports are true.
inline double decision_value(const hiring_problem& p, std::int64_t b) {
  double sum = 0;
  for (std::int64_t s = 0; s < p.signal_profiles(); ++s)
    sum += detail::utility_of(p, b, s, detail::best_action(p, b, s));
  return sum;
}

/// The best incentive-compatible mechanism, by a linear programme in μ(b), xᵢ(b, s, θ) = μ(b)γᵢ(b, s, θ) ∈ [0, Mμ(b)], and
/// zᵢ(bᵢ, bᵢ′, sᵢ), what agent i gets at most for signal sᵢ, told bᵢ, working bᵢ′:
///
///   maximise  Σ_b μ(b)v(b) − Σ p(θ)Q(s|b,θ) xᵢ(b, s, θ)   subject to Σμ = 1 and, for all i, bᵢ, bᵢ′, sᵢ, sᵢ′,
///     zᵢ(bᵢ, bᵢ′, sᵢ) ≥ Σ p(θ)Q(sᵢ, s₋ᵢ | bᵢ′, b₋ᵢ, θ) xᵢ(b, (sᵢ′, s₋ᵢ), θ)
///     Σ p(θ)Q(s|b,θ) xᵢ(b, s, θ) − Σ μ(b)cᵢ(bᵢ) ≥ Σ zᵢ(bᵢ, bᵢ′, sᵢ) − Σ μ(b)cᵢ(bᵢ′) − ε Σ μ(b)      (sums over b₋ᵢ)
///
/// Money is counted in units of the largest utility. With `only_profile` the answer may be infeasible; without, paying nothing for costless efforts is always an answer.
/// Errors: shape_error, domain_error for what is no hiring problem.
/// Cost: a dense linear programme with Π|B|·(1 + n·Π|S|·|Θ|) + Σ|Bᵢ|²|Sᵢ| variables and as many rows, nearly.
inline hiring_mechanism optimal_mechanism(const hiring_problem& p, const hiring_parameters& parameters = {}) {
  p.require_valid();
  double largest = 0;
  for (const double u : p.utility) largest = (std::max)(largest, std::abs(u));
  const double unit = largest > 0 ? std::ldexp(1.0, std::ilogb(largest)) : 1;
  if (unit != 1) {
    hiring_problem scaled = p;
    for (double& u : scaled.utility) u /= unit;
    for (auto& costs : scaled.cost)
      for (double& c : costs) c /= unit;
    scaled.payment_limit /= unit;
    hiring_mechanism m = optimal_mechanism(scaled, {parameters.only_profile, parameters.slack / unit});
    m.value *= unit;
    m.error *= unit;
    for (double& x : m.payment) x *= unit;
    return m;
  }
  const std::int64_t agents = p.agents(), states = p.states(), joint = p.signal_profiles();
  if (parameters.only_profile < -1 || parameters.only_profile >= p.profiles())
    throw domain_error("only_profile", domain_error::whole,
                       std::to_string(parameters.only_profile) + " is none of the joint efforts");
  if (!is_finite(parameters.slack) || parameters.slack < 0)
    throw domain_error("slack", domain_error::whole, "is finite and not negative");
  std::vector<std::int64_t> profiles;
  std::vector<std::int64_t> place(static_cast<std::size_t>(p.profiles()), -1);
  for (std::int64_t b = 0; b < p.profiles(); ++b) {
    if (parameters.only_profile != -1 && b != parameters.only_profile) continue;
    place[static_cast<std::size_t>(b)] = static_cast<std::int64_t>(profiles.size());
    profiles.push_back(b);
  }
  const auto count = static_cast<std::int64_t>(profiles.size());
  const auto x = [&](std::int64_t i, std::int64_t k, std::int64_t s, std::int64_t theta) {
    return count + ((i * count + k) * joint + s) * states + theta;
  };
  // z: blocks of agents, told efforts, tried efforts and signals. It is not negative, for no payment is.
  std::vector<std::int64_t> block;
  std::int64_t variables = count + agents * count * joint * states;
  for (std::int64_t i = 0; i < agents; ++i) {
    block.push_back(variables);
    const auto e = static_cast<std::size_t>(i);
    variables += p.efforts[e] * p.efforts[e] * p.signals[e];
  }
  linear_program<double> program(variables);
  for (std::int64_t k = 0; k < count; ++k) {
    const std::int64_t b = profiles[static_cast<std::size_t>(k)];
    program.objective[static_cast<std::size_t>(k)] = decision_value(p, b);
    for (std::int64_t i = 0; i < agents; ++i)
      for (std::int64_t s = 0; s < joint; ++s)
        for (std::int64_t theta = 0; theta < states; ++theta)
          program.objective[static_cast<std::size_t>(x(i, k, s, theta))] = -p.chance(b, s, theta);
  }
  const std::int64_t whole = program.add_row(relation::equal, 1);
  for (std::int64_t k = 0; k < count; ++k) program(whole, k) = 1;
  for (std::int64_t i = 0; i < agents; ++i) {
    const std::int64_t efforts = p.efforts[static_cast<std::size_t>(i)],
                       signals = p.signals[static_cast<std::size_t>(i)];
    for (std::int64_t told = 0; told < efforts; ++told) {
      bool recommended = false;
      for (const std::int64_t b : profiles) recommended = recommended || p.effort_of(b, i) == told;
      if (!recommended) continue;
      for (std::int64_t tried = 0; tried < efforts; ++tried) {
        const std::int64_t z = block[static_cast<std::size_t>(i)] + (told * efforts + tried) * signals;
        for (std::int64_t seen = 0; seen < signals; ++seen)
          for (std::int64_t said = 0; said < signals; ++said) {
            const std::int64_t row = program.add_row(relation::at_most, 0);
            program(row, z + seen) = -1;
            for (std::int64_t k = 0; k < count; ++k) {
              const std::int64_t b = profiles[static_cast<std::size_t>(k)];
              if (p.effort_of(b, i) != told) continue;
              for (std::int64_t s = 0; s < joint; ++s) {
                if (p.signal_of(s, i) != seen) continue;
                for (std::int64_t theta = 0; theta < states; ++theta)
                  program(row, x(i, k, p.with_signal(s, i, said), theta)) =
                      p.chance(p.with_effort(b, i, tried), s, theta);
              }
            }
          }
        const std::int64_t row = program.add_row(relation::at_most, 0);
        for (std::int64_t seen = 0; seen < signals; ++seen) program(row, z + seen) = 1;
        for (std::int64_t k = 0; k < count; ++k) {
          const std::int64_t b = profiles[static_cast<std::size_t>(k)];
          if (p.effort_of(b, i) != told) continue;
          program(row, k) = p.cost_of(i, told) - p.cost_of(i, tried) - parameters.slack;
          for (std::int64_t s = 0; s < joint; ++s)
            for (std::int64_t theta = 0; theta < states; ++theta)
              program(row, x(i, k, s, theta)) = -p.chance(b, s, theta);
        }
      }
    }
    for (std::int64_t k = 0; k < count; ++k)
      for (std::int64_t s = 0; s < joint; ++s)
        for (std::int64_t theta = 0; theta < states; ++theta) {
          const std::int64_t row = program.add_row(relation::at_most, 0);
          program(row, x(i, k, s, theta)) = 1;
          program(row, k) = -p.payment_limit;
        }
  }
  const auto solved = solve_linear_program(program);
  hiring_mechanism m;
  m.outcome = solved.outcome;
  m.value = solved.value;
  m.error = (std::max)({solved.primal_error, solved.dual_error, solved.gap});
  m.probability.assign(static_cast<std::size_t>(p.profiles()), 0.0);
  m.payment.assign(static_cast<std::size_t>(agents * p.profiles() * joint * states), 0.0);
  m.action.assign(static_cast<std::size_t>(p.profiles() * joint), 0);
  if (m.outcome != program_outcome::optimal) return m;
  double total = 0;
  for (std::int64_t k = 0; k < count; ++k) total += (std::max)(solved.x[static_cast<std::size_t>(k)], 0.0);
  for (std::int64_t b = 0; b < p.profiles(); ++b) {
    for (std::int64_t s = 0; s < joint; ++s)
      m.action[static_cast<std::size_t>(b * joint + s)] = detail::best_action(p, b, s);
    const std::int64_t k = place[static_cast<std::size_t>(b)];
    if (k < 0) continue;
    const double mass = (std::max)(solved.x[static_cast<std::size_t>(k)], 0.0);
    m.probability[static_cast<std::size_t>(b)] = mass / total;
    if (mass <= 1e-12) {
      m.probability[static_cast<std::size_t>(b)] = 0;
      continue;
    }
    for (std::int64_t i = 0; i < agents; ++i)
      for (std::int64_t s = 0; s < joint; ++s)
        for (std::int64_t theta = 0; theta < states; ++theta) {
          const double paid = solved.x[static_cast<std::size_t>(x(i, k, s, theta))] / mass;
          m.payment[static_cast<std::size_t>(((i * p.profiles() + b) * joint + s) * states + theta)] =
              (std::min)((std::max)(paid, 0.0), p.payment_limit);
        }
  }
  return m;
}

/// The most that an agent gains by disobeying or lying, given what it was told: ≤ 0 if the mechanism is incentive
/// compatible in the problem given, which may differ from the one that it was made for.   Cost: O(n·|Bᵢ|·Π|B|·Π|S|·|Sᵢ|·|Θ|).
inline double deviation_gain(const hiring_problem& p, const hiring_mechanism& m) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < p.agents(); ++i)
    for (std::int64_t told = 0; told < p.efforts[static_cast<std::size_t>(i)]; ++told) {
      double mass = 0, obeyed = 0;
      for (std::int64_t b = 0; b < p.profiles(); ++b) {
        const double mu = m.probability[static_cast<std::size_t>(b)];
        if (mu == 0 || p.effort_of(b, i) != told) continue;
        mass += mu;
        for (std::int64_t s = 0; s < p.signal_profiles(); ++s)
          for (std::int64_t theta = 0; theta < p.states(); ++theta)
            obeyed += mu * p.chance(b, s, theta) * m.pays(p, i, b, s, theta);
      }
      if (mass == 0) continue;
      for (std::int64_t tried = 0; tried < p.efforts[static_cast<std::size_t>(i)]; ++tried) {
        double deviated = 0;
        for (std::int64_t seen = 0; seen < p.signals[static_cast<std::size_t>(i)]; ++seen) {
          double most = 0;
          for (std::int64_t said = 0; said < p.signals[static_cast<std::size_t>(i)]; ++said) {
            double sum = 0;
            for (std::int64_t b = 0; b < p.profiles(); ++b) {
              const double mu = m.probability[static_cast<std::size_t>(b)];
              if (mu == 0 || p.effort_of(b, i) != told) continue;
              for (std::int64_t s = 0; s < p.signal_profiles(); ++s) {
                if (p.signal_of(s, i) != seen) continue;
                for (std::int64_t theta = 0; theta < p.states(); ++theta)
                  sum += mu * p.chance(p.with_effort(b, i, tried), s, theta) *
                         m.pays(p, i, b, p.with_signal(s, i, said), theta);
              }
            }
            most = (std::max)(most, sum);
          }
          deviated += most;
        }
        largest = (std::max)(largest, (deviated - obeyed) / mass - p.cost_of(i, tried) + p.cost_of(i, told));
      }
    }
  return largest;
}

/// What the principal expects of a mechanism when all obey, by the law of the problem given.
inline double mechanism_value(const hiring_problem& p, const hiring_mechanism& m) {
  double value = 0;
  for (std::int64_t b = 0; b < p.profiles(); ++b) {
    const double mu = m.probability[static_cast<std::size_t>(b)];
    if (mu == 0) continue;
    for (std::int64_t s = 0; s < p.signal_profiles(); ++s) {
      value += mu * detail::utility_of(p, b, s, m.action[static_cast<std::size_t>(b * p.signal_profiles() + s)]);
      for (std::int64_t theta = 0; theta < p.states(); ++theta)
        for (std::int64_t i = 0; i < p.agents(); ++i) value -= mu * p.chance(b, s, theta) * m.pays(p, i, b, s, theta);
    }
  }
  return value;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
