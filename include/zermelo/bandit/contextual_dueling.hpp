// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/links.hpp"
#include "../core/primitives/solve.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Linear contextual dueling bandits: arms have features, and what is learnt of one duel tells of all arms.
///
///   P(i beats j) = σ(θᵀ(xᵢ − xⱼ)),   V = λI + Σ over duels of zzᵀ,  z = xᵢ − xⱼ,   ‖v‖² = vᵀV⁻¹v
///
/// Both the estimate and V depend on the duels by their counts alone: the tally is the sufficient statistic.
/// Sources: Saha 2021 (MaxInP, first arm greedy); Bengs, Saha, Hüllermeier 2022 (CoLSTIM); Di et al. 2024 (pair bonus).
namespace zermelo::inline v1::bandit {

enum class contextual_rule : std::uint8_t {
  max_first_ucb_next,  ///< i = argmax θ̂ᵀxᵢ;  j = argmax θ̂ᵀxⱼ + β‖xᵢ − xⱼ‖
  max_pair_ucb,        ///< argmax θ̂ᵀ(xᵢ + xⱼ) + β‖xᵢ − xⱼ‖
  max_inp,             ///< the pair of largest ‖xᵢ − xⱼ‖ of those arms that may be best
  colstim  ///< i = argmax θ̂ᵀxᵢ + εᵢ‖xᵢ‖;  j = argmax θ̂ᵀ(xⱼ − xᵢ) + β‖xᵢ − xⱼ‖
};

struct contextual_parameters {
  contextual_rule rule = contextual_rule::max_first_ucb_next;
  double ridge = 1e-3;            ///< λ > 0
  double beta = -1;               ///< ≥ 0, weight of what is not known; −1: 2√(d ln T)
  std::int64_t horizon = 10'000;  ///< T ≥ 1, of that default and of CoLSTIM's noise
  std::int64_t refresh = 100;     ///< rounds after which V⁻¹ is factored anew, ≥ 1

  ZERMELO_INLINE double bonus(std::int64_t d) const {
    return beta < 0 ? 2 * std::sqrt(static_cast<double>(d) * log(static_cast<double>(horizon))) : beta;
  }
  ZERMELO_INLINE void require_valid() const {
    detail::require_positive("ridge", ridge);
    if (!is_finite(beta) || (beta < 0 && beta != -1))
      throw domain_error("beta", domain_error::whole, "must be -1 or not negative, got " + zermelo::detail::text(beta));
    if (horizon < 1)
      throw domain_error("horizon", domain_error::whole, "at least one duel, not " + std::to_string(horizon));
    if (refresh < 1)
      throw domain_error("refresh", domain_error::whole, "at least one round, not " + std::to_string(refresh));
  }
};

/// Features of arms, row after row.
struct arm_features {
  std::int64_t arms = 0, dimensions = 0;
  std::vector<double> values = {};  ///< [K, d]

  ZERMELO_INLINE std::span<const double> row(std::int64_t i) const {
    return {values.data() + i * dimensions, detail::at(dimensions)};
  }
};

/// Counts of a pair that has met.
struct pair_count {
  std::int64_t first = 0, second = 0;
  double wins = 0, losses = 0;  ///< of the first
};

/// The estimate of θ, and what proves it.
struct utility_fit {
  std::vector<double> weights = {};       ///< [d] θ̂
  zermelo::convergence convergence = {};  ///< residual: ‖gradient‖∞
};

namespace detail {

/// Reused by every Newton iteration.
struct newton_space {
  std::vector<double> gradient, hessian, trial, difference;
  zermelo::cholesky factor;
};

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

inline double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t k = 0; k < a.size(); ++k) sum += a[k] * b[k];
  return sum;
}

/// ½λ‖θ‖² + Σ wins·softplus(−θᵀz) + losses·softplus(θᵀz); its gradient and Hessian where they are wanted.
inline double ridge_likelihood(const arm_features& x, std::span<const pair_count> pairs, double ridge,
                               std::span<const double> theta, newton_space* space) {
  const std::size_t d = theta.size();
  double value = 0.5 * ridge * dot(theta, theta);
  if (space) {
    space->gradient.assign(d, 0.0);
    space->hessian.assign(d * d, 0.0);
    space->difference.resize(d);
    for (std::size_t k = 0; k < d; ++k) {
      space->gradient[k] = ridge * theta[k];
      space->hessian[k * d + k] = ridge;
    }
  }
  for (const pair_count& p : pairs) {
    const auto a = x.row(p.first), b = x.row(p.second);
    double margin = 0;
    for (std::size_t k = 0; k < d; ++k) margin += theta[k] * (a[k] - b[k]);
    const auto won = logistic{}(margin), lost = logistic{}(-margin);
    value += weighted(p.wins, won.win_value) + weighted(p.losses, lost.win_value);
    if (!space) continue;
    const double pull = p.losses * won.loss_pull - p.wins * won.win_pull;
    const double curvature = (p.wins + p.losses) * won.win_curvature;
    for (std::size_t k = 0; k < d; ++k) space->difference[k] = a[k] - b[k];
    for (std::size_t k = 0; k < d; ++k) {
      const double z = space->difference[k];
      space->gradient[k] += pull * z;
      const double c = curvature * z;
      for (std::size_t m = 0; m <= k; ++m) space->hessian[k * d + m] += c * space->difference[m];
    }
  }
  return value;
}

inline double largest_of(std::span<const double> v) {
  double most = 0;
  for (const double x : v) most = (std::max)(most, std::abs(x));
  return most;
}

/// Newton's method with step halving from theta, in place.
inline convergence fit_utilities(const arm_features& x, std::span<const pair_count> pairs, double ridge,
                                 std::span<double> theta, newton_space& space, double tolerance) {
  const std::int64_t d = x.dimensions;
  constexpr std::int64_t limit = 100;
  for (std::int64_t iteration = 0;; ++iteration) {
    const double value = ridge_likelihood(x, pairs, ridge, theta, &space);
    const double residual = largest_of(space.gradient);
    if (residual <= tolerance) return {iteration, residual, status::converged};
    if (iteration == limit) return {iteration, residual, status::limit};
    if (!space.factor.factor(space.hessian, d)) return {iteration, residual, status::stalled};
    space.factor.solve(space.gradient);
    bool moved = false;
    for (double step = 1; step > 1e-10 && !moved; step /= 2) {
      space.trial.assign(theta.begin(), theta.end());
      for (std::size_t k = 0; k < space.trial.size(); ++k) space.trial[k] -= step * space.gradient[k];
      moved = ridge_likelihood(x, pairs, ridge, space.trial, nullptr) < value;
    }
    if (!moved) {  // the value no longer resolves the decrease: one more full step polishes the gradient
      for (std::size_t k = 0; k < theta.size(); ++k) theta[k] -= space.gradient[k];
      ridge_likelihood(x, pairs, ridge, theta, &space);
      const double after = largest_of(space.gradient);
      return {iteration + 1, after,
              after <= (std::max)(tolerance, 1e-9 * (1 + largest_of(theta))) ? status::converged : status::stalled};
    }
    std::copy(space.trial.begin(), space.trial.end(), theta.begin());
  }
}

inline std::vector<pair_count> pairs_of(const duel_tally& tally) {
  std::vector<pair_count> pairs;
  for (std::int64_t i = 0; i < tally.items; ++i)
    for (std::int64_t j = i + 1; j < tally.items; ++j)
      if (tally.duels(i, j) > 0) pairs.push_back({i, j, tally.won(i, j), tally.won(j, i)});
  return pairs;
}

/// V += weight·zzᵀ, z = xᵢ − xⱼ.
inline void add_outer(const arm_features& x, std::int64_t i, std::int64_t j, double weight, std::span<double> v) {
  const auto a = x.row(i), b = x.row(j);
  const std::size_t d = a.size();
  for (std::size_t k = 0; k < d; ++k)
    for (std::size_t m = 0; m < d; ++m) v[k * d + m] += weight * (a[k] - b[k]) * (a[m] - b[m]);
}

template <class F>
std::int64_t first_argmax(std::int64_t n, F value) {
  std::int64_t best = 0;
  double most = value(std::int64_t{0});
  for (std::int64_t i = 1; i < n; ++i) {
    const double x = value(i);
    if (x > most) best = i, most = x;
  }
  return best;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Features from a tensor [K, d]. Errors: shape_error if it is empty; domain_error for a number that is not finite.
template <tensor X>
arm_features features_of(const X& features) {
  const auto x = view(features);
  static_assert(decltype(x)::rank == 2, "zermelo: features are a matrix, a row an arm");
  arm_features f{.arms = x.shape[0], .dimensions = x.shape[1]};
  if (f.arms < 1 || f.dimensions < 1)
    throw shape_error("features", std::to_string(f.arms) + " × " + std::to_string(f.dimensions) +
                                      ", expected at least one arm and one dimension");
  for (std::int64_t i = 0; i < f.arms; ++i)
    for (std::int64_t k = 0; k < f.dimensions; ++k) {
      const double value = static_cast<double>(x(i, k));
      if (!is_finite(value))
        throw domain_error("features", i * f.dimensions + k, "a finite number, not " + zermelo::detail::text(value));
      f.values.push_back(value);
    }
  return f;
}

/// The ridge estimate of θ:  minimise ½λ‖θ‖² + Σ log(1 + e^∓θᵀz),  − where the first of the pair won.
///
/// Newton's method from zero, to ‖gradient‖∞ ≤ 1e-12 or as far as doubles go.
/// Errors: shape_error; domain_error for λ ≤ 0.   Cost: O(pairs·d² + d³) an iteration.
inline utility_fit fit_utilities(const arm_features& x, const duel_tally& tally, double ridge) {
  detail::require_positive("ridge", ridge);
  if (tally.items != x.arms)
    throw shape_error("tally", std::to_string(tally.items) + " arms, but " + std::to_string(x.arms) + " have features");
  utility_fit fit{.weights = std::vector<double>(detail::at(x.dimensions), 0.0)};
  detail::newton_space space;
  fit.convergence = detail::fit_utilities(x, detail::pairs_of(tally), ridge, fit.weights, space, 1e-12);
  return fit;
}

/// V [d, d] = λI + Σ Nᵢⱼ zzᵀ.   Cost: O(pairs·d²).
inline std::vector<double> design_matrix(const arm_features& x, const duel_tally& tally, double ridge) {
  const std::size_t d = detail::at(x.dimensions);
  std::vector<double> v(d * d, 0.0);
  for (std::size_t k = 0; k < d; ++k) v[k * d + k] = ridge;
  for (const pair_count& p : detail::pairs_of(tally)) detail::add_outer(x, p.first, p.second, p.wins + p.losses, v);
  return v;
}

/// Norms under V⁻¹ of arms and of their differences.
struct design_norms {
  std::int64_t arms = 0;
  std::vector<double> pair = {};  ///< [K, K] ‖xᵢ − xⱼ‖
  std::vector<double> arm = {};   ///< [K] ‖xᵢ‖
};

/// Errors: domain_error if V is not positive definite in doubles.   Cost: O(d³ + K d² + K² d).
inline design_norms norms_of(const arm_features& x, std::span<const double> v) {
  const std::int64_t n = x.arms;
  const std::size_t d = detail::at(x.dimensions);
  zermelo::cholesky factor;
  if (!factor.factor(v, x.dimensions))
    throw domain_error("v", domain_error::whole, "is not positive definite in double precision");
  std::vector<double> solved(x.values);
  for (std::int64_t i = 0; i < n; ++i) factor.solve({solved.data() + i * x.dimensions, d});
  design_norms norms{.arms = n, .pair = std::vector<double>(detail::at(n * n), 0.0)};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto a = x.row(i);
    const double* const u = solved.data() + i * x.dimensions;
    norms.arm.push_back(std::sqrt(detail::dot(a, {u, d})));
    for (std::int64_t j = 0; j < i; ++j) {
      const auto b = x.row(j);
      const double* const w = solved.data() + j * x.dimensions;
      double square = 0;
      for (std::size_t k = 0; k < d; ++k) square += (a[k] - b[k]) * (u[k] - w[k]);
      norms.pair[detail::at(i * n + j)] = norms.pair[detail::at(j * n + i)] = std::sqrt((std::max)(square, 0.0));
    }
  }
  return norms;
}

// Decisions: utility(i) is θ̂ᵀxᵢ, pair_norm(i, j) is ‖xᵢ − xⱼ‖, arm_norm(i) is ‖xᵢ‖; ties go to the first, i = j is allowed.

template <class Utility, class Norm>
duel max_first_ucb_next(std::int64_t arms, double beta, Utility utility, Norm pair_norm) {
  const std::int64_t i = detail::first_argmax(arms, utility);
  return {i, detail::first_argmax(arms, [&](std::int64_t j) { return utility(j) + beta * pair_norm(i, j); })};
}

template <class Utility, class Norm>
duel max_pair_ucb(std::int64_t arms, double beta, Utility utility, Norm pair_norm) {
  duel best{0, 0};
  double most = 2 * utility(std::int64_t{0});
  for (std::int64_t i = 0; i < arms; ++i)
    for (std::int64_t j = i; j < arms; ++j) {
      const double value = utility(i) + utility(j) + beta * pair_norm(i, j);
      if (value > most) best = {i, j}, most = value;
    }
  return best;
}

/// {i: θ̂ᵀ(xᵢ − xⱼ) + β‖xᵢ − xⱼ‖ ≥ 0 for all j}, ascending: arms that may be best.
template <class Utility, class Norm>
void arms_that_may_be_best(std::int64_t arms, double beta, Utility utility, Norm pair_norm,
                           std::vector<std::int64_t>& candidates) {
  candidates.clear();
  for (std::int64_t i = 0; i < arms; ++i) {
    bool may = true;
    for (std::int64_t j = 0; j < arms && may; ++j) may = utility(i) - utility(j) + beta * pair_norm(i, j) >= 0;
    if (may) candidates.push_back(i);
  }
}

template <class Norm>
duel max_inp(std::span<const std::int64_t> candidates, Norm pair_norm) {
  duel best{candidates[0], candidates[0]};
  double most = 0;
  for (std::size_t a = 0; a < candidates.size(); ++a)
    for (std::size_t b = a + 1; b < candidates.size(); ++b) {
      const double norm = pair_norm(candidates[a], candidates[b]);
      if (norm > most) best = {candidates[a], candidates[b]}, most = norm;
    }
  return best;
}

/// noise(i): εᵢ
template <class Utility, class Norm, class ArmNorm, class Noise>
duel colstim(std::int64_t arms, double beta, Utility utility, Norm pair_norm, ArmNorm arm_norm, Noise noise) {
  const std::int64_t i =
      detail::first_argmax(arms, [&](std::int64_t k) { return utility(k) + noise(k) * arm_norm(k); });
  return {i,
          detail::first_argmax(arms, [&](std::int64_t j) { return utility(j) - utility(i) + beta * pair_norm(i, j); })};
}

}  // namespace ZERMELO_ISA

/// A contextual dueling bandit by any of the rules, over fixed arms.
///
/// Norms come from the Gram matrix X V⁻¹ Xᵀ, which a duel changes by rank one (Sherman–Morrison): O(K²), whatever d.
/// θ̂ is found anew every round by Newton's method from the last one.
/// Cost of a round: O(K² + pairs·d²), pairs: those that have met.
struct contextual_dueling {
  contextual_parameters parameters = {};
  arm_features features = {};
  duel_tally tally = {};
  std::int64_t round = 1;
  std::vector<double> weights = {};  ///< [d] θ̂ of the last decision

  /// Errors: domain_error for parameters.
  ZERMELO_INLINE explicit contextual_dueling(arm_features x, contextual_parameters p = {})
      : parameters(p), features(std::move(x)), tally(empty_tally(features.arms)) {
    parameters.require_valid();
    weights.assign(detail::at(features.dimensions), 0.0);
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return features.arms; }
  ZERMELO_INLINE void rebuild();
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws);
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won);
  ZERMELO_INLINE void merge(const contextual_dueling& other) {
    tally.merge(other.tally);
    round += other.round - 1;
    rebuild();
  }

 private:
  ZERMELO_INLINE void factor();
  std::vector<double> gram_ = {}, utility_ = {}, noise_ = {}, change_ = {};
  std::vector<pair_count> pairs_ = {};
  std::vector<std::int64_t> place_ = {}, candidates_ = {};  // [K, K] of a pair in pairs_, −1 if it has not met
  detail::newton_space space_ = {};
};

namespace detail::inline ZERMELO_ISA {

/// X V⁻¹ Xᵀ [K, K]
inline void gram_under_design(const arm_features& x, std::span<const double> v, std::vector<double>& gram) {
  const std::int64_t n = x.arms;
  const std::size_t d = at(x.dimensions);
  zermelo::cholesky factor;
  if (!factor.factor(v, x.dimensions))
    throw domain_error("ridge", domain_error::whole, "is too small: λI + Σzzᵀ is not positive definite in doubles");
  std::vector<double> solved(d);
  gram.resize(at(n * n));
  for (std::int64_t i = 0; i < n; ++i) {
    const auto a = x.row(i);
    std::copy(a.begin(), a.end(), solved.begin());
    factor.solve(solved);
    for (std::int64_t j = 0; j < n; ++j) gram[at(i * n + j)] = dot(x.row(j), solved);
  }
}

/// G ← G − uuᵀ/(1 + uᵢ − uⱼ),  u = G(eᵢ − eⱼ).
inline void lower_gram(std::vector<double>& gram, std::int64_t n, std::int64_t i, std::int64_t j,
                       std::vector<double>& u) {
  u.resize(at(n));
  for (std::int64_t k = 0; k < n; ++k) u[at(k)] = gram[at(i * n + k)] - gram[at(j * n + k)];
  const double scale = 1 / (1 + u[at(i)] - u[at(j)]);
  for (std::int64_t k = 0; k < n; ++k) {
    const double c = scale * u[at(k)];
    double* const row = gram.data() + k * n;
    for (std::int64_t m = 0; m < n; ++m) row[m] -= c * u[at(m)];
  }
}

/// Gumbel noise −log(−log u), cut off at ±bound.
inline double gumbel_within(double u, double bound) {
  const double x = -log(-log(u));
  return x > bound ? bound : x < -bound ? -bound : x;
}

}  // namespace detail::inline ZERMELO_ISA

ZERMELO_INLINE void contextual_dueling::factor() {
  detail::gram_under_design(features, design_matrix(features, tally, parameters.ridge), gram_);
}

ZERMELO_INLINE void contextual_dueling::rebuild() {
  const std::size_t n = detail::at(items());
  pairs_ = detail::pairs_of(tally);
  place_.assign(n * n, -1);
  for (std::size_t k = 0; k < pairs_.size(); ++k)
    place_[detail::at(pairs_[k].first * items() + pairs_[k].second)] = static_cast<std::int64_t>(k);
  utility_.assign(n, 0.0);
  noise_.assign(n, 0.0);
  candidates_.reserve(n);
  factor();
}

template <draw_source D>
ZERMELO_INLINE duel contextual_dueling::next_pair(D& draws) {
  const std::int64_t n = items(), d = features.dimensions;
  detail::fit_utilities(features, pairs_, parameters.ridge, weights, space_, 1e-9);
  for (std::int64_t i = 0; i < n; ++i) utility_[detail::at(i)] = detail::dot(weights, features.row(i));
  const double beta = parameters.bonus(d);
  const auto utility = [this](std::int64_t i) { return utility_[detail::at(i)]; };
  const auto arm_norm = [this, n](std::int64_t i) { return std::sqrt((std::max)(gram_[detail::at(i * n + i)], 0.0)); };
  const auto pair_norm = [this, n](std::int64_t i, std::int64_t j) {
    if (i == j) return 0.0;
    const double square =
        gram_[detail::at(i * n + i)] + gram_[detail::at(j * n + j)] - 2 * gram_[detail::at(i * n + j)];
    return std::sqrt((std::max)(square, 0.0));
  };
  switch (parameters.rule) {
    case contextual_rule::max_first_ucb_next:
      return max_first_ucb_next(n, beta, utility, pair_norm);
    case contextual_rule::max_pair_ucb:
      return max_pair_ucb(n, beta, utility, pair_norm);
    case contextual_rule::max_inp:
      arms_that_may_be_best(n, beta, utility, pair_norm, candidates_);
      return max_inp(candidates_, pair_norm);
    case contextual_rule::colstim:
      break;
  }
  const double dims = static_cast<double>(d), horizon = static_cast<double>(parameters.horizon);
  const double bound = std::sqrt(dims * log(horizon));
  const bool coupled = draws.uniform() < dims * log(dims * horizon) / std::sqrt(static_cast<double>(round));
  noise_[0] = detail::gumbel_within(draws.uniform(), bound);
  for (std::int64_t i = 1; i < n; ++i)
    noise_[detail::at(i)] = coupled ? noise_[0] : detail::gumbel_within(draws.uniform(), bound);
  return colstim(n, beta, utility, pair_norm, arm_norm, [this](std::int64_t i) { return noise_[detail::at(i)]; });
}

ZERMELO_INLINE void contextual_dueling::observe(std::int64_t i, std::int64_t j, bool first_won) {
  const std::int64_t n = items();
  tally.record(i, j, first_won);
  ++round;
  if (i == j) return;
  const bool turned = i > j;
  const std::int64_t a = turned ? j : i, b = turned ? i : j;
  std::int64_t& place = place_[detail::at(a * n + b)];
  if (place < 0) {
    place = static_cast<std::int64_t>(pairs_.size());
    pairs_.push_back({a, b, 0, 0});
  }
  pair_count& count = pairs_[detail::at(place)];
  (first_won == turned ? count.losses : count.wins) += 1;
  if (round % parameters.refresh == 0)
    factor();
  else
    detail::lower_gram(gram_, n, i, j, change_);
}

}  // namespace zermelo::inline v1::bandit
