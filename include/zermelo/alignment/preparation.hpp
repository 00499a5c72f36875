// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

/// What is done around a loss: data conditioned on rewards, references that follow, opponents from the past.
namespace zermelo::inline v1::alignment {

/// A preference pair whose prompt is conditioned on a goal.
struct goal_conditioned_pair {
  std::int64_t pair = 0;  ///< of the original data
  double goal = 0;        ///< the score that the prompt asks for
  bool swapped = false;   ///< whether chosen and rejected are exchanged
};

/// K responses to a prompt that is conditioned on the score of one of them.
struct goal_conditioned_list {
  std::int64_t list = 0;      ///< of the original data
  std::int64_t response = 0;  ///< whose score is the goal
  double goal = 0;            ///< the score that the prompt asks for
};

/// Lists conditioned on goals, row by row.
struct goal_conditioned_lists {
  std::int64_t length = 0;                  ///< K
  std::vector<goal_conditioned_list> rows;  ///< R of them
  std::vector<std::int64_t> order;  ///< [R, K] positions of the responses, from the best for the goal to the worst
  std::vector<double> reward;       ///< [R, K] −(g − r)² by position: labels for list_loss
};

/// Parameters of update_reference.
struct reference_update {
  enum class mode_t : std::uint8_t { soft, hard } mode = mode_t::soft;
  double alpha = 0.6;        ///< α of soft updates, in [0, 1]
  std::int64_t every = 512;  ///< steps between updates, ≥ 1

  ZERMELO_INLINE void require_valid() const {
    parameters::require_probability("alpha", alpha);
    if (every < 1)
      throw domain_error("every", domain_error::whole,
                         std::to_string(every) + ", expected a number of steps, at least 1");
  }
};

/// α·θ + (1−α)·reference: a kernel of map_reduce.
struct interpolated {
  double alpha;
  template <class V>
  ZERMELO_FN V operator()(V reference, V policy) const {
    return weighted(V(alpha), policy) + weighted(V(1 - alpha), reference);
  }
};

/// From which iterate the opponent's responses are drawn.
enum class opponent_choice : std::uint8_t { initial, latest, uniform };

inline namespace ZERMELO_ISA {

/// Conditions pairs on the scores of their responses: goal r_w keeps a pair, goal r_l exchanges it, since the reward for a goal
/// is −(g − r)².
///
/// chosen, rejected [N]  scores.   Returns first the kept pairs, then the exchanged ones, in the order of the input; pairs
/// with r_w < r_l are left out. Equal scores make two rows that contradict each other: `drop_ties` leaves them out.
/// Errors: shape_error; domain_error at a score that is not finite.
/// Source: Zhang et al. 2025, "Reward-augmented data enhances direct preference alignment of LLMs", eq. 3.
template <tensor C, tensor R>
std::vector<goal_conditioned_pair> reward_augmented(const C& chosen, const R& rejected, bool drop_ties = false) {
  const auto c = view(chosen);
  const auto r = view(rejected);
  if (r.size() != c.size())
    throw shape_error("rejected",
                      std::to_string(r.size()) + " elements, expected as many as chosen, " + std::to_string(c.size()));
  std::vector<goal_conditioned_pair> rows, exchanged;
  for (std::int64_t k = 0; k < c.size(); ++k) {
    const double x = static_cast<double>(c.element(k)), y = static_cast<double>(r.element(k));
    if (!is_finite(x)) throw domain_error("chosen", k, zermelo::detail::text(x) + ", expected a score");
    if (!is_finite(y)) throw domain_error("rejected", k, zermelo::detail::text(y) + ", expected a score");
    if (x < y || (drop_ties && x == y)) continue;
    rows.push_back({k, x, false});
    exchanged.push_back({k, y, true});
  }
  rows.insert(rows.end(), exchanged.begin(), exchanged.end());
  return rows;
}

/// Conditions lists of K responses on the score of each of them: for the goal g = rᵢ responses are ordered by −(g − rⱼ)², of
/// equals response i first and then by position. Of two responses these are the pairs of the function above.
///
/// rewards [N, K]  scores.   Returns first every list with its largest score as the goal, then with its second largest, and so
/// on, each in the order of the input, equal scores by position. Where another response has the goal's score too, rows disagree
/// on which is best: `drop_ties` leaves out such goals.
/// Errors: shape_error; domain_error at a score that is not finite.   Cost: O(NK² log K).
/// Source: Zhang et al. 2025, "Reward-augmented data enhances direct preference alignment of LLMs", eq. 3.
template <tensor R>
goal_conditioned_lists reward_augmented_lists(const R& rewards, bool drop_ties = false) {
  const auto r = view(rewards);
  const std::int64_t lists = r.shape[0], length = r.shape[1];
  for (std::int64_t k = 0; k < r.size(); ++k)
    if (const double x = static_cast<double>(r.element(k)); !is_finite(x))
      throw domain_error("rewards", k, zermelo::detail::text(x) + ", expected a score");
  const auto score = [&](std::int64_t list, std::int64_t i) { return static_cast<double>(r(list, i)); };
  std::vector<std::int64_t> by_score(static_cast<std::size_t>(r.size())), order(static_cast<std::size_t>(length));
  const auto positions = [](auto begin, auto end) {
    for (std::int64_t i = 0; begin != end; ++begin) *begin = i++;
  };
  for (std::int64_t n = 0; n < lists; ++n) {
    const auto begin = by_score.begin() + n * length, end = begin + length;
    positions(begin, end);
    std::stable_sort(begin, end, [&](std::int64_t i, std::int64_t j) { return score(n, i) > score(n, j); });
  }
  goal_conditioned_lists result;
  result.length = length;
  for (std::int64_t place = 0; place < length; ++place)
    for (std::int64_t n = 0; n < lists; ++n) {
      const std::int64_t own = by_score[static_cast<std::size_t>(n * length + place)];
      const double goal = score(n, own);
      const auto distance = [&](std::int64_t i) {
        return score(n, i) > goal ? score(n, i) - goal : goal - score(n, i);
      };
      positions(order.begin(), order.end());
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
        return distance(i) < distance(j) || (distance(i) == distance(j) && i == own && j != own);
      });
      if (drop_ties && length > 1 && distance(order[1]) == 0) continue;
      result.rows.push_back({n, own, goal});
      result.order.insert(result.order.end(), order.begin(), order.end());
      for (std::int64_t i = 0; i < length; ++i) result.reward.push_back(0 - distance(i) * distance(i));
    }
  return result;
}

