// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "matrix_game.hpp"
#include "preference_operator.hpp"
#include "regularized_equilibrium.hpp"

/// The Nash policy that treats equals equally.
namespace zermelo::inline v1::game {

struct max_entropy_parameters {
  double kl_weight = 1e-4;  ///< the first τ from which the supports are read, times the range of P
  double accepted = 1e-13;  ///< exploitability up to which the polished policy is taken

  ZERMELO_INLINE void require_valid() const {
    if (!(kl_weight > 0) || !is_finite(kl_weight))
      throw domain_error("kl_weight", domain_error::whole, "expected a positive number");
  }
};

struct max_entropy_nash_result {
  std::vector<double> policy = {};
  double entropy = 0;         ///< −Σ p log p
  double exploitability = 0;  ///< maxᵧ (P p)ᵧ − ½: zero at a Nash policy
  bool polished = false;      ///< exact on its support; else the regularised equilibrium, off by O(kl_weight)
  zermelo::convergence convergence = {};
};

namespace detail::inline ZERMELO_ISA {

/// What the best response gains.
inline double exploitability_of(const dense_matrix& skew, const dense_vector& p) { return (skew * p).maxCoeff(); }

/// argmax of the entropy of p over the items `support`, subject to (A p)ₜ = 0 for the items `tight`: p = softmax(−Aᵀ y),
/// where y minimises log Σ exp(−Aᵀ y). Newton's method, in the least-squares sense where constraints repeat each other.
inline dense_vector entropy_projection(const dense_matrix& skew, const std::vector<Eigen::Index>& support,
                                       const std::vector<Eigen::Index>& tight, const dense_vector& start) {
  const auto k = static_cast<Eigen::Index>(support.size()), m = static_cast<Eigen::Index>(tight.size());
  dense_matrix a(m, k);
  dense_vector y(m);
  for (Eigen::Index t = 0; t < m; ++t) {
    for (Eigen::Index s = 0; s < k; ++s)
      a(t, s) = skew(tight[static_cast<std::size_t>(t)], support[static_cast<std::size_t>(s)]);
    y(t) = start(tight[static_cast<std::size_t>(t)]);
  }
  dense_vector p;
  const auto residual = [&](const dense_vector& at) {
    p = exponentials(log_softmax_of(-(a.transpose() * at)));
    return dense_vector(a * p);
  };
  dense_vector f = residual(y);
  for (int step = 0; step < 100; ++step) {
    const double size = f.norm();
    if (!(size > 0)) break;
    const Eigen::SelfAdjointEigenSolver<dense_matrix> spectrum(a * softmax_slope(p) * a.transpose());
    const double floor = 1e-13 * spectrum.eigenvalues().cwiseAbs().maxCoeff();
    dense_vector along = spectrum.eigenvectors().transpose() * f;
    for (Eigen::Index i = 0; i < m; ++i)
      along(i) = spectrum.eigenvalues()(i) > floor ? along(i) / spectrum.eigenvalues()(i) : 0.0;
    const dense_vector move = spectrum.eigenvectors() * along;
    bool moved = false;
    for (double length = 1; length > 1e-6; length /= 2) {
      const dense_vector tried = y + length * move;
      const dense_vector g = residual(tried);
      if (g.norm() < size) {
        y = tried, f = g;
        moved = true;
        break;
      }
    }
    if (!moved) break;
  }
  residual(y);
  dense_vector whole = dense_vector::Zero(skew.rows());
  for (Eigen::Index s = 0; s < k; ++s) whole(support[static_cast<std::size_t>(s)]) = p(s);
  return whole;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The Nash policy of largest entropy (Nash averaging): unique, and invariant to clones, which share the mass of the item
/// that they copy.
///
///   maximise −Σ p log p   subject to  A p ≤ 0,  Σp = 1,  p ≥ 0,    A = P − ½
///
/// A Nash policy that is unique is found by nash_policy. Else the answer is the limit of regularised equilibria with a uniform
/// reference as τ → 0. That equilibrium is found at two small τ: a probability that stays is in the support, one that falls
/// with τ marks a constraint that binds, others vanish faster; then the entropy is maximised on the support by Newton's
/// method. Where that is no Nash policy, τ was not small enough: it is divided by ten.
/// Errors: as regularized_equilibrium.   Cost: that of nash_policy, or of a few regularised equilibria.   Source: Balduzzi et al. 2018.
template <preference_operator O>
max_entropy_nash_result max_entropy_nash(const O& game, const max_entropy_parameters& parameters = {}) {
  parameters.require_valid();
  const std::int64_t n = game.items();
  if (n == 0) throw shape_error("game", "no items");
  const detail::dense_matrix table = detail::table_of(game), skew = (table - table.transpose()) / 2;
  const double range = skew.cwiseAbs().maxCoeff();
  const detail::dense_vector log_mu = detail::dense_vector::Constant(n, -log(static_cast<double>(n)));
  max_entropy_nash_result r;
  if (!(range > 0)) {
    r.policy.assign(static_cast<std::size_t>(n), 1 / static_cast<double>(n));
    r.entropy = log(static_cast<double>(n));
    r.polished = true;
    return r;
  }
  const auto finish = [&](const detail::dense_vector& p) {
    r.policy = detail::numbers_of(p);
    r.exploitability = detail::exploitability_of(skew, p);
    r.entropy = 0;
    for (const double x : r.policy) r.entropy -= x > 0 ? x * log(x) : 0.0;
  };
  const auto exact = nash_policy(game);
  if (exact.unique && exact.status == status::converged) {
    r.polished = true;
    finish(Eigen::Map<const detail::dense_vector>(exact.policy.data(), n));
    return r;
  }
  for (double tau = parameters.kl_weight * 2 * range; !r.polished && tau > 1e-8 * range; tau /= 10) {
    const auto warm = detail::equilibrium_of(skew, log_mu, 0, {.kl_weight = tau});
    const auto cold = detail::equilibrium_of(skew, log_mu, 0, {.kl_weight = tau / 2});
    r.convergence = cold.convergence;
    if (r.convergence.status != status::converged && !r.policy.empty()) break;
    std::vector<Eigen::Index> support, tight;
    detail::dense_vector multipliers(n), p(n);
    for (Eigen::Index i = 0; i < n; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const double fall = warm.log_policy[k] - cold.log_policy[k];  // 0 in the support, log 2 where a constraint binds
      if (fall < std::log(std::sqrt(2.0))) support.push_back(i);
      if (fall < std::log(3.0)) tight.push_back(i);
      p(i) = cold.policy[k];
      multipliers(i) = cold.policy[k] / (tau / 2);
    }
    const detail::dense_vector projected = detail::entropy_projection(skew, support, tight, multipliers);
    r.polished = detail::exploitability_of(skew, projected) <= parameters.accepted * (std::max)(1.0, 2 * range);
    finish(r.polished ? projected : p);
  }
  return r;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
