// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "linear_program.hpp"

/// Two-player zero-sum games with imperfect information, in sequence form.
///
/// A sequence is what a player has chosen so far; number 0 is the empty one. A strategy x gives every sequence the
/// probability that the player's own choices follow it: x₀ = 1, and at each information set the children of the parent
/// sequence share its probability. Player 1 gets xᵀA y, A[s, t] = Σ payoffs × chance of the leaves that (s, t) reach.
/// Sources: Koller, Megiddo, von Stengel 1996 (linear programme); Hoda et al. 2010 (dilated entropy); Sokota et al. 2023
/// (magnetic mirror descent); Tammelin 2014 (CFR+).
namespace zermelo::inline v1::game {

/// Where a player chooses: after which sequence, and which sequences it chooses from.
struct information_set {
  std::int64_t parent = 0;
  std::vector<std::int64_t> children = {};
};

/// A player's information sets in top-down order: parents before children.
struct treeplex {
  std::int64_t sequences = 1;  ///< the empty one among them
  std::vector<information_set> sets = {};

  ZERMELO_INLINE void require_valid() const;
};

/// A game: both players' treeplexes, and player 1's payoffs.
struct sequence_game {
  treeplex first = {}, second = {};
  std::vector<double> payoff = {};  ///< [first's sequences, second's sequences]