/// Lets the reference follow the policy, in the space of parameters:  every so many steps  ref ← α θ + (1−α) ref  (soft) or
/// ref ← θ (hard).
///
/// reference, parameters [P];  step, counted from 1, is the optimiser step just taken.   Returns whether it was updated.
/// Errors: shape_error; domain_error.   Source: Gorbatovski et al. 2024 (TR-DPO), eq. 7–8.   TRL name: sync_ref_model.
template <execution P, tensor R, tensor X>
bool update_reference(P&& policy, R&& reference, const X& parameters_, std::int64_t step,
                      const reference_update& how = {}) {
  how.require_valid();
  if (step < 1)
    throw domain_error("step", domain_error::whole, std::to_string(step) + ", expected a step, counted from 1");
  if (step % how.every != 0) return false;
  named to("reference", reference);
  named<const X> from("parameters", parameters_);
  map_reduce(policy, interpolated{how.mode == reference_update::mode_t::hard ? 1.0 : how.alpha}, inputs(to, from),
             outputs(to));
  return true;
}
template <tensor R, tensor X>
bool update_reference(R&& reference, const X& parameters_, std::int64_t step, const reference_update& how = {}) {
  return update_reference(zermelo::detail::default_policy<R, X>(), reference, parameters_, step, how);
}

/// The iterate, in [0, iterates), that the opponent's responses come from; uniform takes a number u in [0, 1).
/// Errors: domain_error.   Source: Zhang et al. 2024 (SePPO), section 4.1.
inline std::int64_t select_opponent(opponent_choice choice, std::int64_t iterates, double u = 0) {
  if (iterates < 1) throw domain_error("iterates", domain_error::whole, "expected at least one iterate");
  if (!(u >= 0 && u < 1))
    throw domain_error("u", domain_error::whole, zermelo::detail::text(u) + ", expected a number in [0, 1)");
  if (choice == opponent_choice::initial) return 0;
  if (choice == opponent_choice::latest) return iterates - 1;
  const std::int64_t k = static_cast<std::int64_t>(u * static_cast<double>(iterates));
  return k < iterates ? k : iterates - 1;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
