// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/value.hpp"
#include "duels.hpp"

/// Relative minimum empirical divergence: an arm is played as long as it is plausible that it beats everyone.
namespace zermelo::inline v1::bandit {

enum class rmed_variant : std::uint8_t {
  one,  ///< RMED1: against the empirical winner, if it beats the arm, else against whoever beats the arm most clearly
  two   ///< RMED2: against the arm that refutes it at the least regret; asymptotically optimal
};

struct rmed_parameters {
  rmed_variant variant = rmed_variant::one;
  double exploration = -1;  ///< f(n) ≥ 0 beside ln t; −1: 0.3 n^1.01
  double top_up = 3;        ///< α of RMED2, which lets every pair meet α ln ln t times, > 0

  ZERMELO_INLINE double f(std::int64_t n) const {
    return exploration < 0 ? 0.3 * std::pow(static_cast<double>(n), 1.01) : exploration;
  }
  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(exploration) || (exploration < 0 && exploration != -1))
      throw domain_error("exploration", domain_error::whole,
                         "must be -1 or not negative, got " + zermelo::detail::text(exploration));
    detail::require_positive("top_up", top_up);
  }
};

/// RMED1 and RMED2.   Iᵢ = Σ over {j: μ̂ᵢⱼ ≤ ½} of Nᵢⱼ kl(μ̂ᵢⱼ, ½), the evidence that i does not beat everyone;
/// i* = argmin I; arm i is plausible while Iᵢ − I_i* ≤ ln t + f(n).
///
/// All pairs meet once; then the plausible arms are played in turn, each against an opponent as the variant says; an arm
/// that is plausible after its turn is played in the next turn again.
///
/// Needs a Condorcet winner; regret matches the lower bound of its authors (RMED2), or nearly so (RMED1).
/// Cost: O(n) a round.   Source: Komiyama, Honda, Kashima, Nakagawa 2015.
struct rmed {
  rmed_parameters parameters = {};
  duel_tally tally = {};
  std::int64_t round = 1;
  std::vector<std::int64_t> current = {};  ///< L_C: arms whose turn it is or was, ascending
  std::int64_t place = 0;                  ///< the next of them
  std::vector<std::uint8_t> waiting = {};  ///< [n] L_R: arms of this turn that were not played yet
  std::vector<std::uint8_t> renewed = {};  ///< [n] L_N: arms of the next turn
  std::int64_t met = 0;                    ///< pairs of the first round-robin that were played

  /// Errors: domain_error for n < 1 and for parameters.
  ZERMELO_INLINE explicit rmed(std::int64_t n, rmed_parameters p = {}) : parameters(p), tally(empty_tally(n)) {
    parameters.require_valid();
    current.reserve(detail::at(n));
    for (std::int64_t i = 0; i < n; ++i) current.push_back(i);
    waiting.assign(detail::at(n), 1);
    renewed.assign(detail::at(n), 0);
    rebuild();
  }
  ZERMELO_INLINE std::int64_t items() const { return tally.items; }
  ZERMELO_INLINE void rebuild();
  template <draw_source D>
  ZERMELO_INLINE duel next_pair(D& draws);
  ZERMELO_INLINE void observe(std::int64_t i, std::int64_t j, bool first_won);
  /// Adds the duels of another machine; the turn goes on as it was.
  ZERMELO_INLINE void merge(const rmed& other) {
    tally.merge(other.tally);
    round += other.round - 1;
    rebuild();
  }

 private:
  std::vector<double> terms_ = {}, divergence_ = {};  // [n, n] Nᵢⱼ kl(μ̂ᵢⱼ, ½) where μ̂ᵢⱼ ≤ ½; [n] I
  std::int64_t top_up_i_ = 1, top_up_j_ = 0;
  enum class proposal : std::uint8_t { none, meeting, turn } proposed_ = proposal::none;
};

namespace detail::inline ZERMELO_ISA {

inline double divergence_term(const duel_tally& tally, std::int64_t i, std::int64_t j) {
  const double share = tally.share(i, j);
  return i != j && share <= 0.5 ? tally.duels(i, j) * coin_divergence(share, 0.5) : 0.0;
}

template <class X>
std::int64_t index_of_least(const X& x, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i)
    if (x[at(i)] < x[at(best)]) best = i;
  return best;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// I [n], the evidence against each arm.   Cost: O(n²).
inline std::vector<double> empirical_divergence(const duel_tally& tally) {
  std::vector<double> evidence(detail::at(tally.items), 0.0);
  for (std::int64_t i = 0; i < tally.items; ++i)
    for (std::int64_t j = 0; j < tally.items; ++j) evidence[detail::at(i)] += detail::divergence_term(tally, i, j);
  return evidence;
}

/// RMED1's opponent of arm l: i* if it has not lost to l more often than won (or l has lost to nobody), else the arm that
/// beats l most clearly.   Cost: O(n).
inline std::int64_t rmed1_opponent(const duel_tally& tally, std::int64_t winner, std::int64_t l) {
  std::int64_t clearest = -1;
  bool undefeated = true;
  for (std::int64_t j = 0; j < tally.items; ++j) {
    if (j == l) continue;
    undefeated = undefeated && tally.share(l, j) > 0.5;
    if (clearest < 0 || tally.share(l, j) < tally.share(l, clearest)) clearest = j;
  }
  return undefeated || (winner != l && tally.share(l, winner) <= 0.5) ? winner : clearest;
}

/// RMED2's b*: the opponent that refutes arm l at the least regret,
///   argmin over {j: μ̂ₗⱼ < ½} of [(μ̂_i*l − ½) + (μ̂_i*j − ½)] / kl(μ̂ₗⱼ, ½);   −1 if nobody beats l.   Cost: O(n).
inline std::int64_t rmed2_opponent(const duel_tally& tally, std::int64_t winner, std::int64_t l) {
  std::int64_t best = -1;
  double least = 0;
  for (std::int64_t j = 0; j < tally.items; ++j) {
    const double share = tally.share(l, j);
    if (j == l || !(share < 0.5)) continue;
    const double price = (tally.share(winner, l) - 0.5 + tally.share(winner, j) - 0.5) / coin_divergence(share, 0.5);
    if (best < 0 || price < least) best = j, least = price;
  }
  return best;
}

/// {j: Iⱼ − min I ≤ ln t + f}, ascending: arms that may still beat everyone.
/// Errors: domain_error for t < 1, or f that is negative or not finite.
inline std::vector<std::int64_t> plausible_arms(std::span<const double> evidence, std::int64_t t, double f) {
  const auto n = static_cast<std::int64_t>(evidence.size());
  if (t < 1) throw domain_error("t", domain_error::whole, "rounds count from one, got " + std::to_string(t));
  if (!is_finite(f) || f < 0)
    throw domain_error("f", domain_error::whole, "must be finite and not negative, got " + zermelo::detail::text(f));
  const double limit = evidence[detail::at(detail::index_of_least(evidence, n))] + log(static_cast<double>(t)) + f;
  std::vector<std::int64_t> arms;
  for (std::int64_t j = 0; j < n; ++j)
    if (evidence[detail::at(j)] <= limit) arms.push_back(j);
  return arms;
}

}  // namespace ZERMELO_ISA

ZERMELO_INLINE void rmed::rebuild() {
  const std::int64_t n = items();
  terms_.assign(detail::at(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) terms_[detail::at(i * n + j)] = detail::divergence_term(tally, i, j);
  divergence_ = empirical_divergence(tally);
}

template <draw_source D>
ZERMELO_INLINE duel rmed::next_pair(D&) {
  const std::int64_t n = items();
  proposed_ = proposal::none;
  if (n == 1) return {0, 0};
  const std::int64_t pairs = n * (n - 1) / 2;
  const double loops = log(log(static_cast<double>(round + 1)));
  const bool again = parameters.variant == rmed_variant::two && round > 1 &&
                     static_cast<double>(met) < static_cast<double>(pairs) * parameters.top_up * loops;
  proposed_ = met < pairs || again ? proposal::meeting : proposal::turn;
  if (proposed_ == proposal::meeting) return {top_up_i_, top_up_j_};
  const std::int64_t l = current[detail::at(place)];
  const std::int64_t winner = detail::index_of_least(divergence_, n);
  if (parameters.variant == rmed_variant::two) {
    const std::int64_t b = rmed2_opponent(tally, winner, l);
    const double patience = log(log(static_cast<double>(round)));
    if (b >= 0 && tally.duels(l, winner) * patience >= tally.duels(l, b)) return {l, b};
  }
  return {l, rmed1_opponent(tally, winner, l)};
}

ZERMELO_INLINE void rmed::observe(std::int64_t i, std::int64_t j, bool first_won) {
  const std::int64_t n = items();
  tally.record(i, j, first_won);
  if (i != j) {
    terms_[detail::at(i * n + j)] = detail::divergence_term(tally, i, j);
    terms_[detail::at(j * n + i)] = detail::divergence_term(tally, j, i);
    for (const std::int64_t k : {i, j}) {
      double sum = 0;
      for (std::int64_t m = 0; m < n; ++m) sum += terms_[detail::at(k * n + m)];
      divergence_[detail::at(k)] = sum;
    }
  }
  ++round;
  const proposal was = proposed_;
  proposed_ = proposal::none;
  if (was == proposal::none) return;
  if (was == proposal::meeting) {
    ++met;
    if (++top_up_j_ == top_up_i_) {
      top_up_j_ = 0;
      if (++top_up_i_ == n) top_up_i_ = 1;
    }
    return;
  }
  waiting[detail::at(current[detail::at(place)])] = 0;
  const double limit = divergence_[detail::at(detail::index_of_least(divergence_, n))] +
                       log(static_cast<double>(round)) + parameters.f(n);
  for (std::int64_t k = 0; k < n; ++k)
    if (!waiting[detail::at(k)] && divergence_[detail::at(k)] <= limit) renewed[detail::at(k)] = 1;
  if (++place < static_cast<std::int64_t>(current.size())) return;
  place = 0;
  current.clear();
  for (std::int64_t k = 0; k < n; ++k) {
    if (renewed[detail::at(k)]) current.push_back(k);
    waiting[detail::at(k)] = renewed[detail::at(k)];
    renewed[detail::at(k)] = 0;
  }
}

}  // namespace zermelo::inline v1::bandit
