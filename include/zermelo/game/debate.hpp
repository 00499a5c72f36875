// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "matrix_game.hpp"

/// The debate game: two sides argue for two decisions by revealing features of a state, one after another, and a judge
/// compares the decisions by what was revealed.
///
/// Side 0 argues for decision 0 and maximises the judge's margin, side 1 minimises it; a feature is revealed once; the game
/// ends after L features. Everybody sees everything, so that the value is that of backward induction over revealed sets.
/// Source: Sukovic and Radanovic 2024, "Reward design for justifiable sequential decision-making".
namespace zermelo::inline v1::game {

/// A judge who adds up scores:  margin(E) = Σ over revealed features f of scores[0, f] − scores[1, f].
struct additive_judge {
  std::int64_t features = 0;
  std::vector<double> scores = {};  ///< [2, d]

  /// Both sums run over features in ascending order.
  ZERMELO_INLINE double operator()(std::uint64_t revealed) const {
    double sum[2] = {0, 0};
    for (std::uint64_t rest = revealed; rest; rest &= rest - 1) {
      const auto f = static_cast<std::size_t>(__builtin_ctzll(rest));
      sum[0] += scores[f];
      sum[1] += scores[static_cast<std::size_t>(features) + f];
    }
    return sum[0] - sum[1];
  }
};

enum class debate_payoff : std::uint8_t {
  sign,   ///< −1, 0 or 1: who wins
  margin  ///< by how much
};

struct debate_parameters {
  std::int64_t length = 6;  ///< L features are revealed in all
  debate_payoff payoff = debate_payoff::sign;
  bool second_starts = false;  ///< side 1 moves first; the value is still that of side 0
  double tie = 1e-12;          ///< margins up to here have sign 0, and values this near are the same, ≥ 0
};

struct debate_result {
  double value = 0;                     ///< what side 0 gets
  std::vector<std::int64_t> line = {};  ///< [L] features in the order in which best play reveals them; ties: the lowest
  std::vector<double> after = {};       ///< [L + 1] the value along the line: the same but for ties
  std::vector<double> opening = {};     ///< [d] the value after each first move
  std::int64_t positions = 0;           ///< sets of features that were looked at
};

namespace detail::inline ZERMELO_ISA {

/// C(n, k) for n ≤ 64; saturates at 2⁶² − 1.
struct binomial_table {
  std::vector<std::int64_t> c = std::vector<std::int64_t>(65 * 65, 0);
  ZERMELO_INLINE std::int64_t operator()(std::int64_t n, std::int64_t k) const {
    return c[static_cast<std::size_t>(n * 65 + k)];
  }
};
inline binomial_table binomials() {
  constexpr std::int64_t most = (std::int64_t{1} << 62) - 1;
  binomial_table t;
  for (std::int64_t n = 0; n <= 64; ++n)
    for (std::int64_t k = 0; k <= n; ++k)
      t.c[static_cast<std::size_t>(n * 65 + k)] =
          k == 0 || k == n ? 1 : (std::min)(most, t(n - 1, k - 1) + t(n - 1, k));
  return t;
}

/// The set of k elements that has a rank in the order of their largest elements, then of their second largest, ….
inline std::uint64_t set_of_rank(const binomial_table& c, std::int64_t rank, std::int64_t k) {
  std::uint64_t set = 0;
  for (; k > 0; --k) {
    std::int64_t f = k - 1;
    while (c(f + 1, k) <= rank) ++f;
    set |= std::uint64_t{1} << f;
    rank -= c(f, k);
  }
  return set;
}

/// The next set of as many elements in that order, which is that of the masks as numbers.
ZERMELO_INLINE std::uint64_t next_set(std::uint64_t set) {
  const std::uint64_t low = set & (~set + 1), sum = set + low;
  return sum == 0 ? 0 : sum | (((set ^ sum) >> 2) / low);
}

/// Calls visit(f, rank of set ∪ {f}) for every feature f outside of a set, ascending.
template <class Visit>
ZERMELO_INLINE void for_each_addition(const binomial_table& c, std::uint64_t set, std::int64_t features,
                                      Visit&& visit) {
  std::int64_t above = 0;  // the ranks of elements above f, each shifted by one place
  std::int64_t place = 0;
  for (std::uint64_t rest = set; rest; rest &= rest - 1) above += c(__builtin_ctzll(rest), ++place + 1);
  std::int64_t below = 0;
  place = 0;
  for (std::int64_t f = 0; f < features; ++f) {
    if (set >> f & 1) {
      ++place;
      above -= c(f, place + 1);
      below += c(f, place);
    } else {
      visit(f, below + c(f, place + 1) + above);
    }
  }
}

template <class Judge>
double payoff_after(const Judge& judge, std::uint64_t set, const debate_parameters& p) {
  const double margin = static_cast<double>(judge(set));
  if (is_nan(margin)) throw domain_error("judge", domain_error::whole, "gave a margin that is not a number");
  if (p.payoff == debate_payoff::margin) return margin;
  return margin > p.tie ? 1 : margin < -p.tie ? -1 : 0;
}

inline void require_debate(std::int64_t features, const debate_parameters& p) {
  if (features < 1 || features > 63)
    throw domain_error("features", domain_error::whole, "between 1 and 63, not " + std::to_string(features));
  if (p.length < 0 || p.length > features)
    throw domain_error("length", domain_error::whole,
                       "between 0 and the " + std::to_string(features) + " features, not " + std::to_string(p.length));
  if (!is_finite(p.tie) || p.tie < 0)
    throw domain_error("tie", domain_error::whole, "is finite and not negative, got " + zermelo::detail::text(p.tie));
}

inline constexpr std::int64_t debate_tile = 4096;

/// values[rank of E] for all sets E of k features.
template <class P, class F>
void fill_level(P&& policy, const binomial_table& c, std::int64_t features, std::int64_t k, std::vector<double>& values,
                F value) {
  const std::int64_t sets = c(features, k);
  values.resize(static_cast<std::size_t>(sets));
  for_each_tile(policy, (sets + debate_tile - 1) / debate_tile, [&](std::int64_t tile) {
    const std::int64_t first = tile * debate_tile, last = (std::min)(sets, first + debate_tile);
    std::uint64_t set = set_of_rank(c, first, k);
    for (std::int64_t rank = first; rank < last; ++rank, set = next_set(set))
      values[static_cast<std::size_t>(rank)] = value(set);
  });
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// A judge from a table of scores [2, d]. Errors: shape_error; domain_error for a number that is not finite.
template <tensor S>
additive_judge judge_of(const S& scores) {
  const auto s = view(scores);
  static_assert(decltype(s)::rank == 2, "zermelo: scores are a matrix of decisions by features");
  if (s.shape[0] != 2 || s.shape[1] < 1)
    throw shape_error("scores", std::to_string(s.shape[0]) + " × " + std::to_string(s.shape[1]) + ", expected 2 × d");
  additive_judge j{.features = s.shape[1]};
  for (std::int64_t k = 0; k < 2; ++k)
    for (std::int64_t f = 0; f < j.features; ++f) {
      const double x = static_cast<double>(s(k, f));
      if (!is_finite(x)) throw domain_error("scores", k * j.features + f, "is not a finite number");
      j.scores.push_back(x);
    }
  return j;
}

/// The value of a debate and a line of best play, by backward induction over sets of revealed features.
///
/// judge(revealed) → margin, for masks of `length` of the `features` ≤ 63; called from several threads with a policy that
/// has them. Whose turn it is follows from how many are revealed, so a set is one position, whatever the order.
/// Errors: domain_error for a length that is negative or above the features, and for a margin that is NaN.
/// Cost: Σ over k ≤ L of C(d, k) positions, d − k looks each: 8.3 million for d = 44, L = 6. Two levels are in memory.
template <host_policy P, class Judge>
debate_result solve_debate(P&& policy, const Judge& judge, std::int64_t features, const debate_parameters& p = {}) {
  detail::require_debate(features, p);
  const auto c = detail::binomials();
  const std::int64_t length = p.length;
  for (std::int64_t k = 0; k <= length; ++k)
    if (c(features, k) > std::int64_t{1} << 33)
      throw domain_error("length", domain_error::whole,
                         std::to_string(c(features, k)) + " sets of " + std::to_string(k) + " features are too many");
  std::vector<std::vector<double>> levels(static_cast<std::size_t>(length + 1));
  const auto level = [&](std::int64_t k) -> std::vector<double>& { return levels[static_cast<std::size_t>(k)]; };
  const auto maximises = [&](std::int64_t k) { return (k % 2 == 0) != p.second_starts; };
  debate_result r;
  detail::fill_level(policy, c, features, length, level(length),
                     [&](std::uint64_t set) { return detail::payoff_after(judge, set, p); });
  r.positions = c(features, length);
  for (std::int64_t k = length - 1; k >= 0; --k) {
    const double* const below = level(k + 1).data();
    const bool up = maximises(k);
    detail::fill_level(policy, c, features, k, level(k), [&](std::uint64_t set) {
      double best = up ? -HUGE_VAL : HUGE_VAL;
      detail::for_each_addition(c, set, features, [&](std::int64_t, std::int64_t rank) {
        const double x = below[rank];
        best = up ? (x > best ? x : best) : (x < best ? x : best);
      });
      return best;
    });
    r.positions += c(features, k);
  }
  r.value = level(0)[0];
  r.after.push_back(r.value);
  std::uint64_t set = 0;
  for (std::int64_t k = 0; k < length; ++k) {
    const double* const below = level(k + 1).data();
    const bool up = maximises(k);
    std::int64_t best = -1;
    double value = 0;
    detail::for_each_addition(c, set, features, [&](std::int64_t f, std::int64_t rank) {
      const double x = below[rank];
      if (k == 0) r.opening.push_back(x);
      if (best < 0 || (up ? x > value + p.tie : x < value - p.tie)) best = f, value = x;
    });
    r.line.push_back(best);
    r.after.push_back(value);
    set |= std::uint64_t{1} << best;
  }
  return r;
}

template <class Judge>
debate_result solve_debate(const Judge& judge, std::int64_t features, const debate_parameters& p = {}) {
  return solve_debate(simd{}, judge, features, p);
}

/// Both sides submit L/2 features without seeing the other's; the judge looks at their union, where a feature that both
/// named counts once. A matrix game over C(d, L/2) sets a side, by its linear programme.
/// Errors: domain_error for an odd length, or above the features; more than 2000 sets.   Cost: judges all pairs of sets.
template <class Judge>
matrix_game_solution<double> solve_upfront_debate(const Judge& judge, std::int64_t features,
                                                  const debate_parameters& p = {}) {
  detail::require_debate(features, p);
  if (p.length % 2 != 0)
    throw domain_error("length", domain_error::whole,
                       "must be even, both sides name as many, not " + std::to_string(p.length));
  const auto c = detail::binomials();
  const std::int64_t half = p.length / 2, sets = c(features, half);
  if (sets > 2000)
    throw domain_error("length", domain_error::whole,
                       std::to_string(sets) + " sets a side are too many for the linear programme");
  std::vector<std::uint64_t> masks;
  std::uint64_t set = detail::set_of_rank(c, 0, half);
  for (std::int64_t rank = 0; rank < sets; ++rank, set = detail::next_set(set)) masks.push_back(set);
  std::vector<double> payoff;
  for (const std::uint64_t a : masks)
    for (const std::uint64_t b : masks) payoff.push_back(detail::payoff_after(judge, a | b, p));
  return solve_matrix_game(matrix_view(payoff.data(), sets, sets));
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