  ZERMELO_INLINE void require_valid() const;
};

/// Strategies of both, and what proves them.
struct sequence_solution {
  double value = 0;            ///< xᵀA y
  std::vector<double> x = {};  ///< [first's sequences]
  std::vector<double> y = {};  ///< [second's sequences]
  double gap = 0;              ///< what best responses gain together: regularised for the regularised equilibrium
  zermelo::convergence convergence = {};
};

struct sequence_parameters {
  double tolerance = 1e-12;               ///< stop at this residual
  std::int64_t max_iterations = 200'000;  ///< of dynamics
};

namespace detail::inline ZERMELO_ISA {

inline void require_treeplex(const treeplex& t) {
  if (t.sequences < 1) throw shape_error("sequences", "a player has the empty sequence at least");
  std::vector<std::uint8_t> known(static_cast<std::size_t>(t.sequences), 0);
  known[0] = 1;
  for (std::size_t k = 0; k < t.sets.size(); ++k) {
    const auto at = static_cast<std::int64_t>(k);
    const information_set& set = t.sets[k];
    if (set.parent < 0 || set.parent >= t.sequences || !known[static_cast<std::size_t>(set.parent)])
      throw domain_error("sets", at,
                         "hangs on sequence " + std::to_string(set.parent) + ", which no set before it has");
    if (set.children.empty()) throw domain_error("sets", at, "has nothing to choose from");
    for (const std::int64_t c : set.children) {
      if (c < 1 || c >= t.sequences || known[static_cast<std::size_t>(c)])
        throw domain_error("sets", at, "leads to sequence " + std::to_string(c) + ", which is out of range or taken");
      known[static_cast<std::size_t>(c)] = 1;
    }
  }
  for (std::size_t s = 0; s < known.size(); ++s)
    if (!known[s]) throw domain_error("sequences", static_cast<std::int64_t>(s), "is the child of no information set");
}

inline void require_sequence_game(const sequence_game& g) {
  require_treeplex(g.first);
  require_treeplex(g.second);
  const std::int64_t expected = g.first.sequences * g.second.sequences;
  if (static_cast<std::int64_t>(g.payoff.size()) != expected)
    throw shape_error("payoff", std::to_string(g.payoff.size()) + " numbers, expected " +
                                    std::to_string(g.first.sequences) + " × " + std::to_string(g.second.sequences));
  for (std::size_t k = 0; k < g.payoff.size(); ++k)
    if (!is_finite(g.payoff[k])) throw domain_error("payoff", static_cast<std::int64_t>(k), "is not a finite number");
}

/// A y, or −Aᵀx: what each sequence of a player earns against the other.
inline void earnings(const sequence_game& g, bool of_second, std::span<const double> other, std::vector<double>& to) {
  const std::int64_t m = g.first.sequences, n = g.second.sequences;
  to.assign(static_cast<std::size_t>(of_second ? n : m), 0.0);
  for (std::int64_t s = 0; s < m; ++s) {
    const double* const row = g.payoff.data() + s * n;
    if (of_second) {
      const double weight = other[static_cast<std::size_t>(s)];
      for (std::int64_t t = 0; t < n; ++t) to[static_cast<std::size_t>(t)] -= weight * row[t];
    } else {
      for (std::int64_t t = 0; t < n; ++t)
        to[static_cast<std::size_t>(s)] += row[t] * other[static_cast<std::size_t>(t)];
    }
  }
}

/// Behaviour [sequences], the share of each child at its set, becomes probabilities of sequences.
inline void realise(const treeplex& t, std::span<const double> behaviour, std::vector<double>& x) {
  x.assign(static_cast<std::size_t>(t.sequences), 0.0);
  x[0] = 1;
  for (const information_set& set : t.sets)
    for (const std::int64_t c : set.children)
      x[static_cast<std::size_t>(c)] = x[static_cast<std::size_t>(set.parent)] * behaviour[static_cast<std::size_t>(c)];
}

/// maxₓ gᵀx − αΨ(x) bottom-up; g is used up. behaviour written: the softmax (α > 0) or the first best child (α = 0).
inline double respond(const treeplex& t, std::vector<double>& g, double alpha, std::vector<double>& behaviour) {
  behaviour.assign(static_cast<std::size_t>(t.sequences), 0.0);
  behaviour[0] = 1;
  for (std::size_t k = t.sets.size(); k-- > 0;) {
    const information_set& set = t.sets[k];
    std::int64_t best = set.children[0];
    for (const std::int64_t c : set.children)
      if (g[static_cast<std::size_t>(c)] > g[static_cast<std::size_t>(best)]) best = c;
    const double most = g[static_cast<std::size_t>(best)];
    double value = most;
    if (alpha == 0) {
      behaviour[static_cast<std::size_t>(best)] = 1;
    } else {
      double sum = 0;
      for (const std::int64_t c : set.children) {
        behaviour[static_cast<std::size_t>(c)] = exp((g[static_cast<std::size_t>(c)] - most) / alpha);
        sum += behaviour[static_cast<std::size_t>(c)];
      }
      for (const std::int64_t c : set.children) behaviour[static_cast<std::size_t>(c)] /= sum;
      value = most + alpha * log(sum);
    }
    g[static_cast<std::size_t>(set.parent)] += value;
  }
  return g[0];
}

/// Ψ(x) = Σ over sets and children of x_c log(x_c/x_parent).
inline double dilated_entropy(const treeplex& t, std::span<const double> x) {
  double sum = 0;
  for (const information_set& set : t.sets)
    for (const std::int64_t c : set.children) {
      const double child = x[static_cast<std::size_t>(c)];
      if (child > 0) sum += child * log(child / x[static_cast<std::size_t>(set.parent)]);
    }
  return sum;
}

inline double payoff_of(const sequence_game& g, std::span<const double> x, std::span<const double> y) {
  const std::int64_t n = g.second.sequences;
  double sum = 0;
  for (std::int64_t s = 0; s < g.first.sequences; ++s)
    for (std::int64_t t = 0; t < n; ++t)
      sum += x[static_cast<std::size_t>(s)] * g.payoff[static_cast<std::size_t>(s * n + t)] *
             y[static_cast<std::size_t>(t)];
  return sum;
}

/// g/(1 + ηα) with  gᵢ = η earnings + ∇Ψ(x), where behaviour is that of x.
inline void mirror_gradient(const treeplex& t, std::span<const double> behaviour, double step, double alpha,
                            std::vector<double>& g) {
  for (double& e : g) e *= step;
  for (const information_set& set : t.sets) {
    for (const std::int64_t c : set.children)
      g[static_cast<std::size_t>(c)] += log(behaviour[static_cast<std::size_t>(c)]) + 1;
    g[static_cast<std::size_t>(set.parent)] -= 1;
  }
  for (double& e : g) e /= 1 + step * alpha;
}

}  // namespace detail::inline ZERMELO_ISA

ZERMELO_INLINE void treeplex::require_valid() const { detail::require_treeplex(*this); }
ZERMELO_INLINE void sequence_game::require_valid() const { detail::require_sequence_game(*this); }

inline namespace ZERMELO_ISA {

/// maxₓ gᵀx over strategies, and one that attains it; ties go to the first child.   Cost: O(sequences).
inline double best_response(const treeplex& t, std::span<const double> earnings, std::vector<double>& x) {
  std::vector<double> g(earnings.begin(), earnings.end()), behaviour;
  const double value = detail::respond(t, g, 0, behaviour);
  detail::realise(t, behaviour, x);
  return value;
}

/// max_x′ x′ᵀA y − min_y′ xᵀA y′, what best responses to (x, y) gain together: 0 at an equilibrium. With α > 0 of the
/// regularised game, in which each side also pays αΨ of its own strategy.
/// Errors: shape_error.
inline double sequence_gap(const sequence_game& g, std::span<const double> x, std::span<const double> y,
                           double alpha = 0) {
  if (static_cast<std::int64_t>(x.size()) != g.first.sequences ||
      static_cast<std::int64_t>(y.size()) != g.second.sequences)
    throw shape_error("x", "strategies must have one element a sequence");
  std::vector<double> e, b;
  detail::earnings(g, false, y, e);
  const double up = detail::respond(g.first, e, alpha, b);
  detail::earnings(g, true, x, e);
  const double down = detail::respond(g.second, e, alpha, b);
  if (alpha == 0) return up + down;
  return up + down + alpha * (detail::dilated_entropy(g.first, x) + detail::dilated_entropy(g.second, y));
}

/// An exact equilibrium by linear programming:  maximise fᵀv subject to Fᵀv ≤ Aᵀx, Ex = e, x ≥ 0.
///
/// F y = f says that y is a strategy of player 2, E x = e likewise; y is read off the multipliers.
/// Errors: shape_error, domain_error for what is no game.   Cost: a dense linear programme of all sequences and sets.
inline sequence_solution solve_sequence_form(const sequence_game& g) {
  g.require_valid();
  const std::int64_t m = g.first.sequences, n = g.second.sequences;
  const auto sets = static_cast<std::int64_t>(g.second.sets.size());
  linear_program<double> program(m + 1 + sets);  // x, then v of the root and of each set
  for (std::int64_t k = 0; k <= sets; ++k) program.free[static_cast<std::size_t>(m + k)] = 1;
  program.objective[static_cast<std::size_t>(m)] = 1;
  const std::int64_t root = program.add_row(relation::equal, 1);
  program(root, 0) = 1;
  for (const information_set& set : g.first.sets) {
    const std::int64_t row = program.add_row(relation::equal, 0);
    program(row, set.parent) = -1;
    for (const std::int64_t c : set.children) program(row, c) = 1;
  }
  const std::int64_t earliest = program.rows();
  for (std::int64_t t = 0; t < n; ++t) {
    const std::int64_t row = program.add_row(relation::at_most, 0);
    for (std::int64_t s = 0; s < m; ++s) program(row, s) = -g.payoff[static_cast<std::size_t>(s * n + t)];
  }
  program(earliest, m) = 1;
  for (std::int64_t k = 0; k < sets; ++k) {
    const information_set& set = g.second.sets[static_cast<std::size_t>(k)];
    program(earliest + set.parent, m + 1 + k) -= 1;
    for (const std::int64_t c : set.children) program(earliest + c, m + 1 + k) += 1;
  }
  const auto solved = solve_linear_program(program);
  sequence_solution s;
  s.convergence.iterations = solved.pivots;
  s.x.assign(solved.x.begin(), solved.x.begin() + m);
  s.y.assign(solved.multipliers.begin() + earliest, solved.multipliers.end());
  for (auto* v : {&s.x, &s.y})
    for (double& p : *v) p = p > 0 ? p : 0;
  s.value = solved.value;
  s.gap = sequence_gap(g, s.x, s.y);
  s.convergence.residual = s.gap;
  s.convergence.status = solved.outcome == program_outcome::optimal ? status::converged : status::stalled;
  return s;
}

/// The α-regularised equilibrium (agent quantal response):  x = argmax xᵀAy − αΨ(x), y = argmax −xᵀAy − αΨ(y).
///
/// Magnetic mirror descent with the dilated entropy from uniform behaviour: a step is the softmax, bottom-up, of
/// (η A y + ∇Ψ(x))/(1 + ηα). The step begins at α/max|A|² and is halved when the residual no longer falls. value is xᵀA y,
/// without entropies; the residual is the largest difference of a choice from the smoothed response to the other side (the
/// regularised gap is of the order of its square).
/// Errors: shape_error, domain_error; α ≤ 0.   Cost: two products with A an iteration; linear convergence.
inline sequence_solution solve_regularized_sequence_form(const sequence_game& g, double alpha,
                                                         const sequence_parameters& p = {}) {
  g.require_valid();
  if (!is_finite(alpha) || alpha <= 0)
    throw domain_error("alpha", domain_error::whole,
                       "must be positive and finite, got " + zermelo::detail::text(alpha));
  double size = 0;
  for (const double a : g.payoff) size = (std::max)(size, std::abs(a));
  double step = size > 0 ? (std::min)(alpha / (size * size), 1e3 / alpha) : 1 / alpha;
  const treeplex* const trees[] = {&g.first, &g.second};
  std::vector<double> behaviour[2], strategy[2], gradient[2], best[2], response, used;
  for (int k = 0; k < 2; ++k) {
    behaviour[k].assign(static_cast<std::size_t>(trees[k]->sequences), 1.0);
    for (const information_set& set : trees[k]->sets)
      for (const std::int64_t c : set.children)
        behaviour[k][static_cast<std::size_t>(c)] = 1 / static_cast<double>(set.children.size());
    detail::realise(*trees[k], behaviour[k], strategy[k]);
  }
  sequence_solution s;
  const double longest = step;
  double least = HUGE_VAL;
  std::int64_t idle = 0;
  for (std::int64_t iteration = 0;; ++iteration) {
    for (int k = 0; k < 2; ++k) detail::earnings(g, k == 1, strategy[1 - k], gradient[k]);
    double residual = 0;
    for (int k = 0; k < 2; ++k) {
      used = gradient[k];
      detail::respond(*trees[k], used, alpha, response);
      for (std::size_t e = 0; e < response.size(); ++e)
        residual = (std::max)(residual, std::abs(response[e] - behaviour[k][e]));
    }
    if (residual < least) {
      least = residual;
      for (int k = 0; k < 2; ++k) best[k] = behaviour[k];
      idle = 0;
    } else {
      ++idle;
    }
    s.convergence = {iteration, least, status::converged};
    if (least <= p.tolerance) break;
    if (iteration == p.max_iterations || step < 1e-6 * longest) {
      s.convergence.status = iteration == p.max_iterations ? status::limit : status::stalled;
      break;
    }
    // Nothing better for longer than the distance should take to fall by e⁴: the step is too long.
    if (static_cast<double>(idle) > 200 + 4 * (1 + 1 / (step * alpha))) {
      step /= 2;
      idle = 0;
      for (int k = 0; k < 2; ++k) {
        behaviour[k] = best[k];
        detail::realise(*trees[k], behaviour[k], strategy[k]);
      }
      continue;
    }
    for (int k = 0; k < 2; ++k) {
      detail::mirror_gradient(*trees[k], behaviour[k], step, alpha, gradient[k]);
      detail::respond(*trees[k], gradient[k], 1, behaviour[k]);
      detail::realise(*trees[k], behaviour[k], strategy[k]);
    }
  }
  detail::realise(g.first, best[0], s.x);
  detail::realise(g.second, best[1], s.y);
  s.gap = sequence_gap(g, s.x, s.y, alpha);
  s.value = detail::payoff_of(g, s.x, s.y);
  return s;
}

/// An equilibrium by CFR+: regret matching with clipped regrets at every information set, players in turn, and strategies
/// averaged with linear weights. Needs no step size.   Residual: the gap of the averages, read every hundred iterations.
/// Errors: shape_error, domain_error.   Cost: two products with A an iteration; the gap falls like 1/iterations at least.
inline sequence_solution solve_by_regret_matching(const sequence_game& g,
                                                  const sequence_parameters& p = {.tolerance = 1e-6}) {
  g.require_valid();
  const treeplex* const trees[] = {&g.first, &g.second};
  std::vector<double> regret[2], behaviour[2], strategy[2], average[2], earned;
  const auto match = [&](int k) {
    behaviour[k].assign(regret[k].size(), 1.0);
    for (const information_set& set : trees[k]->sets) {
      double sum = 0;
      for (const std::int64_t c : set.children) sum += regret[k][static_cast<std::size_t>(c)];
      for (const std::int64_t c : set.children)
        behaviour[k][static_cast<std::size_t>(c)] =
            sum > 0 ? regret[k][static_cast<std::size_t>(c)] / sum : 1 / static_cast<double>(set.children.size());
    }
    detail::realise(*trees[k], behaviour[k], strategy[k]);
  };
  for (int k = 0; k < 2; ++k) {
    regret[k].assign(static_cast<std::size_t>(trees[k]->sequences), 0.0);
    average[k] = regret[k];
    match(k);
  }
  sequence_solution s;
  double weights = 0;
  for (std::int64_t iteration = 1;; ++iteration) {
    for (int k = 0; k < 2; ++k) {
      detail::earnings(g, k == 1, strategy[1 - k], earned);
      for (std::size_t e = trees[k]->sets.size(); e-- > 0;) {
        const information_set& set = trees[k]->sets[e];
        double value = 0;
        for (const std::int64_t c : set.children)
          value += behaviour[k][static_cast<std::size_t>(c)] * earned[static_cast<std::size_t>(c)];
        for (const std::int64_t c : set.children) {
          double& r = regret[k][static_cast<std::size_t>(c)];
          r = (std::max)(r + earned[static_cast<std::size_t>(c)] - value, 0.0);
        }
        earned[static_cast<std::size_t>(set.parent)] += value;
      }
      match(k);
    }
    const double weight = static_cast<double>(iteration);
    weights += weight;
    for (int k = 0; k < 2; ++k)
      for (std::size_t e = 0; e < average[k].size(); ++e)
        average[k][e] += weight / weights * (strategy[k][e] - average[k][e]);
    if (iteration % 100 != 0 && iteration != p.max_iterations) continue;
    s.gap = sequence_gap(g, average[0], average[1]);
    s.convergence = {iteration, s.gap, status::converged};
    if (s.gap <= p.tolerance) break;
    if (iteration == p.max_iterations) {
      s.convergence.status = status::limit;
      break;
    }
  }
  s.x = average[0], s.y = average[1];
  s.value = detail::payoff_of(g, s.x, s.y);
  return s;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
