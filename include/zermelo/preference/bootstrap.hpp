// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../core/distributions.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/graph.hpp"
#include "../core/primitives/solve.hpp"
#include "../core/statistics.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "bradley_terry.hpp"
#include "inference.hpp"

/// The bootstrap of paired-comparison models in the space of counts: a replicate re-draws how often each outcome of
/// each pair occurred, not the battles one by one, and is refitted from the estimate it scatters around.
namespace zermelo::inline v1::preference {

struct bootstrap_parameters {
  std::int64_t replicates = 1000;  ///< > 0
  std::uint64_t seed = 0;          ///< replicate r is a pure function of (seed, r)
  double level = 0.95;             ///< of every percentile interval by itself, in (0, 1)
  double tolerance = 1e-10;        ///< of every refit, as in fit_parameters
};

/// Refitted strengths and what they say about the estimate's uncertainty.
struct bootstrap_result {
  std::int64_t items = 0;
  std::int64_t replicates = 0;          ///< drawn
  std::int64_t degenerate = 0;          ///< of those, without a finite estimate; excluded below
  std::int64_t not_converged = 0;       ///< of those kept, stopped before the tolerance
  std::vector<std::int64_t> kept = {};  ///< replicates that were fitted, ascending
  std::vector<double> strength = {};    ///< [kept, items]
  /// Percentile interval and median of every item: sorted replicates, position (kept − 1)·q, linear interpolation.
  std::vector<double> lower = {}, median = {}, upper = {};
  std::vector<std::int64_t> best_rank = {}, worst_rank = {};  ///< percentile interval of its rank, 1 is best
};

/// Called while replicates are fitted, with how many are done: observer(done).
template <class O>
concept progress_observer = std::invocable<O&, std::int64_t>;

namespace detail {

/// Nobody watches.
struct unobserved {
  constexpr void operator()(std::int64_t) const {}
};

/// Where one unordered pair's counts go: slots 3p + {lost, won, tied} of the draw, and its entries in both rows.
struct pair_slots {
  std::int64_t forward, backward;  ///< entries of row i and of row j
};

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

/// The unordered pairs of a graph with their outcome counts.
struct outcome_counts {
  std::vector<pair_slots> pairs;
  std::vector<double> counts;  ///< [3·pairs] losses, wins and ties of the item with the smaller id
};

inline outcome_counts outcomes_of(const comparison_graph& g, const comparison_rows& rows) {
  outcome_counts out;
  for (std::int64_t i = 0; i < g.items; ++i)
    for (std::int64_t e = rows.begin(i); e < rows.end(i); ++e) {
      const std::int64_t j = rows.opponent(i, e);
      if (j <= i) continue;
      const pair_record r = g.between(i, j);
      if (r.wins + r.losses + r.ties == 0) continue;
      std::int64_t backward = 0;
      if (rows.full()) {
        backward = j * rows.stride + i;
      } else {
        const auto first = rows.opponents.begin() + rows.begin(j), last = rows.opponents.begin() + rows.end(j);
        backward = std::lower_bound(first, last, i) - rows.opponents.begin();
      }
      out.pairs.push_back({e, backward});
      out.counts.insert(out.counts.end(), {r.losses, r.wins, r.ties});
    }
  return out;
}

/// Refits replicates of one graph. Everything that a replicate needs, reused from one to the next.
template <class P>
class refitter {
 public:
  refitter(const comparison_rows& rows, const outcome_counts& outcomes, const strength_prior& prior,
           const std::vector<double>& start, const cholesky& chord, double tolerance)
      : outcomes_(outcomes), prior_(prior), start_(start), chord_(chord), tolerance_(tolerance), rows_(rows) {
    rows_.own_wins.assign(rows.wins.size(), 0.0);
    rows_.own_losses.assign(rows.wins.size(), 0.0);
    rows_.offsets = rows.offsets, rows_.opponents = rows.opponents;
    rows_.wins = rows_.own_wins, rows_.losses = rows_.own_losses;
  }
  refitter(const refitter&) = delete;

  /// Shares ties out and adds pseudo-counts; says whether a finite estimate exists.
  bool set_counts(std::span<const double> counts) {
    const double extra = pair_games(prior_) / 2;
    bool every_direction = true;
    double* wins = rows_.own_wins.data();
    double* losses = rows_.own_losses.data();
    for (std::size_t p = 0; p < outcomes_.pairs.size(); ++p) {
      const auto [forward, backward] = outcomes_.pairs[p];
      const double lost = counts[3 * p], won = counts[3 * p + 1], half = counts[3 * p + 2] / 2;
      const double met = lost + won + half > 0 ? extra : 0;
      const double w = won + half + met, l = lost + half + met;
      wins[forward] = w, losses[backward] = w;
      losses[forward] = l, wins[backward] = l;
      every_direction &= w > 0 && l > 0;
    }
    if (!is_shift_invariant(prior_)) return true;
    // Where every pair still has wins both ways the digraph is as connected as it was, and it was asked.
    return every_direction || is_strongly_connected(simd{}, win_graph{&rows_}, win_graph{&rows_, true});
  }

  /// Writes the replicate's strengths; says whether the refit reached its tolerance.
  bool fit(std::span<double> out) {
    const likelihood<logistic> f{rows_, {}, prior_};
    const double scale = gradient_scale(rows_);
    best_.theta = start_;
    bool converged = rows_.full() && by_chord(f, scale);
    if (!converged) {
      best_.theta = start_;
      best_.certificate.scale = scale;
      newton(P{}, f, {.tolerance = tolerance_}, best_);
      converged = best_.convergence.status == status::converged;
    }
    std::copy_n(best_.theta.begin(), out.size(), out.begin());
    return converged;
  }

 private:
  /// Newton with the estimate's own Hessian, factored once for all replicates. Gives up where it does not contract.
  bool by_chord(const likelihood<logistic>& f, double scale) {
    const auto n = static_cast<std::size_t>(rows_.items);
    double previous = 0;
    for (int k = 0; k < 40; ++k) {
      evaluate<wanted{}>(P{}, f, best_.theta, at_);
      // One step more than the tolerance asks for: the error that is left is then that of the last digits.
      const bool arrived = at_.gradient_norm <= tolerance_ * scale;
      if (k > 0 && !(at_.gradient_norm <= 0.5 * previous)) return arrived;
      previous = at_.gradient_norm;
      step_.assign(at_.gradient.begin(), at_.gradient.end());
      chord_.solve(step_);
      for (std::size_t i = 0; i < n; ++i) best_.theta[i] -= step_[i];
      if (f.sums_to_zero()) centre(best_.theta, rows_.items);
      if (arrived) return true;
    }
    return false;
  }

  const outcome_counts& outcomes_;
  const strength_prior& prior_;
  const std::vector<double>& start_;
  const cholesky& chord_;
  double tolerance_;
  comparison_rows rows_;
  optimum best_;
  balance at_;
  std::vector<double> step_;
};

/// Fits `replicates` draws: draw(r, counts) writes the outcome counts of replicate r.
template <class P, class Draw, class Observer = unobserved>
bootstrap_result run_bootstrap(P&& policy, const bradley_terry& model, const comparison_graph& graph,
                               const std::vector<double>& estimate, std::int64_t replicates, double level,
                               double tolerance, const comparison_rows& rows, const outcome_counts& outcomes, Draw draw,
                               Observer&& observer = {}) {
  using inner = std::conditional_t<uses_vector_units<P>, simd, serial>;
  if (!is_finite(level) || level <= 0 || level >= 1)
    throw domain_error("level", domain_error::whole, zermelo::detail::text(level) + ", expected one in (0, 1)");
  if (is_nan(tolerance) || tolerance < 0)
    throw domain_error("tolerance", domain_error::whole, zermelo::detail::text(tolerance) + ", expected zero or more");
  if (replicates < 1)
    throw domain_error("replicates", domain_error::whole, std::to_string(replicates) + ", expected at least one");
  const std::int64_t n = graph.items;
  std::vector<double> start = estimate;
  start.resize(static_cast<std::size_t>(rows.full() ? rows.stride : n), 0.0);

  cholesky chord;
  if (rows.full()) {
    const likelihood<logistic> f{rows, {}, model.prior};
    balance at;
    std::vector<double> curvature, h;
    evaluate<wanted{.curvature = true}>(policy, f, start, at, &curvature);
    dense_hessian(f, at, curvature, h);
    if (!chord.factor(h, n)) refuse_singular();
  }

  constexpr std::int64_t per_tile = 8;
  const std::int64_t tiles = (replicates + per_tile - 1) / per_tile;
  enum class fate : char { degenerate, limit, converged };
  std::vector<fate> fates(static_cast<std::size_t>(replicates), fate::degenerate);
  std::vector<double> strengths(static_cast<std::size_t>(replicates * n));
  std::mutex watching;
  std::int64_t done = 0;
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    refitter<inner> refit(rows, outcomes, model.prior, start, chord, tolerance);
    std::vector<double> counts(outcomes.counts.size());
    for (std::int64_t r = t * per_tile; r < (std::min)(replicates, (t + 1) * per_tile); ++r) {
      draw(r, std::span<double>(counts));
      if (!refit.set_counts(counts)) continue;
      const bool converged =
          refit.fit(std::span<double>(strengths).subspan(static_cast<std::size_t>(r * n), static_cast<std::size_t>(n)));
      fates[static_cast<std::size_t>(r)] = converged ? fate::converged : fate::limit;
    }
    if constexpr (!std::is_same_v<std::remove_cvref_t<Observer>, unobserved>) {
      const std::lock_guard hold(watching);
      done += (std::min)(per_tile, replicates - t * per_tile);
      observer(done);
    }
  });

  bootstrap_result result{.items = n, .replicates = replicates};
  for (std::int64_t r = 0; r < replicates; ++r) {
    const fate what = fates[static_cast<std::size_t>(r)];
    result.not_converged += what == fate::limit;
    if (what == fate::degenerate) {
      ++result.degenerate;
      continue;
    }
    if (const auto to = static_cast<std::int64_t>(result.kept.size()); to != r)
      std::copy_n(strengths.begin() + r * n, n, strengths.begin() + to * n);
    result.kept.push_back(r);
  }
  const auto kept = static_cast<std::int64_t>(result.kept.size());
  strengths.resize(static_cast<std::size_t>(kept * n));
  result.strength = std::move(strengths);
  if (kept == 0) return result;

  std::vector<std::int32_t> ranks(static_cast<std::size_t>(kept * n));
  for_each_tile(policy, (kept + per_tile - 1) / per_tile, [&](std::int64_t t) {
    std::vector<std::pair<double, std::int32_t>> order(static_cast<std::size_t>(n));
    for (std::int64_t r = t * per_tile; r < (std::min)(kept, (t + 1) * per_tile); ++r) {
      for (std::int64_t i = 0; i < n; ++i)
        order[static_cast<std::size_t>(i)] = {-result.strength[static_cast<std::size_t>(r * n + i)],
                                              static_cast<std::int32_t>(i)};
      std::sort(order.begin(), order.end());
      for (std::int64_t k = 0; k < n; ++k)
        ranks[static_cast<std::size_t>(r * n + order[static_cast<std::size_t>(k)].second)] =
            static_cast<std::int32_t>(k + 1);
    }
  });

  const auto size = static_cast<std::size_t>(n);
  result.lower.resize(size), result.median.resize(size), result.upper.resize(size);
  result.best_rank.resize(size), result.worst_rank.resize(size);
  const std::array<double, 3> q{(1 - level) / 2, 0.5, (1 + level) / 2};
  constexpr std::int64_t items_per_tile = 16;
  for_each_tile(policy, (n + items_per_tile - 1) / items_per_tile, [&](std::int64_t t) {
    std::vector<double> sample(static_cast<std::size_t>(kept));
    std::array<double, 3> at{};
    for (std::int64_t i = t * items_per_tile; i < (std::min)(n, (t + 1) * items_per_tile); ++i) {
      const auto item = static_cast<std::size_t>(i);
      for (std::int64_t r = 0; r < kept; ++r)
        sample[static_cast<std::size_t>(r)] = result.strength[static_cast<std::size_t>(r * n + i)];
      quantiles(sample, q, at);
      result.lower[item] = at[0], result.median[item] = at[1], result.upper[item] = at[2];
      for (std::int64_t r = 0; r < kept; ++r)
        sample[static_cast<std::size_t>(r)] = ranks[static_cast<std::size_t>(r * n + i)];
      quantiles(sample, q, at);
      result.best_rank[item] = static_cast<std::int64_t>(std::floor(at[0]));
      result.worst_rank[item] = static_cast<std::int64_t>(std::ceil(at[2]));
    }
  });
  return result;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Percentile bootstrap of Bradley–Terry strengths.
///
/// A replicate draws the battles' outcomes again, with replacement: the counts of all (pair, outcome) cells are
/// multinomial(battles, share of each cell), drawn exactly. It is refitted from the estimate. Replicates whose items
/// have no finite estimate are counted, reported and left out; with a prior there are none.
/// fitted  the fit of this graph and this model
/// Errors: domain_error for weighted battles or counts that are not whole (battles are what is drawn), for strengths
///         fitted by components, for parameters; shape_error.
/// Cost: a few passes over the pairs a replicate, in parallel over replicates; memory 8·replicates·items bytes.
/// Source: Efron 1979; in the space of counts: FastChat, pull request 3523.
///
/// observer(done)  after every few replicates, with a count that rises to `replicates`: one call at a time, on any
///                 thread of the policy. What it throws ends the bootstrap.
template <host_policy P, progress_observer Observer>
bootstrap_result bootstrap(P&& policy, const bradley_terry& model, const comparison_graph& graph,
                           const bradley_terry_fit& fitted, const bootstrap_parameters& parameters,
                           Observer&& observer) {
  if (static_cast<std::int64_t>(fitted.strength.size()) != graph.items)
    throw shape_error(
        "fitted", std::to_string(fitted.strength.size()) + " strengths for " + std::to_string(graph.items) + " items");
  if (!graph.unit_weights())
    throw domain_error("graph", domain_error::whole,
                       "battles carry weights; the bootstrap draws battles of weight one again");
  if (!fitted.components.empty())
    throw domain_error("fitted", domain_error::whole,
                       "strengths were fitted by components; bootstrap each component by itself");
  const auto rows = detail::rows_of(graph, detail::pair_games(model.prior));
  const auto outcomes = detail::outcomes_of(graph, rows);
  double total = 0;
  for (const double c : outcomes.counts) {
    if (c != std::floor(c))
      throw domain_error("graph", domain_error::whole,
                         "a count of " + zermelo::detail::text(c) + " is not whole; the bootstrap draws battles again");
    total += c;
  }
  if (total == 0)
    throw domain_error("graph", domain_error::whole, "there are no battles; the bootstrap draws battles again");
  const multinomial_sampler sampler(static_cast<std::int64_t>(total), outcomes.counts);
  return detail::run_bootstrap(
      policy, model, graph, fitted.strength, parameters.replicates, parameters.level, parameters.tolerance, rows,
      outcomes,
      [&](std::int64_t r, std::span<double> counts) {
        sampler.draw(parameters.seed, static_cast<std::uint64_t>(r), counts);
      },
      observer);
}

template <host_policy P>
bootstrap_result bootstrap(P&& policy, const bradley_terry& model, const comparison_graph& graph,
                           const bradley_terry_fit& fitted, const bootstrap_parameters& parameters = {}) {
  return bootstrap(policy, model, graph, fitted, parameters, detail::unobserved{});
}

inline bootstrap_result bootstrap(const bradley_terry& model, const comparison_graph& graph,
                                  const bradley_terry_fit& fitted, const bootstrap_parameters& parameters = {}) {
  return bootstrap(simd{}, model, graph, fitted, parameters);
}

/// The same with counts that the caller drew: nothing here is random.
///
/// first, second, outcomes  [c]     the cells, each of a pair and an outcome
/// counts                   [B, c]  how often each cell occurred in each replicate: finite, zero or more
/// level                            of the percentile intervals
template <host_policy P, tensor F, tensor S, tensor O, tensor C>
bootstrap_result bootstrap(P&& policy, const bradley_terry& model, std::int64_t items, const F& first, const S& second,
                           const O& outcomes, const C& counts, double level = 0.95) {
  const auto f = view(first);
  const auto s = view(second);
  const auto o = view(outcomes);
  const auto c = view(counts);
  static_assert(decltype(c)::rank == 2, "zermelo: counts is a matrix, [replicates, cells]");
  const std::int64_t replicates = c.shape[0], cells = f.size();
  if (c.shape[1] != cells)
    throw shape_error("counts", "shape [" + std::to_string(replicates) + ", " + std::to_string(c.shape[1]) +
                                    "], expected one column for each of the " + std::to_string(cells) + " cells");
  std::vector<double> pooled(static_cast<std::size_t>(cells), 0.0);
  for (std::int64_t r = 0; r < replicates; ++r)
    for (std::int64_t k = 0; k < cells; ++k) {
      const double x = static_cast<double>(c(r, k));
      detail::require_count("counts", r * cells + k, x);
      pooled[static_cast<std::size_t>(k)] += x;
    }
  const comparison_graph graph = count_battles(policy, first, second, outcomes, pooled, items);
  const auto rows = detail::rows_of(graph, detail::pair_games(model.prior));
  const auto slots = detail::outcomes_of(graph, rows);

  // Cell k of the caller is slot `slot[k]` of a replicate; cells that never occurred have none.
  std::vector<std::int64_t> slot(static_cast<std::size_t>(cells), -1);
  for (std::int64_t k = 0; k < cells; ++k) {
    const auto i = static_cast<std::int64_t>(f.element(k)), j = static_cast<std::int64_t>(s.element(k));
    const std::int64_t low = (std::min)(i, j), high = (std::max)(i, j);
    const std::uint32_t code = detail::outcome_code(o.element(k));
    const std::uint32_t seen = i < j ? code : detail::seen_from_second(code);
    std::int64_t forward = low * rows.stride + high;
    if (!rows.full())
      forward =
          std::lower_bound(rows.opponents.begin() + rows.begin(low), rows.opponents.begin() + rows.end(low), high) -
          rows.opponents.begin();
    const auto at = std::lower_bound(slots.pairs.begin(), slots.pairs.end(), forward,
                                     [](const detail::pair_slots& p, std::int64_t x) { return p.forward < x; });
    if (at != slots.pairs.end() && at->forward == forward)
      slot[static_cast<std::size_t>(k)] = 3 * (at - slots.pairs.begin()) + static_cast<std::int64_t>(seen);
  }
  const bradley_terry_fit pooled_fit = fit(policy, model, graph);
  return detail::run_bootstrap(
      policy, model, graph, pooled_fit.strength, replicates, level, bootstrap_parameters{}.tolerance, rows, slots,
      [&](std::int64_t r, std::span<double> drawn) {
        std::fill(drawn.begin(), drawn.end(), 0.0);
        for (std::int64_t k = 0; k < cells; ++k)
          if (slot[static_cast<std::size_t>(k)] >= 0)
            drawn[static_cast<std::size_t>(slot[static_cast<std::size_t>(k)])] += static_cast<double>(c(r, k));
      });
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference
