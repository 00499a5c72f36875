// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <string>
#include <variant>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"

/// Priors on strengths: penalties that make a fit exist for any data, and that fix its zero.
namespace zermelo::inline v1::preference {

/// What a prior adds for one item: its penalty and derivatives, and its share of the two sides of the balance
/// "won = lost", which the multiplicative updates of Newman and of Zermelo divide by each other.
template <class V>
struct prior_terms {
  V value, slope, curvature;
  V won, lost;          ///< slope = lost − won: what enters Newman's quotient
  V decided, expected;  ///< slope = expected − decided, decided constant: what enters Zermelo's quotient
};

/// No penalty: maximum likelihood. The fit is reported with Σθ = 0.
struct no_prior {};

/// θᵢ ~ N(0, 1/precision): penalty (precision/2)·θ².
struct gaussian_prior {
  double precision = 1;  ///< > 0

  template <class V>
  ZERMELO_FN prior_terms<V> operator()(V theta) const {
    const V lambda = V(precision), zero = V(0);
    return {.value = V(0.5) * lambda * theta * theta,
            .slope = lambda * theta,
            .curvature = lambda,
            .won = zero,
            .lost = zero,
            .decided = zero,
            .expected = zero};
  }
};

/// The mode under πᵢ ~ Gamma(shape, rate), π = e^θ: penalty −(shape − 1)·θ + rate·e^θ. Source: Caron and Doucet 2012.
struct gamma_prior {
  double shape = 2;  ///< > 1
  double rate = 1;   ///< > 0

  template <class V>
  ZERMELO_FN prior_terms<V> operator()(V theta) const {
    const V wins = V(shape - 1), rest = V(rate) * exp(theta);
    return {.value = select(rest < zermelo::detail::infinity<V>(), rest - wins * theta, rest),
            .slope = rest - wins,
            .curvature = rest,
            .won = wins,
            .lost = rest,
            .decided = wins,
            .expected = rest};
  }
};

/// Every item wins and loses `games` times against a phantom of strength one: games·[softplus(θ) + softplus(−θ)].
/// Source: PlackettLuce's pseudo-rankings; Newman 2023, section 4; Whelan 2017.
struct phantom_prior {
  double games = 0.5;  ///< > 0

  template <class V>
  ZERMELO_FN prior_terms<V> operator()(V theta) const {
    const V c = V(games);
    const auto [cost, p, q] = softplus_sigmoid(theta);
    return {.value = c * (cost + softplus(-theta)),
            .slope = c * (p - q),
            .curvature = V(2) * c * p * q,
            .won = c * q,
            .lost = c * p,
            .decided = c,
            .expected = V(2) * c * p};
  }
};

/// Half of `games` is added to the wins of either side of every pair that met. Islands stay islands.
struct pair_prior {
  double games = 1;  ///< > 0, per pair that met
};

using strength_prior = std::variant<no_prior, gaussian_prior, gamma_prior, phantom_prior, pair_prior>;

namespace detail {

/// Whether the zero of the strengths is left open: differences are all that such a prior speaks of.
ZERMELO_INLINE bool is_shift_invariant(const strength_prior& prior) {
  return std::holds_alternative<no_prior>(prior) || std::holds_alternative<pair_prior>(prior);
}

/// Games that are added to every pair that met.
ZERMELO_INLINE double pair_games(const strength_prior& prior) {
  const auto* pairs = std::get_if<pair_prior>(&prior);
  return pairs ? pairs->games : 0;
}

}  // namespace detail

inline namespace ZERMELO_ISA {

/// Throws domain_error unless the prior's parameters make sense.
inline void require_valid(const strength_prior& prior) {
  const auto require = [](bool good, const char* what, double x, const char* expected) {
    if (!good) throw domain_error(what, domain_error::whole, zermelo::detail::text(x) + ", expected " + expected);
  };
  if (const auto* g = std::get_if<gaussian_prior>(&prior))
    require(is_finite(g->precision) && g->precision > 0, "prior.precision", g->precision, "a positive number");
  if (const auto* g = std::get_if<gamma_prior>(&prior)) {
    require(is_finite(g->shape) && g->shape > 1, "prior.shape", g->shape,
            "a number above 1, or the mode is at zero strength");
    require(is_finite(g->rate) && g->rate > 0, "prior.rate", g->rate, "a positive number");
  }
  if (const auto* p = std::get_if<phantom_prior>(&prior))
    require(is_finite(p->games) && p->games > 0, "prior.games", p->games, "a positive number");
  if (const auto* p = std::get_if<pair_prior>(&prior))
    require(is_finite(p->games) && p->games > 0, "prior.games", p->games, "a positive number");
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference
