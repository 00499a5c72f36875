// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/solve.hpp"
#include "../core/statistics.hpp"
#include "../core/value.hpp"
#include "bradley_terry.hpp"

/// How sure fitted strengths are: covariances, intervals, and ranks that the data can tell apart.
namespace zermelo::inline v1::preference {

/// Which uncertainty is meant.
enum class covariance_kind : std::uint8_t {
  model,    ///< the inverse information: right if the model is
  sandwich  ///< H⁺BH⁺, B the scores' outer products: right for misspecified models and weighted battles too
};

struct inference_parameters {
  covariance_kind kind = covariance_kind::model;
  double level = 0.95;  ///< of every interval by itself, in (0, 1)
};

/// Standard errors and intervals of one fit, for differences that are free of any anchor.
struct inference {
  std::int64_t items = 0;
  std::vector<double> covariance = {};         ///< [items, items] of the reported strengths
  std::vector<double> standard_error = {};     ///< √ of its diagonal
  std::vector<double> lower = {}, upper = {};  ///< Wald interval θᵢ ± z·seᵢ
  /// Ranks (1 is best) that item i may have: 1 + the items significantly better, items − those significantly worse.
  /// Every difference is tested at the level given, with its own standard error.
  std::vector<std::int64_t> best_rank = {}, worst_rank = {};

  /// Var(θᵢ − θⱼ) = Cᵢᵢ + Cⱼⱼ − 2Cᵢⱼ: what comparisons of items need; no anchor enters.
  ZERMELO_INLINE double variance_of_difference(std::int64_t i, std::int64_t j) const {
    const auto c = [&](std::int64_t a, std::int64_t b) { return covariance[static_cast<std::size_t>(a * items + b)]; };
    return (std::max)(0.0, c(i, i) + c(j, j) - 2 * c(i, j));
  }
};

namespace detail::inline ZERMELO_ISA {

/// A graph's rows, with the balance and the curvature of its pairs at fitted strengths.
struct point {
  comparison_rows rows;
  balance at;
  std::vector<double> curvature;
};

inline void require_strengths(const bradley_terry_fit& fitted, std::int64_t n) {
  if (static_cast<std::int64_t>(fitted.strength.size()) != n)
    throw shape_error("fitted",
                      std::to_string(fitted.strength.size()) + " strengths for " + std::to_string(n) + " items");
}

inline void require_one_component(const bradley_terry_fit& fitted) {
  if (!fitted.components.empty())
    throw domain_error("fitted", domain_error::whole,
                       "strengths were fitted by components; infer each component by itself");
}

template <class P>
point point_of(P&& policy, const bradley_terry& model, const comparison_graph& graph, const bradley_terry_fit& fitted) {
  const std::int64_t n = graph.items;
  require_strengths(fitted, n);
  point here{.rows = rows_of(graph, pair_games(model.prior)), .at = {}, .curvature = {}};
  std::vector<double> theta = fitted.strength;
  theta.resize(static_cast<std::size_t>(here.rows.full() ? here.rows.stride : n), 0.0);
  evaluate<wanted{.curvature = true}>(policy, likelihood<logistic>{here.rows, {}, model.prior}, theta, here.at,
                                      &here.curvature);
  return here;
}

[[noreturn]] inline void refuse_singular() {
  throw domain_error("fitted", domain_error::whole,
                     "the information is singular in double precision: some probabilities are too close to 0 or 1");
}

/// H⁻¹, or where H leaves shifts open its pseudo-inverse (H + c·11ᵀ/n)⁻¹ − 11ᵀ/(cn), c the mean of the diagonal.
inline std::vector<double> covariance_of(std::vector<double> h, std::int64_t n, bool shift_invariant) {
  double lift = 0;
  if (shift_invariant) {
    for (std::int64_t i = 0; i < n; ++i) lift += h[static_cast<std::size_t>(i * n + i)];
    lift = lift > 0 ? lift / static_cast<double>(n * n) : 1;
    for (double& x : h) x += lift;
  }
  cholesky factored;
  if (!factored.factor(h, n)) refuse_singular();
  std::vector<double> c(h.size());
  factored.inverse(c);
  if (shift_invariant) {
    const double constant = 1 / (lift * static_cast<double>(n) * static_cast<double>(n));
    for (double& x : c) x -= constant;
  }
  return c;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The observed information: the Hessian of the objective at the fitted strengths, [items, items].
///
///   Hᵢⱼ = −Nᵢⱼ pᵢⱼ pⱼᵢ,   Hᵢᵢ = Σⱼ Nᵢⱼ pᵢⱼ pⱼᵢ + penalty″(θᵢ)
template <host_policy P>
std::vector<double> information(P&& policy, const bradley_terry& model, const comparison_graph& graph,
                                const bradley_terry_fit& fitted) {
  const std::int64_t n = graph.items;
  const auto [rows, at, curvature] = detail::point_of(policy, model, graph, fitted);
  std::vector<double> h(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t e = rows.begin(i); e < rows.end(i); ++e) {
      const double v = curvature[static_cast<std::size_t>(e)];
      if (v != 0) h[static_cast<std::size_t>(i * n + rows.opponent(i, e))] = -v;
    }
    h[static_cast<std::size_t>(i * n + i)] = at.diagonal[static_cast<std::size_t>(i)];
  }
  return h;
}

/// Outer products of the battles' scores, [items, items]:
///
///   B = Σ_battles (weight·(y − p))² (eᵢ − eⱼ)(eᵢ − eⱼ)ᵀ,   y = 1, 0 or ½ for a tie
///
/// For battles of weight one and no ties its expectation is the information.   Errors: shape_error.
inline std::vector<double> score_covariance(const comparison_graph& graph, const bradley_terry_fit& fitted) {
  const std::int64_t n = graph.items;
  detail::require_strengths(fitted, n);
  std::vector<double> b(static_cast<std::size_t>(n * n), 0.0);
  const bool unit = graph.unit_weights();
  for (std::int64_t i = 0; i < n; ++i)
    for_each_opponent(graph, i, [&](std::int64_t j, std::int64_t e) {
      pair_record squares = detail::record_at(graph, i, j, e);
      if (!unit) {
        const auto k = static_cast<std::size_t>(e);
        squares = {
            .wins = graph.squared_wins[k],
            .losses = graph.dense ? graph.squared_wins[static_cast<std::size_t>(j * n + i)] : graph.squared_losses[k],
            .ties = detail::at_or_zero(graph.squared_ties, e)};
      }
      const double d = fitted.strength[static_cast<std::size_t>(i)] - fitted.strength[static_cast<std::size_t>(j)];
      const double p = sigmoid(d), q = sigmoid(-d), half = (q - p) / 2;
      const double v = squares.wins * q * q + squares.losses * p * p + squares.ties * half * half;
      b[static_cast<std::size_t>(i * n + i)] += v;
      b[static_cast<std::size_t>(i * n + j)] -= v;
    });
  return b;
}

/// Var(θᵢ − θⱼ) by one linear system in the information: for graphs too large for a covariance matrix.
///
///   (eᵢ − eⱼ)ᵀ H⁺ (eᵢ − eⱼ)
///
/// Errors: domain_error for ids out of range and for strengths fitted by components; shape_error.
/// Cost: one solve, items³/3 up to 1000 items, else conjugate gradients to a relative residual of 1e-10.
template <host_policy P>
double variance_of_difference(P&& policy, const bradley_terry& model, const comparison_graph& graph,
                              const bradley_terry_fit& fitted, std::int64_t i, std::int64_t j) {
  detail::require_id("i", domain_error::whole, i, graph.items);
  detail::require_id("j", domain_error::whole, j, graph.items);
  detail::require_one_component(fitted);
  const detail::point here = detail::point_of(policy, model, graph, fitted);
  if (i == j) return 0;
  detail::balance contrast = here.at;
  std::fill(contrast.gradient.begin(), contrast.gradient.end(), 0.0);
  contrast.gradient[static_cast<std::size_t>(i)] = -1;
  contrast.gradient[static_cast<std::size_t>(j)] = 1;
  std::vector<double> x;
  detail::newton_direction direction;
  const detail::likelihood<logistic> f{here.rows, {}, model.prior};
  if (!direction.find(policy, f, contrast, here.curvature, 1e-10, x)) detail::refuse_singular();
  return x[static_cast<std::size_t>(i)] - x[static_cast<std::size_t>(j)];
}

inline double variance_of_difference(const bradley_terry& model, const comparison_graph& graph,
                                     const bradley_terry_fit& fitted, std::int64_t i, std::int64_t j) {
  return variance_of_difference(simd{}, model, graph, fitted, i, j);
}

/// Covariance, standard errors, Wald and rank intervals of fitted strengths.
///
/// The covariance is that of the centred strengths, C = H⁺, so that no item's uncertainty is put on another's interval;
/// with a Gaussian, gamma or phantom prior C = (H + penalty″)⁻¹, Laplace's approximation of the posterior.
/// Errors: domain_error for a level outside (0, 1), for strengths fitted by components (differences between components
/// have no finite error), and where the information is singular; shape_error.   Cost: items³, memory 8·items² bytes.
template <host_policy P>
inference infer(P&& policy, const bradley_terry& model, const comparison_graph& graph, const bradley_terry_fit& fitted,
                inference_parameters parameters = {}) {
  if (!is_finite(parameters.level) || parameters.level <= 0 || parameters.level >= 1)
    throw domain_error("level", domain_error::whole,
                       zermelo::detail::text(parameters.level) + ", expected one in (0, 1)");
  detail::require_one_component(fitted);
  const std::int64_t n = graph.items;
  const bool shift_invariant = detail::is_shift_invariant(model.prior);
  inference result{.items = n};
  result.covariance = detail::covariance_of(information(policy, model, graph, fitted), n, shift_invariant);
  if (parameters.kind == covariance_kind::sandwich)
    result.covariance = zermelo::detail::sandwich(result.covariance, score_covariance(graph, fitted), n);

  const double z = normal_quantile(0.5 + parameters.level / 2);
  for (std::int64_t i = 0; i < n; ++i) {
    const double theta = fitted.strength[static_cast<std::size_t>(i)];
    const double error = std::sqrt((std::max)(0.0, result.covariance[static_cast<std::size_t>(i * n + i)]));
    result.standard_error.push_back(error);
    result.lower.push_back(theta - z * error);
    result.upper.push_back(theta + z * error);
    std::int64_t better = 0, worse = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const double gap = fitted.strength[static_cast<std::size_t>(j)] - theta;
      const double reach = z * std::sqrt(result.variance_of_difference(i, j));
      better += gap > reach;
      worse += -gap > reach;
    }
    result.best_rank.push_back(1 + better);
    result.worst_rank.push_back(n - worse);
  }
  return result;
}

inline inference infer(const bradley_terry& model, const comparison_graph& graph, const bradley_terry_fit& fitted,
                       inference_parameters parameters = {}) {
  return infer(simd{}, model, graph, fitted, parameters);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference
