// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// GCC 12's own AVX-512 intrinsics, inlined into Eigen, pass what they call undefined to themselves.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "gaps.hpp"
#include "preference_operator.hpp"

/// Equilibria of games in which leaving a reference policy costs τ KL(·‖μ), by Newton's method.
namespace zermelo::inline v1::game {

struct equilibrium_parameters {
  double kl_weight = 0.1;      ///< τ > 0
  double continuation = 0.7;   ///< the factor by which τ comes down from 1, in (0, 1)
  double tolerance = 1e-13;    ///< of the residual, relative to 1 + the largest logit
  std::int64_t limit = 10000;  ///< Newton steps in all

  ZERMELO_INLINE void require_valid() const {
    regularization{kl_weight}.require_valid();
    if (!(continuation > 0 && continuation < 1))
      throw domain_error("continuation", domain_error::whole, "expected a factor between 0 and 1");
    if (!(tolerance >= 0)) throw domain_error("tolerance", domain_error::whole, "is negative");
    if (limit < 1) throw domain_error("limit", domain_error::whole, "expected one step at least");
  }
};

/// π* ∝ μ exp(P π*/τ), and what proves it.
struct regularized_equilibrium_result {
  std::vector<double> policy = {};
  std::vector<double> log_policy = {};    ///< small probabilities keep their digits here, 1e-300 and below
  double divergence = 0;                  ///< KL(π*‖μ)
  double exploitability = 0;              ///< regularised: zero at the equilibrium alone
  zermelo::convergence convergence = {};  ///< residual: ‖log π − log μ − P π/τ, centred‖∞
};

/// p ∝ μₓ exp(M q/τ), q ∝ μᵧ exp(−Mᵀ p/τ).
struct regularized_matrix_equilibrium_result {
  std::vector<double> row_strategy = {}, column_strategy = {};
  std::vector<double> log_row_strategy = {}, log_column_strategy = {};
  double value = 0;  ///< pᵀ M q, without the divergences
  zermelo::convergence convergence = {};
};

/// How fast dynamics with a constant step contract near the regularised equilibrium. λ is the largest |Im| of the
/// eigenvalues of A S, S = diag π* − π* π*ᵀ; λ ≤ 1/√8 for win probabilities.
struct local_rates {
  double rotation = 0;   ///< λ
  double kl_weight = 0;  ///< τ

  /// Mirror descent (INPO) with step η: the modulus √((1−ητ)² + η²λ²).
  ZERMELO_INLINE double mirror_descent(double step) const {
    const double keep = 1 - step * kl_weight, turn = step * rotation;
    return std::sqrt(keep * keep + turn * turn);
  }
  /// Below it mirror descent is stable: 2τ/(τ² + λ²).
  ZERMELO_INLINE double largest_stable_step() const { return 2 * best_step(); }
  ZERMELO_INLINE double best_step() const { return kl_weight / (kl_weight * kl_weight + rotation * rotation); }
  ZERMELO_INLINE double best_rate() const { return rotation / std::sqrt(kl_weight * kl_weight + rotation * rotation); }
  /// Nash-MD with a constant step, towards its own fixed point: (1−ητ)√(1 + η²λ²).
  ZERMELO_INLINE double nash_md(double step) const {
    return (1 - step * kl_weight) * std::sqrt(1 + step * step * rotation * rotation);
  }
  /// Extragradient (EGPO): |(1−ητ) − η²λ² + iηλ(1−ητ)|.
  ZERMELO_INLINE double extragradient(double step) const {
    const double keep = 1 - step * kl_weight, turn = step * rotation;
    return std::sqrt((keep - turn * turn) * (keep - turn * turn) + turn * turn * keep * keep);
  }
  /// Hedge: √(1 + η²λ²), above 1 wherever anything rotates.
  ZERMELO_INLINE double hedge(double step) const { return std::sqrt(1 + step * step * rotation * rotation); }
};

/// A step of mirror descent that is locally stable on every preference game: τ/(τ² + 1/8).
ZERMELO_INLINE double stable_step(double kl_weight) { return kl_weight / (kl_weight * kl_weight + 0.125); }

namespace detail::inline ZERMELO_ISA {

using dense_matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic>;
using dense_vector = Eigen::Matrix<double, Eigen::Dynamic, 1>;

template <class O>
dense_matrix table_of(const O& game) {
  const std::int64_t n = game.items();
  dense_matrix p(n, n);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) p(i, j) = game.probability(i, j);
  return p;
}

template <class View>
dense_vector log_vector(const View& p) {
  dense_vector v(p.size());
  for (std::int64_t i = 0; i < p.size(); ++i) v(i) = log(static_cast<double>(p.element(i)));
  return v;
}

inline dense_vector centred(const dense_vector& x) { return (x.array() - x.mean()).matrix(); }

/// Normalised log-probabilities of logits.
inline dense_vector log_softmax_of(const dense_vector& logits) {
  const double most = logits.maxCoeff();
  double sum = 0;
  for (Eigen::Index i = 0; i < logits.size(); ++i) sum += exp(logits(i) - most);
  const double mass = log(sum);
  return ((logits.array() - most) - mass).matrix();
}
inline dense_vector exponentials(const dense_vector& logs) {
  dense_vector p(logs.size());
  for (Eigen::Index i = 0; i < logs.size(); ++i) p(i) = exp(logs(i));
  return p;
}

inline std::vector<double> numbers_of(const dense_vector& v) { return {v.data(), v.data() + v.size()}; }

/// diag π − π πᵀ
inline dense_matrix softmax_slope(const dense_vector& p) {
  dense_matrix s = -p * p.transpose();
  s.diagonal() += p;
  return s;
}

/// Newton's method with halved steps on residual(x, τ) = 0, while τ comes down to the target.
template <class R, class J>
convergence continue_newton(dense_vector& x, const equilibrium_parameters& parameters, double range, R&& residual,
                            J&& jacobian) {
  convergence c;
  const double target = parameters.kl_weight;
  double tau = (std::max)(range, target);
  const auto size_of = [](const dense_vector& f) { return f.size() == 0 ? 0.0 : f.cwiseAbs().maxCoeff(); };
  for (;;) {
    const bool last = !(tau > target);
    dense_vector f = residual(x, tau);
    double size = size_of(f);
    bool moved = true;
    const auto good = [&] { return size <= (last ? parameters.tolerance : 1e-6) * (1 + size_of(x)); };
    while (moved && c.iterations < parameters.limit && !(good() && !last)) {
      const dense_vector step = jacobian(x, tau).partialPivLu().solve(f);
      moved = false;
      for (double length = 1; length > 1e-10; length /= 2) {
        const dense_vector tried = x - length * step;
        const dense_vector g = residual(tried, tau);
        if (size_of(g) < size) {
          x = tried, f = g, size = size_of(g);
          moved = true;
          break;
        }
      }
      ++c.iterations;
      if (size == 0) break;
    }
    c.residual = size;
    c.status = good() ? status::converged : c.iterations >= parameters.limit ? status::limit : status::stalled;
    if (last || c.iterations >= parameters.limit) return c;
    tau = (std::max)(target, tau * parameters.continuation);
  }
}

inline regularized_equilibrium_result equilibrium_of(const dense_matrix& p, const dense_vector& log_mu, double tie,
                                                     const equilibrium_parameters& parameters) {
  const Eigen::Index n = p.rows();
  dense_vector theta = centred(log_mu);
  const auto residual = [&](const dense_vector& x, double tau) {
    return centred(x - log_mu - p * exponentials(log_softmax_of(x)) / tau);
  };
  const auto jacobian = [&](const dense_vector& x, double tau) {
    dense_matrix j = p * softmax_slope(exponentials(log_softmax_of(x))) / -tau;
    const dense_vector mean = j.colwise().mean();
    j.rowwise() -= mean.transpose();
    j += dense_matrix::Identity(n, n);
    return j;
  };
  const double range = (std::max)(1.0, p.maxCoeff() - p.minCoeff());
  regularized_equilibrium_result r;
  r.convergence = continue_newton(theta, parameters, range, residual, jacobian);
  const dense_vector logs = log_softmax_of(theta), policy = exponentials(logs), q = p * policy;
  r.policy = numbers_of(policy);
  r.log_policy = numbers_of(logs);
  const auto gap = soft_gap(vector_view(q.data(), n), vector_view(policy.data(), n), vector_view(log_mu.data(), n),
                            parameters.kl_weight, tie);
  r.divergence = gap.divergence;
  r.exploitability = gap.exploitability;
  return r;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The equilibrium of a symmetric game regularised by τ KL(·‖μ) (the quantal response equilibrium), unique for τ > 0:
///
///   π* ∝ μ exp(P π*/τ)
///
/// game       any preference_operator; its n² entries are asked for
/// reference  μ [n], a policy of full support
/// As τ → ∞, π* → μ; as τ → 0 with uniform μ, π* tends to the Nash policy of largest entropy. If μ is itself a Nash policy of
/// full support, π* = μ for every τ.
/// Newton's method on the logits: the eigenvalues of its matrix are 1 ∓ iλ/τ, so that it is never singular.
/// Errors: shape_error; domain_error for parameters and for a reference that is none. Not converging is a status.
/// Cost: O(n³) a step, a few steps for each factor `continuation` between 1 and τ.   Source: McKelvey and Palfrey 1995.
template <preference_operator O, tensor M>
regularized_equilibrium_result regularized_equilibrium(const O& game, const M& reference,
                                                       const equilibrium_parameters& parameters = {}) {
  parameters.require_valid();
  const auto mu = view(reference);
  detail::require_policy("reference", mu, game.items(), true);
  return detail::equilibrium_of(detail::table_of(game), detail::log_vector(mu), tie_of(game), parameters);
}

/// The same of a matrix game M [m, n], whose rows maximise:  p ∝ μₓ exp(M q/τ),  q ∝ μᵧ exp(−Mᵀ p/τ).
template <tensor M, tensor X, tensor Y>
regularized_matrix_equilibrium_result regularized_matrix_equilibrium(const M& matrix, const X& row_reference,
                                                                     const Y& column_reference,
                                                                     const equilibrium_parameters& parameters = {}) {
  parameters.require_valid();
  const auto m = view(matrix);
  const std::int64_t rows = m.shape[0], columns = m.shape[1];
  if (m.size() == 0) throw shape_error("matrix", "no rows or no columns");
  detail::require_policy("row_reference", view(row_reference), rows, true);
  detail::require_policy("column_reference", view(column_reference), columns, true);
  detail::dense_matrix payoffs(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j) {
      payoffs(i, j) = static_cast<double>(m(i, j));
      if (!is_finite(payoffs(i, j))) throw domain_error("matrix", i * columns + j, "is not a finite number");
    }
  const auto log_mu = detail::log_vector(view(row_reference)), log_nu = detail::log_vector(view(column_reference));
  const auto policies = [&](const detail::dense_vector& x) {
    detail::dense_vector logs(rows + columns);
    logs.head(rows) = detail::log_softmax_of(x.head(rows));
    logs.tail(columns) = detail::log_softmax_of(x.tail(columns));
    return logs;
  };
  const auto residual = [&](const detail::dense_vector& x, double tau) {
    const auto p = detail::exponentials(policies(x));
    detail::dense_vector f(rows + columns);
    f.head(rows) = detail::centred(x.head(rows) - log_mu - payoffs * p.tail(columns) / tau);
    f.tail(columns) = detail::centred(x.tail(columns) - log_nu + payoffs.transpose() * p.head(rows) / tau);
    return f;
  };
  const auto jacobian = [&](const detail::dense_vector& x, double tau) {
    const auto p = detail::exponentials(policies(x));
    detail::dense_matrix j = detail::dense_matrix::Identity(rows + columns, rows + columns);
    detail::dense_matrix up = payoffs * detail::softmax_slope(p.tail(columns)) / -tau;
    detail::dense_matrix down = payoffs.transpose() * detail::softmax_slope(p.head(rows)) / tau;
    const detail::dense_vector up_mean = up.colwise().mean(), down_mean = down.colwise().mean();
    up.rowwise() -= up_mean.transpose();
    down.rowwise() -= down_mean.transpose();
    j.topRightCorner(rows, columns) = up;
    j.bottomLeftCorner(columns, rows) = down;
    return j;
  };
  detail::dense_vector x(rows + columns);
  x.head(rows) = detail::centred(log_mu);
  x.tail(columns) = detail::centred(log_nu);
  regularized_matrix_equilibrium_result r;
  r.convergence = detail::continue_newton(x, parameters, (std::max)(1.0, payoffs.maxCoeff() - payoffs.minCoeff()),
                                          residual, jacobian);
  const auto logs = policies(x), p = detail::exponentials(logs);
  r.log_row_strategy = detail::numbers_of(logs.head(rows));
  r.log_column_strategy = detail::numbers_of(logs.tail(columns));
  r.row_strategy = detail::numbers_of(p.head(rows));
  r.column_strategy = detail::numbers_of(p.tail(columns));
  r.value = p.head(rows).dot(payoffs * p.tail(columns));
  return r;
}

/// The local rates of the dynamics at a policy, usually the regularised equilibrium.
///
/// With K = Bᵀ A B, B = diag √π (I − √π √πᵀ), A S has the eigenvalues of the skew K: λ = ‖K‖₂.
/// Errors: shape_error; domain_error unless it is a policy and τ > 0.   Cost: O(n³).
template <preference_operator O, tensor X>
local_rates local_rates_at(const O& game, const X& policy, const regularization& parameters) {
  parameters.require_valid();
  const auto p = view(policy);
  const std::int64_t n = game.items();
  detail::require_policy("policy", p, n);
  detail::dense_vector root(n);
  for (std::int64_t i = 0; i < n; ++i) root(i) = std::sqrt(static_cast<double>(p.element(i)));
  const detail::dense_matrix table = detail::table_of(game), skew = (table - table.transpose()) / 2;
  const detail::dense_matrix project = detail::dense_matrix::Identity(n, n) - root * root.transpose();
  const detail::dense_matrix b = root.asDiagonal() * project, k = b.transpose() * skew * b;
  const Eigen::SelfAdjointEigenSolver<detail::dense_matrix> spectrum(k.transpose() * k, Eigen::EigenvaluesOnly);
  return {.rotation = std::sqrt((std::max)(0.0, spectrum.eigenvalues().maxCoeff())), .kl_weight = parameters.kl_weight};
}

/// Where Nash-MD with a constant step stands still: its mixture is the equilibrium at τ/(1−ητ), and it plays
/// π ∝ μ exp(P mixture/τ). A step towards 0 takes it to the regularised equilibrium.
struct nash_md_fixed_point_result {
  std::vector<double> policy = {};
  std::vector<double> mixture = {};
  double kl_weight_of_mixture = 0;  ///< τ/(1−ητ)
};

/// Errors: as regularized_equilibrium; domain_error unless 0 < ητ < 1.
template <preference_operator O, tensor M>
nash_md_fixed_point_result nash_md_fixed_point(const O& game, const M& reference, double step,
                                               const equilibrium_parameters& parameters = {}) {
  parameters.require_valid();
  if (!(step > 0 && step * parameters.kl_weight < 1))
    throw domain_error("step", domain_error::whole, "expected a step η > 0 with ητ < 1");
  nash_md_fixed_point_result r;
  equilibrium_parameters warmer = parameters;
  warmer.kl_weight = r.kl_weight_of_mixture = parameters.kl_weight / (1 - step * parameters.kl_weight);
  r.mixture = regularized_equilibrium(game, reference, warmer).policy;
  const Eigen::Map<const detail::dense_vector> mixture(r.mixture.data(), static_cast<Eigen::Index>(r.mixture.size()));
  const detail::dense_vector logits =
      detail::log_vector(view(reference)) + detail::table_of(game) * mixture / parameters.kl_weight;
  r.policy = detail::numbers_of(detail::exponentials(detail::log_softmax_of(logits)));
  return r;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
