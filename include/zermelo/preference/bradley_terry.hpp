// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "../core/certificate.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/graph.hpp"
#include "../core/links.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "comparison_graph.hpp"
#include "detail/comparison_rows.hpp"
#include "detail/maximise.hpp"
#include "detail/resident_rows.hpp"
#include "detail/simulate_games.hpp"
#include "fit.hpp"
#include "outcome.hpp"
#include "priors.hpp"

/// The Bradley–Terry model: every item has a strength, and the stronger of two wins more often.
///
///   P(i beats j) = σ(θᵢ − θⱼ) = πᵢ / (πᵢ + πⱼ),   π = e^θ
///
/// Source: Zermelo 1929; Bradley and Terry 1952; existence: Ford 1957; sweeps: Hunter 2004, Newman 2023.
namespace zermelo::inline v1::preference {

/// The model. Ties count as half a win for either side.
struct bradley_terry {
  strength_prior prior = no_prior{};
};

/// Strengths on the scale of chess ratings: a difference of `scale` is a factor `base` in the odds.
struct elo_scale {
  double centre = 1000;
  double scale = 400;
  double base = 10;

  /// What a unit of log-strength is worth.
  ZERMELO_INLINE double per_unit() const { return scale / std::log(base); }
  ZERMELO_INLINE double operator()(double log_strength) const { return centre + per_unit() * log_strength; }
};

/// Fitted strengths, and what proves that they are the optimum.
struct bradley_terry_fit {
  /// θ, log-strengths. Σθ = 0 without a prior that has its own zero.
  std::vector<double> strength = {};
  double log_likelihood = 0;              ///< Σ wins·log σ(θᵢ − θⱼ), without the prior
  double objective = 0;                   ///< what was minimised: −log_likelihood + the prior's penalty
  zermelo::convergence convergence = {};  ///< residual: ‖gradient‖∞ / max over items of the games played
  optimum_certificate certificate = {};
  /// Only if fitted by components: the strong components, winners first. Each is centred by itself; differences of
  /// strengths between components mean nothing.
  item_sets components = {};

  /// P(i beats j). Errors: domain_error for ids out of range, and for items of different components.
  ZERMELO_INLINE double win_probability(std::int64_t i, std::int64_t j) const;

  /// Draws outcomes of battles between first[k] and second[k]: wins of the first with P, wins of the second otherwise.
  /// Battle k is a pure function of (seed, k). Errors: shape_error; domain_error, as win_probability.
  template <tensor F, tensor S, tensor O>
  ZERMELO_INLINE void simulate(const F& first, const S& second, O&& outcomes, std::uint64_t seed) const;
};

namespace detail::inline ZERMELO_ISA {

inline std::string list_items(const std::vector<std::int64_t>& items) {
  std::string text;
  for (std::size_t k = 0; k < items.size(); ++k) {
    if (k == 8) return text + ", … (" + std::to_string(items.size()) + " items)";
    text += (k ? ", " : "") + std::to_string(items[k]);
  }
  return text;
}

/// Throws unless a finite maximum exists: the digraph "i beat j" must be strongly connected (Ford 1957).
template <class P>
void require_maximum(P&& policy, const comparison_rows& rows) {
  const win_graph forward{&rows};
  if (is_strongly_connected(policy, forward, win_graph{&rows, true})) return;
  auto islands = connected_components(forward);
  if (islands.size() > 1) {
    const std::string what = "strengths are not identifiable: the items fall into " + std::to_string(islands.size()) +
                             " islands that never met, items {" + list_items(islands[0]) + "} and {" +
                             list_items(islands[1]) + "} among them; a prior, or a fit by components, has an answer";
    throw not_identifiable(what, std::move(islands));
  }
  auto components = strong_components(forward);
  const auto& best = components.front();
  const auto& worst = components.back();
  const std::string why = best.size() == 1    ? "item " + std::to_string(best[0]) + " never lost"
                          : worst.size() == 1 ? "item " + std::to_string(worst[0]) + " never won"
                                              : "items {" + list_items(best) + "} never lost to any other";
  throw no_maximum("no maximum-likelihood estimate exists: " + why + "; a prior, or a fit by components, has an answer",
                   std::move(components));
}

/// Rows where the policy works, and the policy of what is decided on the host.
template <host_policy P>
const comparison_rows& placed_rows(P&&, const comparison_rows& rows) {
  return rows;
}
template <device_policy P>
auto placed_rows(const P& policy, const comparison_rows& rows) {
  static_assert(!device_policy_traits<P>::records,
                "zermelo: a fit waits for its iterations; pass the policy itself, not policy.into(record)");
  return resident_rows<P>(policy, rows);
}
template <execution P>
ZERMELO_INLINE decltype(auto) host_side(const P& policy) {
  if constexpr (host_policy<P>)
    return policy;
  else
    return simd{};
}

/// Where an item stands in a list of components.
struct component_place {
  std::int64_t component, position;
};

inline std::vector<component_place> places_in(const item_sets& components, std::int64_t items) {
  std::vector<component_place> places(static_cast<std::size_t>(items));
  for (std::size_t c = 0; c < components.size(); ++c)
    for (std::size_t k = 0; k < components[c].size(); ++k)
      places[static_cast<std::size_t>(components[c][k])] = {static_cast<std::int64_t>(c), static_cast<std::int64_t>(k)};
  return places;
}

/// The counts between the items of one component; item k of the result is items[k]. Squared weights are left behind.
inline comparison_graph subgraph(const comparison_graph& g, const std::vector<std::int64_t>& items,
                                 const std::vector<component_place>& places) {
  const auto n = static_cast<std::int64_t>(items.size());
  std::vector<std::int64_t> first, second;
  std::vector<pair_record> records;
  double battles = 0;
  for (std::int64_t k = 0; k < n; ++k)
    for_each_opponent(g, items[static_cast<std::size_t>(k)], [&](std::int64_t j, std::int64_t e) {
      const component_place at = places[static_cast<std::size_t>(j)];
      const std::int64_t to = at.position;
      if (at.component != places[static_cast<std::size_t>(items[0])].component || to <= k) return;
      const pair_record r = record_at(g, items[static_cast<std::size_t>(k)], j, e);
      if (r.wins + r.losses + r.ties == 0) return;
      first.push_back(k), second.push_back(to), records.push_back(r);
      battles += r.wins + r.losses + r.ties;
    });
  std::vector<std::int64_t> a, b;
  std::vector<outcome> o;
  std::vector<double> w;
  for (std::size_t k = 0; k < records.size(); ++k) {
    const auto add = [&](outcome what, double weight) {
      if (weight == 0) return;
      a.push_back(first[k]), b.push_back(second[k]), o.push_back(what), w.push_back(weight);
    };
    add(outcome::first, records[k].wins);
    add(outcome::second, records[k].losses);
    add(outcome::tie, records[k].ties);
  }
  auto part = count_battles(a, b, o, w, n);
  part.squared_wins = {}, part.squared_losses = {}, part.squared_ties = {};
  part.battles = static_cast<std::int64_t>(std::llround(battles));
  return part;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Fits Bradley–Terry strengths:  minimise  Σᵢⱼ Wᵢⱼ softplus(θⱼ − θᵢ) + penalty(θ),  W = wins + ties/2.
///
/// Without a prior a finite optimum exists, unique up to a shift, if and only if the digraph "i beat j" is strongly
/// connected; that is decided first.
/// Errors: not_identifiable (islands), no_maximum (connected, but not strongly) unless fitted by components;
///         domain_error for parameters, and for a method that has no step for the prior.
/// Cost: one iteration is one pass over the pairs; Newton adds items³/3 (up to 1000 items) or conjugate gradients.
/// On a device (policy `cuda`) the graph is copied there and stays for the fit; Newton solves by conjugate gradients there, and
/// the sweeps that move one item after another are refused. Whether a maximum exists is decided on the host.
template <execution P>
bradley_terry_fit fit(P&& policy, const bradley_terry& model, const comparison_graph& graph,
                      const fit_parameters& parameters = {}) {
  const auto& on = zermelo::detail::carried_out_by(policy);
  require_valid(model.prior);
  detail::require_valid(parameters, graph.items);
  const bool needs_connection = detail::is_shift_invariant(model.prior);
  const double pair_games = detail::pair_games(model.prior);
  const detail::comparison_rows rows = detail::rows_of(
      graph, pair_games, parameters.method == fit_method::newton ? detail::row_use::systems : detail::row_use::sweeps);

  if (parameters.existence == existence::by_component && needs_connection) {
    const auto components = strong_components(detail::win_graph{&rows});
    if (components.size() > 1) {
      bradley_terry_fit whole;
      whole.strength.assign(static_cast<std::size_t>(graph.items), 0.0);
      fit_parameters inside = parameters;
      const auto places = detail::places_in(components, graph.items);
      for (const auto& items : components) {
        if (items.size() == 1) continue;  // an item by itself is at zero
        std::vector<double> start;
        for (const std::int64_t i : items)
          if (!parameters.start.empty()) start.push_back(parameters.start[static_cast<std::size_t>(i)]);
        inside.start = start;
        const auto part = fit(on, model, detail::subgraph(graph, items, places), inside);
        for (std::size_t k = 0; k < items.size(); ++k)
          whole.strength[static_cast<std::size_t>(items[k])] = part.strength[k];
        whole.log_likelihood += part.log_likelihood;
        whole.objective += part.objective;
        whole.convergence.iterations += part.convergence.iterations;
        if (part.convergence.residual >= whole.convergence.residual) {
          whole.convergence.residual = part.convergence.residual;
          whole.certificate = part.certificate;
        }
        if (part.convergence.status != status::converged) whole.convergence.status = part.convergence.status;
      }
      whole.components = components;
      return whole;
    }
  }
  if (needs_connection) detail::require_maximum(detail::host_side(on), rows);

  const auto& placed = detail::placed_rows(on, rows);
  const detail::likelihood<logistic, std::remove_cvref_t<decltype(placed)>> objective{
      .rows = placed, .link = {}, .prior = model.prior};
  detail::optimum best = detail::maximise(on, objective, parameters);
  bradley_terry_fit result;
  result.strength = std::move(best.theta);
  result.strength.resize(static_cast<std::size_t>(graph.items));
  result.objective = best.value;
  result.convergence = best.convergence;
  result.certificate = best.certificate;
  // With pseudo-counts the battles that were fought are told apart from those that were added.
  if (pair_games > 0) {
    const detail::comparison_rows fought = detail::rows_of(graph);
    best.data_value = detail::negative_log_likelihood(on, detail::placed_rows(on, fought), logistic{}, result.strength);
  }
  result.log_likelihood = -best.data_value;
  return result;
}

template <class Model>
auto fit(const Model& model, const comparison_graph& graph, const fit_parameters& parameters = {}) {
  return fit(simd{}, model, graph, parameters);
}

}  // namespace ZERMELO_ISA

ZERMELO_INLINE double bradley_terry_fit::win_probability(std::int64_t i, std::int64_t j) const {
  const auto n = static_cast<std::int64_t>(strength.size());
  detail::require_id("i", domain_error::whole, i, n);
  detail::require_id("j", domain_error::whole, j, n);
  if (!components.empty())
    for (const auto& set : components) {
      bool has_i = false, has_j = false;
      for (const std::int64_t k : set) has_i |= k == i, has_j |= k == j;
      if (has_i != has_j)
        throw domain_error(
            "j", domain_error::whole,
            "items " + std::to_string(i) + " and " + std::to_string(j) +
                " are in different components: the difference of their strengths has no finite estimate");
    }
  return sigmoid(strength[static_cast<std::size_t>(i)] - strength[static_cast<std::size_t>(j)]);
}

template <tensor F, tensor S, tensor O>
ZERMELO_INLINE void bradley_terry_fit::simulate(const F& first, const S& second, O&& outcomes,
                                                std::uint64_t seed) const {
  detail::simulate_games(*this, static_cast<std::int64_t>(strength.size()), first, second, outcomes, seed);
}

}  // namespace zermelo::inline v1::preference
