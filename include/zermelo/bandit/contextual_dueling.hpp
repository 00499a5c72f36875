// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "duels.hpp"
#include "linear_utilities.hpp"

/// Linear contextual dueling bandits: arms have features, and what is learnt of one duel tells of all arms.
///
///   P(i beats j) = σ(θᵀ(xᵢ − xⱼ)),   V = λI + Σ over duels of zzᵀ,  z = xᵢ − xⱼ,   ‖v‖² = vᵀV⁻¹v
///
/// Sources: Saha 2021 (MaxInP, first arm greedy); Bengs, Saha, Hüllermeier 2022 (CoLSTIM); Di et al. 2024 (pair bonus,
/// VACDB).
namespace zermelo::inline v1::bandit {

enum class contextual_rule : std::uint8_t {
  max_first_ucb_next,  ///< i = argmax θ̂ᵀxᵢ;  j = argmax θ̂ᵀxⱼ + β‖xᵢ − xⱼ‖
  max_pair_ucb,        ///< argmax θ̂ᵀ(xᵢ + xⱼ) + β‖xᵢ − xⱼ‖
  max_inp,             ///< the pair of largest ‖xᵢ − xⱼ‖ of those arms that may be best
  colstim,  ///< i = argmax θ̂ᵀxᵢ + εᵢ‖xᵢ‖;  j = argmax θ̂ᵀ(xⱼ − xᵢ) + β‖xᵢ − xⱼ‖
  vacdb     ///< MaxInP of the arms that may be best by every layer of duels; a layer holds duels of like variance
};

struct contextual_parameters {
  contextual_rule rule = contextual_rule::max_first_ucb_next;
  double ridge = 1e-3;            ///< λ > 0
  double beta = -1;               ///< ≥ 0, weight of what is not known; −1: 2√(d ln T)
  std::int64_t horizon = 10'000;  ///< T ≥ 1, of that default and of CoLSTIM's noise
  std::int64_t refresh = 100;     ///< rounds after which V⁻¹ is factored anew, ≥ 1
  std::int64_t layers = 5;        ///< L of VACDB, in [1, 30]
  double least_deviation = -1;    ///< α of VACDB, > 0; −1: 2^−L
  double slack = 0.03;  ///< ≥ 0, of VACDB: which share of the bound on the error of p̂ a variance is raised by

  ZERMELO_INLINE double bonus(std::int64_t d) const {
    return beta < 0 ? 2 * std::sqrt(static_cast<double>(d) * log(static_cast<double>(horizon))) : beta;
  }
  /// s_ℓ = 2^ℓα, the standard deviation that stands for layer ℓ ∈ {1, …, L}.
  ZERMELO_INLINE double deviation(std::int64_t layer) const {
    return least_deviation < 0 ? std::ldexp(1.0, static_cast<int>(layer - layers))
                               : std::ldexp(least_deviation, static_cast<int>(layer));
  }
  ZERMELO_INLINE void require_valid() const {
    detail::require_positive("ridge", ridge);
    if (!is_finite(beta) || (beta < 0 && beta != -1))
      throw domain_error("beta", domain_error::whole, "must be -1 or not negative, got " + zermelo::detail::text(beta));
    if (horizon < 1)
      throw domain_error("horizon", domain_error::whole, "at least one duel, not " + std::to_string(horizon));
    if (refresh < 1)
      throw domain_error("refresh", domain_error::whole, "at least one round, not " + std::to_string(refresh));
    if (layers < 1 || layers > 30)
      throw domain_error("layers", domain_error::whole, "from 1 to 30, not " + std::to_string(layers));
    if (least_deviation != -1) detail::require_positive("least_deviation", least_deviation);
    if (!is_finite(slack) || slack < 0)
      throw domain_error("slack", domain_error::whole,
                         "must be finite and not negative, got " + zermelo::detail::text(slack));
  }
};

inline namespace ZERMELO_ISA {

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

/// VACDB's layer of a duel, ℓ = clip(⌈log₂(σ̄/α)⌉, 1, L), from its variance σ̄².
inline std::int64_t variance_layer_of(double variance, const contextual_parameters& p) {
  std::int64_t layer = 1;
  while (layer < p.layers && variance > p.deviation(layer) * p.deviation(layer)) ++layer;
  return layer;
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

/// The duels of one layer of VACDB, and what is estimated from them.
struct variance_layer {
  duel_tally tally = {};
  std::vector<double> weights = {};  ///< [d] θ̂_ℓ
};

/// A contextual dueling bandit by any of the rules, over fixed arms.
///
/// Norms come from the Gram matrix X V⁻¹ Xᵀ, which a duel changes by rank one (Sherman–Morrison): O(K²), whatever d.
/// θ̂ is found anew every round by Newton's method from the last one.
/// Cost of a round: O(K² + pairs·d²), pairs: those that have met; of VACDB twice that, and O(L) for each pair of candidates.
///
/// VACDB, a variance-aware rule. Layer ℓ ∈ {1, …, L} holds duels whose outcome has a standard deviation of about s_ℓ = 2^ℓα:
///
///   σ̄² = p̂(1 − p̂) + 2b,   p̂ = σ(θ̂ᵀz),   b = slack·¼β‖z‖;   the duel goes to ℓ = clip(⌈log₂(σ̄/α)⌉, 1, L)
///   θ̂_ℓ = argmin ½λ‖θ‖² + Σ over its duels of log(1 + e^∓θᵀz)/s_ℓ²,   V_ℓ = λI + Σ over its duels of zzᵀ/s_ℓ²
///   C_ℓ = {i: θ̂_ℓᵀ(xᵢ − xⱼ) + β‖xᵢ − xⱼ‖_ℓ ≥ 0 for all j};   argmax over pairs of ∩C_ℓ of min_ℓ ‖xᵢ − xⱼ‖_ℓ
///
/// with θ̂ and ‖·‖ of all earlier duels, so that a layer is chosen before the outcome is known. If no arm is in all C_ℓ, those
/// that are in most stand for ∩C_ℓ. One layer with α = ½ is MaxInP; so is any number of layers where all p are near ½ and
/// slack is 0, with s_{L−1}β for β.
/// Constants. The theory's b is (√(d ln(T(1 + t/λ)))/κ + √λ)‖z‖/4, and for norms that are not divided by s_ℓ its β_ℓ is
/// 16 s_ℓ/κ·√(d ln(1 + n_ℓ/(dλ)) ln(4n_ℓ²T)) + 4/κ·ln(4n_ℓ²T), κ the least slope of σ: too wide for anything to be learnt.
/// The authors' program has 0.01 of that b, which comes to a slack of about 0.07, and 0.006 of the first term of β_ℓ alone,
/// with κ = 0.1. Here β is that of the other rules.
/// A certain outcome tells little of θ: p(1 − p) is the slope of σ as well. Only 1/κ covers that, so that narrow layers are a
/// wager; it pays where large margins are frequent. With a small ridge MaxInP and VACDB alike now and then discard the best
/// arm by a lucky streak, and if one arm is left nothing is learnt any more; λ = 1 prevents it in most worlds.
/// Source: Di, Jin, Wu, Zhao, Farnoud, Gu 2024, in the form of their program; the layers of their analysis are of widths.
struct contextual_dueling {
  contextual_parameters parameters = {};
  arm_features features = {};
  duel_tally tally = {};
  std::int64_t round = 1;
  std::vector<double> weights = {};         ///< [d] θ̂ of the last decision
  std::vector<variance_layer> layers = {};  ///< [L] of VACDB, empty for other rules; their tallies add up to `tally`

  /// Errors: domain_error for parameters.
  ZERMELO_INLINE explicit contextual_dueling(arm_features x, contextual_parameters p = {})
      : parameters(p), features(std::move(x)), tally(empty_tally(features.arms)) {
    parameters.require_valid();
    weights.assign(detail::at(features.dimensions), 0.0);
    if (parameters.rule == contextual_rule::vacdb)
      layers.assign(detail::at(parameters.layers), variance_layer{.tally = tally, .weights = weights});
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return features.arms; }
  ZERMELO_INLINE void rebuild();
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws);
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won);
  /// Errors: shape_error for other numbers of arms or of layers.
  ZERMELO_INLINE void merge(const contextual_dueling& other) {
    if (other.layers.size() != layers.size())
      throw shape_error("other",
                        std::to_string(other.layers.size()) + " layers, expected " + std::to_string(layers.size()));
    tally.merge(other.tally);
    for (std::size_t l = 0; l < layers.size(); ++l) layers[l].tally.merge(other.layers[l].tally);
    round += other.round - 1;
    rebuild();
  }
  /// The arms that may be best, as of the last decision of MaxInP or VACDB.
  ZERMELO_INLINE const std::vector<std::int64_t>& candidates() const { return candidates_; }
  /// The layer of VACDB, in {1, …, L}, to which a duel of i and j would go now. Errors: domain_error for arms.
  ZERMELO_INLINE std::int64_t layer_of(std::int64_t i, std::int64_t j) const;

 private:
  /// θ̂_ℓ and s_ℓ²V_ℓ are those of duels that weigh 1, with a ridge of λs_ℓ².
  struct layer_evidence {
    double variance = 1;  // s_ℓ²
    double ridge = 1;
    detail::linear_evidence duels = {};
    std::vector<std::int64_t> candidates = {};
    bool stale = true;  // a duel has come since these were found

    ZERMELO_INLINE double pair_square(std::int64_t i, std::int64_t j) const {
      return variance * duels.pair_square(i, j);
    }
  };
  ZERMELO_INLINE void factor();
  ZERMELO_INLINE duel next_by_layers();
  detail::linear_evidence evidence_ = {};
  std::vector<layer_evidence> layer_evidence_ = {};
  std::vector<double> noise_ = {}, change_ = {};
  std::vector<std::int64_t> candidates_ = {}, kept_by_ = {};
  detail::newton_space space_ = {};
};

namespace detail::inline ZERMELO_ISA {

/// Gumbel noise −log(−log u), cut off at ±bound.
inline double gumbel_within(double u, double bound) {
  const double x = -log(-log(u));
  return x > bound ? bound : x < -bound ? -bound : x;
}

}  // namespace detail::inline ZERMELO_ISA

ZERMELO_INLINE void contextual_dueling::factor() {
  detail::gram_under_design(features, design_matrix(features, tally, parameters.ridge), evidence_.gram);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layer_evidence& e = layer_evidence_[l];
    detail::gram_under_design(features, design_matrix(features, layers[l].tally, e.ridge), e.duels.gram);
  }
}

ZERMELO_INLINE void contextual_dueling::rebuild() {
  const std::size_t n = detail::at(items());
  evidence_ = detail::evidence_of(features, tally, parameters.ridge);
  layer_evidence_.clear();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const double s = parameters.deviation(static_cast<std::int64_t>(l) + 1), ridge = parameters.ridge * s * s;
    layer_evidence_.push_back(
        {.variance = s * s, .ridge = ridge, .duels = detail::evidence_of(features, layers[l].tally, ridge)});
  }
  noise_.assign(n, 0.0);
  candidates_.reserve(n);
}

ZERMELO_INLINE std::int64_t contextual_dueling::layer_of(std::int64_t i, std::int64_t j) const {
  detail::require_arm("i", i, items());
  detail::require_arm("j", j, items());
  const double p = sigmoid(detail::dot(weights, features.row(i)) - detail::dot(weights, features.row(j)));
  const double error = 0.25 * parameters.bonus(features.dimensions) * evidence_.pair_norm(i, j);  // ¼: the slope of σ
  return variance_layer_of(p * (1 - p) + 2 * parameters.slack * error, parameters);
}

ZERMELO_INLINE duel contextual_dueling::next_by_layers() {
  const std::int64_t n = items();
  const double beta = parameters.bonus(features.dimensions);
  kept_by_.assign(detail::at(n), 0);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layer_evidence& e = layer_evidence_[l];
    if (e.stale) {
      detail::fit_evidence(e.duels, features, e.ridge, layers[l].weights, space_);
      arms_that_may_be_best(
          n, beta, [&](std::int64_t i) { return e.duels.utility[detail::at(i)]; },
          [&](std::int64_t i, std::int64_t j) { return std::sqrt(e.pair_square(i, j)); }, e.candidates);
      e.stale = false;
    }
    for (const std::int64_t i : e.candidates) ++kept_by_[detail::at(i)];
  }
  const std::int64_t most = *std::max_element(kept_by_.begin(), kept_by_.end());
  candidates_.clear();
  for (std::int64_t i = 0; i < n; ++i)
    if (kept_by_[detail::at(i)] == most) candidates_.push_back(i);
  return max_inp(candidates_, [&](std::int64_t i, std::int64_t j) {
    double least = layer_evidence_[0].pair_square(i, j);
    for (const layer_evidence& e : layer_evidence_) least = (std::min)(least, e.pair_square(i, j));
    return std::sqrt(least);
  });
}

template <draw_source D>
ZERMELO_INLINE duel contextual_dueling::next_pair(D& draws) {
  const std::int64_t n = items(), d = features.dimensions;
  detail::fit_evidence(evidence_, features, parameters.ridge, weights, space_);
  const double beta = parameters.bonus(d);
  const auto utility = [this](std::int64_t i) { return evidence_.utility[detail::at(i)]; };
  const auto arm_norm = [this](std::int64_t i) { return evidence_.arm_norm(i); };
  const auto pair_norm = [this](std::int64_t i, std::int64_t j) { return evidence_.pair_norm(i, j); };
  switch (parameters.rule) {
    case contextual_rule::max_first_ucb_next:
      return max_first_ucb_next(n, beta, utility, pair_norm);
    case contextual_rule::max_pair_ucb:
      return max_pair_ucb(n, beta, utility, pair_norm);
    case contextual_rule::max_inp:
      arms_that_may_be_best(n, beta, utility, pair_norm, candidates_);
      return max_inp(candidates_, pair_norm);
    case contextual_rule::vacdb:
      return next_by_layers();
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
  const auto learn = [&](detail::linear_evidence& e) {
    detail::count_duel(e, n, i, j, first_won);
    if (round % parameters.refresh != 0) detail::lower_gram(e.gram, n, i, j, change_);
  };
  if (!layers.empty()) {
    const std::size_t l = detail::at(layer_of(i, j) - 1);  // before `evidence_` knows the outcome
    layers[l].tally.record(i, j, first_won);
    layer_evidence_[l].stale = true;
    learn(layer_evidence_[l].duels);
  }
  learn(evidence_);
  if (round % parameters.refresh == 0) factor();
}

}  // namespace zermelo::inline v1::bandit
