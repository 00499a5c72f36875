// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

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

/// Process rewards that an outcome reward βlog π/π_ref holds: log-ratios of prefixes. The losses that train it are
/// implicit_prm, dpo, kto and nca.
namespace zermelo::inline v1::alignment {

/// The reward of a response, and its steps' rewards put together.
struct step_scores {
  double response = 0;                                      ///< Σ of all tokens
  double sum = 0, least = 0, mean = 0, last = 0, most = 0;  ///< over steps
};

/// A prefix's value by two routes, which agree.
struct prefix_values {
  double by_expectation = 0;   ///< β log E_{y ~ π_ref(·|prefix)} exp(r(y)/β)
  double by_prefix_ratio = 0;  ///< β Σ_{i ≤ t} log π/π_ref
};

inline namespace ZERMELO_ISA {

/// Rewards of tokens and steps:  ρₜ = β(log π(yₜ) − log π_ref(yₜ)),  Q at the end of a step = Σ ρ up to there, the reward of a
/// step what it adds.
///
/// policy, reference [T]  token log-probabilities;  ends [S]  where steps end, exclusive, ascending, the last T
/// token_rewards [T], step_rewards [S], values [S] (Q)  written, `discard` what is not wanted
/// Merging steps adds up their rewards. Errors: shape_error; domain_error("ends", k); at a NaN or a difference of equal
/// infinities.   Source: Yuan et al. 2024, "Free process rewards without process labels", proposition 3.1.
template <tensor P, tensor R, tensor N, class A, class B, class C>
step_scores implicit_step_rewards(const P& policy, const R& reference, const N& ends, double beta, A&& token_rewards,
                                  B&& step_rewards, C&& values) {
  parameters::require_positive("beta", beta);
  const auto p = view(policy);
  const auto r = view(reference);
  const auto e = view(ends);
  const std::int64_t tokens = p.size(), steps = e.size();
  if (r.size() != tokens)
    throw shape_error("reference",
                      std::to_string(r.size()) + " elements, expected as many as policy, " + std::to_string(tokens));
  if (steps == 0) throw shape_error("ends", "is empty, expected at least one step");
  const auto write = []<class O>(O&& out, const char* name, std::int64_t n, std::int64_t k, double x) {
    if constexpr (!std::is_same_v<std::remove_cvref_t<O>, discard_t>) {
      const auto to = view(out);
      if (to.size() != n)
        throw shape_error(name, std::to_string(to.size()) + " elements, expected " + std::to_string(n));
      to.element(k) = static_cast<typename std::remove_const_t<decltype(to)>::value_type>(x);
    }
  };
  step_scores scores;
  std::int64_t t = 0;
  double q = 0;
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::int64_t end = static_cast<std::int64_t>(e.element(s));
    if (end <= t || end > tokens || (s + 1 == steps && end != tokens))
      throw domain_error("ends", s,
                         std::to_string(end) + ", expected steps that end one after another, the last after " +
                             std::to_string(tokens) + " tokens");
    double step = 0;
    for (; t < end; ++t) {
      const double log_ratio = static_cast<double>(p.element(t)) - static_cast<double>(r.element(t));
      if (is_nan(log_ratio))
        throw domain_error("policy", t, "the log-ratio is not a number, or a difference of equal infinities");
      write(token_rewards, "token_rewards", tokens, t, beta * log_ratio);
      step += beta * log_ratio;
    }
    q += step;
    write(step_rewards, "step_rewards", steps, s, step);
    write(values, "values", steps, s, q);
    scores.least = s == 0 || step < scores.least ? step : scores.least;
    scores.most = s == 0 || step > scores.most ? step : scores.most;
    scores.last = step;
  }
  scores.response = scores.sum = q;
  scores.mean = q / static_cast<double>(steps);
  return scores;
}

/// The value of a prefix under Markov models of tokens, by expectation over everything that the reference may still write,
/// and by the prefix's own log-ratio: Q is exact for any pair of models.
///
/// policy, reference [T, V, V]  probability of a token at a position after a previous one; position 0 follows token 0
/// prefix [t]  tokens, t ≤ T
/// Errors: shape_error; domain_error for tokens outside [0, V), numbers that are no probabilities, or where prefix or
/// reference are impossible.   Cost: O(TV²).
template <tensor P, tensor R, tensor N>
prefix_values prefix_value(const P& policy, const R& reference, const N& prefix, double beta) {
  parameters::require_positive("beta", beta);
  const auto p = view(policy);
  const auto r = view(reference);
  const auto given = view(prefix);
  const std::int64_t length = p.shape[0], tokens = p.shape[1], t = given.size();
  if (p.shape[2] != tokens || tokens == 0) throw shape_error("policy", "expected as many tokens as previous tokens");
  for (int d = 0; d < 3; ++d)
    if (r.shape[d] != p.shape[d]) throw shape_error("reference", "expected the shape of policy");
  if (t > length)
    throw shape_error("prefix", std::to_string(t) + " tokens, expected at most " + std::to_string(length));
  for (std::int64_t k = 0; k < p.size(); ++k) {
    const double x = static_cast<double>(p.element(k)), y = static_cast<double>(r.element(k));
    if (!(x >= 0 && x <= 1)) throw domain_error("policy", k, zermelo::detail::text(x) + ", expected a probability");
    if (!(y >= 0 && y <= 1)) throw domain_error("reference", k, zermelo::detail::text(y) + ", expected a probability");
  }
  const auto log_ratio = [&](std::int64_t i, std::int64_t from, std::int64_t to) {
    return log(static_cast<double>(p(i, from, to))) - log(static_cast<double>(r(i, from, to)));
  };
  double past = 0;
  std::int64_t previous = 0;
  for (std::int64_t i = 0; i < t; ++i) {
    const std::int64_t token = static_cast<std::int64_t>(given.element(i));
    if (token < 0 || token >= tokens)
      throw domain_error("prefix", i,
                         std::to_string(token) + ", expected a token from 0 to " + std::to_string(tokens - 1));
    past += log_ratio(i, previous, token);
    if (is_nan(past)) throw domain_error("prefix", i, "is a token that neither model writes here");
    previous = token;
  }
  // E over what follows of Π π/π_ref, from the last position back: of each row of the reference, relative to its sum.
  std::vector<double> after(static_cast<std::size_t>(tokens), 1.0), before(after);
  for (std::int64_t i = length; i-- > t;) {
    for (std::int64_t from = 0; from < tokens; ++from) {
      double sum = 0, mass = 0;
      for (std::int64_t to = 0; to < tokens; ++to) {
        const double weight = static_cast<double>(r(i, from, to));
        mass += weight;
        if (weight > 0)
          sum += weight * (static_cast<double>(p(i, from, to)) / weight) * after[static_cast<std::size_t>(to)];
      }
      before[static_cast<std::size_t>(from)] = mass > 0 ? sum / mass : 0;
    }
    after.swap(before);
  }
  return {beta * (past + log(after[static_cast<std::size_t>(previous)])), beta * past};
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
