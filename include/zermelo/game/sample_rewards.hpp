// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "preference_operator.hpp"

/// What K sampled responses are worth to each other, and which of them make a pair to learn from.
namespace zermelo::inline v1::game {

struct sample_reward_parameters {
  /// Whether a response is compared with itself too, a tie: SPPO does, SPO does not.
  bool include_self = false;
};

struct sample_score_parameters {
  bool include_self = false;    ///< whether the mean is over all K, itself with 0, or over the others
  bool scores_are_skew = true;  ///< the table is skew; otherwise it is raw, and s(i, j) = table[i, j] − table[j, i]
  double clamp = 1000;          ///< scores are cut off at ±clamp, > 0, as GPO's scripts do
};

/// The two ends of a knockout.
struct knockout_result {
  std::int64_t best = 0, worst = 0;
  std::int64_t comparisons = 0;  ///< 3K/2 − 1
  bool consistent = true;        ///< the best beats the worst when they meet: otherwise the pair is dropped
};

namespace detail::inline ZERMELO_ISA {

template <class V>
void require_table(const V& t, std::int64_t least) {
  static_assert(V::rank == 2, "zermelo: a table of comparisons is a tensor of rank 2");
  if (t.shape[0] != t.shape[1])
    throw shape_error("table", std::to_string(t.shape[0]) + " × " + std::to_string(t.shape[1]) +
                                   ", expected a row and a column a response");
  if (t.shape[0] < least)
    throw shape_error("table",
                      std::to_string(t.shape[0]) + " responses, expected " + std::to_string(least) + " at least");
}

/// Means over rows of what entry(i, j) says for j ≠ i, `self` added where it counts.
template <class F, class O>
void mean_of_others(std::int64_t count, bool include_self, double self, F entry, const O& out) {
  if (out.size() != count)
    throw shape_error("rewards", std::to_string(out.size()) + " elements, expected " + std::to_string(count));
  const double terms = static_cast<double>(include_self ? count : count - 1);
  for (std::int64_t i = 0; i < count; ++i) {
    double sum = include_self ? self : 0;
    for (std::int64_t j = 0; j < count; ++j)
      if (j != i) sum += entry(i, j);
    out.element(i) = static_cast<typename O::value_type>(sum / terms);
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// rewards[k] = mean over the other responses j of P(y_k ≻ y_j): what a policy-gradient method maximises in self-play.
///
/// table [K, K] preferences between the samples, of which the diagonal is not looked at; rewards [K]
/// With include_self the response itself counts as a tie, as in SPPO: ((K−1)·reward + ½)/K.
/// Unbiased for the win rate against the policy that the samples came from, but for the self-comparison.
/// Errors: shape_error, also for K < 2; domain_error with the row-major position of what is no probability.
/// Source: Swamy et al. 2024 (SPO); Wu et al. 2024 (SPPO).
template <tensor M, tensor R>
void sample_rewards(const M& table, R&& rewards, const sample_reward_parameters& parameters = {}) {
  const auto t = view(table);
  detail::require_table(t, parameters.include_self ? 1 : 2);
  const std::int64_t count = t.shape[0];
  detail::mean_of_others(
      count, parameters.include_self, 0.5,
      [&](std::int64_t i, std::int64_t j) {
        const double x = static_cast<double>(t(i, j));
        if (!(is_finite(x) && x >= 0 && x <= 1))
          throw domain_error("table", i * count + j, detail::text(x) + ", expected a probability");
        return x;
      },
      view(rewards));
}

/// The same of samples [K] of a game's items.   Cost: K² probabilities.
template <preference_operator O, tensor Y, tensor R>
void sample_rewards(const O& game, const Y& samples, R&& rewards, const sample_reward_parameters& parameters = {}) {
  const auto y = view(samples);
  if (y.size() < (parameters.include_self ? 1 : 2))
    throw shape_error("samples", std::to_string(y.size()) + " responses have no others to compare with");
  for (std::int64_t k = 0; k < y.size(); ++k)
    if (!zermelo::detail::in_range(y.element(k), game.items())) throw domain_error("samples", k, "is no item");
  detail::mean_of_others(
      y.size(), parameters.include_self, tie_of(game),
      [&](std::int64_t i, std::int64_t j) {
        return game.probability(static_cast<std::int64_t>(y.element(i)), static_cast<std::int64_t>(y.element(j)));
      },
      view(rewards));
}

/// scores[k] = mean over the other responses of s(y_k, y_j), cut off at ±clamp: what GPO regresses on.
///
/// table [K, K] of scores, skew or raw; scores [K]. The diagonal is not looked at.
/// Released code takes table[i, j] − table[j, i] whatever the table is, which doubles scores that are skew already.
/// Errors: shape_error; domain_error.   Source: Zhang et al. 2024, its script compute_score_from_raw.py.
template <tensor M, tensor R>
void sample_scores(const M& table, R&& scores, const sample_score_parameters& parameters = {}) {
  const auto t = view(table);
  detail::require_table(t, parameters.include_self ? 1 : 2);
  if (!(parameters.clamp > 0)) throw domain_error("clamp", domain_error::whole, "expected a positive number");
  const std::int64_t count = t.shape[0];
  const auto at = [&](std::int64_t i, std::int64_t j) {
    const double x = static_cast<double>(t(i, j));
    if (!is_finite(x)) throw domain_error("table", i * count + j, "is not a finite number");
    return x;
  };
  const auto to = view(scores);
  detail::mean_of_others(
      count, parameters.include_self, 0,
      [&](std::int64_t i, std::int64_t j) { return parameters.scores_are_skew ? at(i, j) : at(i, j) - at(j, i); }, to);
  using T = typename decltype(to)::value_type;
  const T most = static_cast<T>(parameters.clamp);
  for (std::int64_t k = 0; k < count; ++k) {
    const T x = to.element(k);
    to.element(k) = x > most ? most : x < -most ? -most : x;
  }
}

/// The best and the worst of K responses by knockout: winners meet winners, losers meet losers, and at the end the best
/// meets the worst.
///
/// beats(i, j) → bool: whether response i is preferred to j; ties go to the first. K is a power of two, 2 at least.
/// Cost: 3K/2 − 1 comparisons, where a full round robin takes K(K − 1)/2.   Errors: domain_error for other K.
/// Source: Zhang et al. 2024, "Iterative Nash policy optimization", its tournament for K = 8: 11 comparisons.
template <class Beats>
knockout_result knockout(std::int64_t responses, Beats&& beats) {
  if (responses < 2 || (responses & (responses - 1)) != 0)
    throw domain_error("responses", domain_error::whole,
                       std::to_string(responses) + ", expected a power of two, 2 at least");
  knockout_result result;
  std::vector<std::int64_t> winners, losers;
  for (std::int64_t i = 0; i < responses; i += 2) {
    const bool first = beats(i, i + 1);
    ++result.comparisons;
    winners.push_back(first ? i : i + 1);
    losers.push_back(first ? i + 1 : i);
  }
  const auto play = [&](std::vector<std::int64_t>& left, bool keep_winner) {
    while (left.size() > 1) {
      std::vector<std::int64_t> next;
      for (std::size_t k = 0; k < left.size(); k += 2) {
        const bool first = beats(left[k], left[k + 1]);
        ++result.comparisons;
        next.push_back(left[first == keep_winner ? k : k + 1]);
      }
      left = std::move(next);
    }
    return left[0];
  };
  result.best = play(winners, true);
  result.worst = play(losers, false);
  result.consistent = beats(result.best, result.worst);
  ++result.comparisons;
  return result;
}

/// Pairs of responses whose rewards differ by a margin at least, the better one first; in the order of indices.
///
/// rewards [K], finite. DNO-Prct learns from such pairs by hard labels.   Errors: domain_error.   Cost: K².
/// Source: Rosset et al. 2024, "Direct Nash optimization", algorithm 2.
template <tensor R>
std::vector<std::pair<std::int64_t, std::int64_t>> margin_pairs(const R& rewards, double margin) {
  const auto r = view(rewards);
  if (!is_finite(margin) || margin < 0)
    throw domain_error("margin", domain_error::whole, "expected a finite number, zero or more");
  for (std::int64_t k = 0; k < r.size(); ++k)
    if (!is_finite(r.element(k))) throw domain_error("rewards", k, "is not a finite number");
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::int64_t i = 0; i < r.size(); ++i)
    for (std::int64_t j = i + 1; j < r.size(); ++j) {
      const double gap = static_cast<double>(r.element(i)) - static_cast<double>(r.element(j));
      if (gap == 0 || (gap < 0 ? -gap : gap) < margin) continue;
      pairs.emplace_back(gap > 0 ? i : j, gap > 0 ? j : i);
    }
  return pairs;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
