// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/links.hpp"
#include "../core/primitives/solve.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Utilities that are linear in features of the arms, and what duels tell of them.
///
///   P(i beats j) = σ(θᵀ(xᵢ − xⱼ)),   V = λI + Σ over duels of zzᵀ,  z = xᵢ − xⱼ,   ‖v‖² = vᵀV⁻¹v
///
/// Both the estimate and V depend on the duels by their counts alone: the tally is the sufficient statistic.
namespace zermelo::inline v1::bandit {

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

/// What duels tell by their counts, kept from duel to duel.
struct linear_evidence {
  std::vector<pair_count> pairs = {};    ///< those that have met
  std::vector<std::int64_t> place = {};  ///< [K, K] of a pair in `pairs`, −1 if it has not met
  std::vector<double> gram = {};         ///< [K, K] X V⁻¹ Xᵀ
  std::vector<double> utility = {};      ///< [K] θ̂ᵀx of the last fit

  ZERMELO_INLINE double arm_norm(std::int64_t i) const {
    const std::size_t n = utility.size(), a = static_cast<std::size_t>(i);
    return std::sqrt((std::max)(gram[a * n + a], 0.0));
  }
  ZERMELO_INLINE double pair_square(std::int64_t i, std::int64_t j) const {
    if (i == j) return 0;
    const std::size_t n = utility.size(), a = static_cast<std::size_t>(i), b = static_cast<std::size_t>(j);
    return (std::max)(gram[a * n + a] + gram[b * n + b] - 2 * gram[a * n + b], 0.0);
  }
  ZERMELO_INLINE double pair_norm(std::int64_t i, std::int64_t j) const { return std::sqrt(pair_square(i, j)); }
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

}  // namespace ZERMELO_ISA

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

inline linear_evidence evidence_of(const arm_features& x, const duel_tally& tally, double ridge) {
  linear_evidence e{.pairs = pairs_of(tally),
                    .place = std::vector<std::int64_t>(at(x.arms * x.arms), -1),
                    .utility = std::vector<double>(at(x.arms), 0.0)};
  for (std::size_t k = 0; k < e.pairs.size(); ++k)
    e.place[at(e.pairs[k].first * x.arms + e.pairs[k].second)] = static_cast<std::int64_t>(k);
  gram_under_design(x, design_matrix(x, tally, ridge), e.gram);
  return e;
}

/// Counts a duel of different arms. The Gram matrix is left to be lowered or made anew.
inline void count_duel(linear_evidence& e, std::int64_t arms, std::int64_t i, std::int64_t j, bool first_won) {
  const bool turned = i > j;
  const std::int64_t a = turned ? j : i, b = turned ? i : j;
  std::int64_t& place = e.place[at(a * arms + b)];
  if (place < 0) {
    place = static_cast<std::int64_t>(e.pairs.size());
    e.pairs.push_back({a, b, 0, 0});
  }
  pair_count& count = e.pairs[at(place)];
  (first_won == turned ? count.losses : count.wins) += 1;
}

/// θ̂ from the last one, and the utilities by it.
inline void fit_evidence(linear_evidence& e, const arm_features& x, double ridge, std::span<double> weights,
                         newton_space& space) {
  fit_utilities(x, e.pairs, ridge, weights, space, 1e-9);
  for (std::int64_t i = 0; i < x.arms; ++i) e.utility[at(i)] = dot(weights, x.row(i));
}

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1::bandit
