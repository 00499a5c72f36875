// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/parameters.hpp"

/// What losses aim at, in closed form, for a finite set of responses.
namespace zermelo::inline v1::alignment {

/// Of a policy against its reference.
struct regularised_optimum {
  double kl = 0;             ///< KL(π*‖π_ref), in nats
  double log_partition = 0;  ///< log Z = log Σ π_ref e^(r/β)
};

/// Of best-of-n against its prior.
struct best_of_n_figures {
  double kl = 0;              ///< KL(πₙ‖p)
  double kl_upper_bound = 0;  ///< log n − (n−1)/n, reached without ties in the limit of many responses
  double win_rate = 0;        ///< against the prior, ties count half; n/(n+1) in that limit
  /// E[log p-ratio of the best − of the worst] in that limit, (n−1) H₍ₙ₋₁₎: the target 1/(2τ) for IPO on (best, worst) pairs.
  double log_ratio_best_minus_worst = 0;
};

namespace optimum::inline ZERMELO_ISA {

/// A distribution and a finite number for each of its members, checked.
template <class P, class R>
std::int64_t checked_arms(const char* name, const P& p, const R& r) {
  const std::int64_t n = p.size();
  if (n == 0) throw shape_error(name, "is empty");
  if (r.size() != n)
    throw shape_error("reward", std::to_string(r.size()) + " elements, expected as many as " + std::string(name) +
                                    ", " + std::to_string(n));
  double sum = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    const double x = static_cast<double>(p.element(k));
    if (!(x >= 0 && x <= 1)) throw domain_error(name, k, zermelo::detail::text(x) + ", expected a probability");
    if (!is_finite(static_cast<double>(r.element(k))))
      throw domain_error("reward", k, zermelo::detail::text(static_cast<double>(r.element(k))) + ", expected a number");
    sum += x;
  }
  if (!(sum > 1 - 1e-4 && sum < 1 + 1e-4))  // figures of a table may be rounded
    throw domain_error(name, domain_error::whole, "sums to " + zermelo::detail::text(sum) + ", expected 1");
  return n;
}

}  // namespace optimum::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// The optimum of a reward under a KL penalty, which DPO and its relatives aim at:  π*(y) = π_ref(y) e^(r(y)/β) / Z.
///
/// reference, reward [K]; policy, gap [K] written: gap is β(log π*/π_ref at k − at 0), the implied difference of rewards.
/// Errors: shape_error; domain_error for what is no distribution, rewards that are not finite, β ≤ 0.
template <tensor F, tensor R, tensor P, class G>
regularised_optimum kl_regularized_optimum(const F& reference, const R& reward, double beta, P&& policy, G&& gap) {
  parameters::require_positive("beta", beta);
  const auto ref = view(reference);
  const auto r = view(reward);
  const std::int64_t n = optimum::checked_arms("reference", ref, r);
  double most = -zermelo::detail::infinity<double>();
  for (std::int64_t k = 0; k < n; ++k)
    if (ref.element(k) > 0) most = (std::max)(most, static_cast<double>(r.element(k)) / beta);
  double sum = 0;
  for (std::int64_t k = 0; k < n; ++k)
    sum += weighted(static_cast<double>(ref.element(k)), exp(static_cast<double>(r.element(k)) / beta - most));
  regularised_optimum result;
  result.log_partition = most + log(sum);
  const auto to = view(policy);
  if (to.size() != n)
    throw shape_error("policy", std::to_string(to.size()) + " elements, expected " + std::to_string(n));
  for (std::int64_t k = 0; k < n; ++k) {
    const double log_ratio = (static_cast<double>(r.element(k)) / beta - most) - log(sum);
    const double p = weighted(static_cast<double>(ref.element(k)), exp(log_ratio));
    to.element(k) = static_cast<typename decltype(to)::value_type>(p);
    result.kl += weighted(p, log_ratio);
  }
  if constexpr (!std::is_same_v<std::remove_cvref_t<G>, discard_t>) {
    const auto gaps = view(gap);
    if (gaps.size() != n)
      throw shape_error("gap", std::to_string(gaps.size()) + " elements, expected " + std::to_string(n));
    for (std::int64_t k = 0; k < n; ++k)
      gaps.element(k) = static_cast<typename decltype(gaps)::value_type>(
          beta * (static_cast<double>(r.element(k)) / beta - static_cast<double>(r.element(0)) / beta));
  }
  return result;
}

/// The distribution of the best of n draws from a prior; equal rewards share their block in proportion to it.
///
///   πₙ(y) = [F(r_y)ⁿ − F⁻(r_y)ⁿ]·p_y/p(r = r_y),   F(r) = P(reward ≤ r),  F⁻ strictly
///
/// prior, reward [K]; policy [K] written. Large n keep their digits.
/// Errors: shape_error; domain_error for what is no distribution, rewards that are not finite, n < 1.   Cost: O(K log K).
template <tensor F, tensor R, tensor P>
best_of_n_figures best_of_n(const F& prior, const R& reward, std::int64_t n, P&& policy) {
  const auto p = view(prior);
  const auto r = view(reward);
  const std::int64_t size = optimum::checked_arms("prior", p, r);
  if (n < 1) throw domain_error("n", domain_error::whole, std::to_string(n) + ", expected at least one draw");
  const auto to = view(policy);
  if (to.size() != size)
    throw shape_error("policy", std::to_string(to.size()) + " elements, expected " + std::to_string(size));
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  for (std::int64_t k = 0; k < size; ++k) order[static_cast<std::size_t>(k)] = k;
  std::sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) { return r.element(a) < r.element(b); });
  const auto reward_at = [&](std::size_t k) { return r.element(order[k]); };
  const auto prior_at = [&](std::size_t k) { return static_cast<double>(p.element(order[k])); };
  double sum = 0;
  for (std::size_t k = 0; k < order.size(); ++k) sum += prior_at(k);
  // log F from below, or where F is near 1 from what is above.
  std::vector<double> above(order.size() + 1, 0.0);
  for (std::size_t k = order.size(); k-- > 0;) above[k] = above[k + 1] + prior_at(k) / sum;
  const double draws = static_cast<double>(n);
  best_of_n_figures result;
  double below = 0;
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    double block = 0;
    while (last < order.size() && reward_at(last) == reward_at(first)) block += prior_at(last++) / sum;
    const auto log_share = [&](double share, double rest) { return share > 0.5 ? log1p(-rest) : log(share); };
    double ratio = 0;  // πₙ/p within the block
    if (block > 0) {
      const double upto = log_share(below + block, above[last]);
      const double before = below > 0 ? log_share(below, above[first]) : -zermelo::detail::infinity<double>();
      ratio = exp(draws * upto) * -expm1(draws * (before - upto)) / block;
    }
    for (std::size_t k = first; k < last; ++k) {
      const double q = ratio * (prior_at(k) / sum);
      to.element(order[k]) = static_cast<typename decltype(to)::value_type>(q);
      if (q > 0) result.kl += q * log(ratio);
      result.win_rate += q * (below + 0.5 * block);
    }
    below += block;
    first = last;
  }
  result.kl_upper_bound = log(draws) - (draws - 1) / draws;
  double harmonic = 0;
  for (std::int64_t k = n - 1; k >= 1; --k) harmonic += 1 / static_cast<double>(k);
  result.log_ratio_best_minus_worst = (draws - 1) * harmonic;
  return result;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
