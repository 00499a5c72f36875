// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/execution/default_policy.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// From log-probabilities of tokens to those of sequences, plain and weighted, and back to gradients of tokens.
///
/// Where the sequences are is said by `padded(mask [B, T])`, of which the elements count that are not zero, or by
/// `ragged(offsets [B + 1])`, sequences one after another in a tensor of offsets[B] elements. Sums are of doubles. What a
/// mask leaves out is not looked at, and its gradients are 0.
namespace zermelo::inline v1::alignment {

template <class X>
struct padded {
  X& mask;
  ZERMELO_INLINE explicit padded(X& x) : mask(x) {}
};
template <class X>
struct ragged {
  X& offsets;
  ZERMELO_INLINE explicit ragged(X& x) : offsets(x) {}
};

struct log_ratio_parameters {
  double low = -zermelo::detail::infinity<double>();  ///< a token's log-ratio is clamped to [low, high]
  double high = zermelo::detail::infinity<double>();

  ZERMELO_INLINE void require_valid() const {
    if (is_nan(low)) throw domain_error("low", domain_error::whole, "is not a number");
    if (is_nan(high) || !(high >= low))
      throw domain_error("high", domain_error::whole,
                         zermelo::detail::text(high) + ", expected at least low, " + zermelo::detail::text(low));
  }
};

struct length_desensitised_parameters {
  double alpha = 1;  ///< weight of the tokens behind the shorter response's length, in [0, 1]; 1 sums, 0 truncates

  ZERMELO_INLINE void require_valid() const {
    if (is_nan(alpha) || !(alpha >= 0 && alpha <= 1))
      throw domain_error("alpha", domain_error::whole, zermelo::detail::text(alpha) + ", expected a number in [0, 1]");
  }
};

namespace detail::inline ZERMELO_ISA {

template <class Column>
struct padded_sequences {
  Column mask;
  std::int64_t count, length, total;
  std::int64_t begin(std::int64_t s) const { return s * length; }
  std::int64_t end(std::int64_t s) const { return (s + 1) * length; }
  bool counts(std::int64_t k) const {
    return mask.view.element(k) != typename std::remove_cvref_t<decltype(mask.view)>::value_type(0);
  }
};
template <class Column>
struct ragged_sequences {
  Column offsets;
  std::int64_t count, total;
  std::int64_t begin(std::int64_t s) const { return static_cast<std::int64_t>(offsets.view.element(s)); }
  std::int64_t end(std::int64_t s) const { return static_cast<std::int64_t>(offsets.view.element(s + 1)); }
  bool counts(std::int64_t) const { return true; }
};

template <class X>
auto sequences_of(const padded<X>& p) {
  const auto mask = zermelo::detail::column_of(p.mask, "mask");
  static_assert(std::remove_cvref_t<decltype(mask.view)>::rank == 2, "zermelo: a mask of padded sequences is [B, T]");
  return padded_sequences<std::remove_const_t<decltype(mask)>>{mask, mask.view.shape[0], mask.view.shape[1],
                                                               mask.view.size()};
}
template <class X>
auto sequences_of(const ragged<X>& r) {
  const auto offsets = zermelo::detail::column_of(r.offsets, "offsets");
  static_assert(std::is_integral_v<typename std::remove_cvref_t<decltype(offsets.view)>::value_type>,
                "zermelo: offsets are integers");
  const std::int64_t n = offsets.view.size() - 1;
  if (n < 0) throw shape_error("offsets", "no elements, expected one more than there are sequences");
  const auto at = [&](std::int64_t s) { return static_cast<std::int64_t>(offsets.view.element(s)); };
  if (at(0) != 0) throw domain_error("offsets", 0, std::to_string(at(0)) + ", expected 0");
  for (std::int64_t s = 1; s <= n; ++s)
    if (at(s) < at(s - 1))
      throw domain_error("offsets", s, std::to_string(at(s)) + ", expected at least " + std::to_string(at(s - 1)));
  return ragged_sequences<std::remove_const_t<decltype(offsets)>>{offsets, n, at(n)};
}

template <class X>
auto elements_of(X& x, const char* name, std::int64_t n, const char* what) {
  const auto c = zermelo::detail::column_of(x, name);
  if constexpr (!std::is_same_v<std::remove_const_t<decltype(c)>, zermelo::detail::no_column>)
    if (c.view.size() != n)
      throw shape_error(name, std::to_string(c.view.size()) + " elements, expected " + std::to_string(n) + ", " + what);
  return c;
}
inline constexpr const char* each_token = "one for each token";
inline constexpr const char* each_sequence = "one for each sequence";

/// Element k, which is to be a number.
template <class C>
double number_at(const C& c, std::int64_t k) {
  const auto x = static_cast<double>(c.view.element(k));
  if (is_nan(x)) [[unlikely]]
    throw domain_error(c.name, k, "is not a number");
  return x;
}
template <class C>
double finite_at(const C& c, std::int64_t k) {
  const auto x = static_cast<double>(c.view.element(k));
  if (!is_finite(x)) [[unlikely]]
    throw domain_error(c.name, k, "is not finite");
  return x;
}
template <class C>
void put_at(const C& c, std::int64_t k, double x) {
  if constexpr (!std::is_same_v<C, zermelo::detail::no_column>)
    c.view.element(k) = static_cast<typename std::remove_cvref_t<decltype(c.view)>::value_type>(x);
}

/// Sequences in a tile.
inline constexpr std::int64_t sequence_tile = 64;

template <class P, class F>
void for_each_sequence(P&& policy, std::int64_t count, F&& f) {
  for_each_tile(policy, (count + sequence_tile - 1) / sequence_tile, [&](std::int64_t t) {
    for (std::int64_t s = t * sequence_tile; s < (std::min)(count, (t + 1) * sequence_tile); ++s) f(s);
  });
}

template <class Sequences>
std::int64_t tokens_of(const Sequences& sequences, std::int64_t s) {
  std::int64_t n = 0;
  for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k) n += sequences.counts(k);
  return n;
}

template <class A, class B>
void require_pairs(const A& chosen, const B& rejected) {
  if (chosen.count != rejected.count)
    throw shape_error("rejected", std::to_string(rejected.count) + " sequences, expected as many as chosen, " +
                                      std::to_string(chosen.count));
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Σ over the tokens of every sequence, and how many they are.
///
/// logprobs [tokens], sums [B], counts [B] written, or `discard`; a sum over no tokens is 0.
/// Errors: shape_error; domain_error naming a token that is not a number.   Cost: one pass.
template <host_policy P, class Layout, tensor L, class S, class C>
void sum_tokens(P&& policy, const Layout& layout, const L& logprobs, S&& sums, C&& counts) {
  const auto sequences = detail::sequences_of(layout);
  const auto x = detail::elements_of(logprobs, "logprobs", sequences.total, detail::each_token);
  const auto to = detail::elements_of(sums, "sums", sequences.count, detail::each_sequence);
  const auto lengths = detail::elements_of(counts, "counts", sequences.count, detail::each_sequence);
  detail::for_each_sequence(policy, sequences.count, [&](std::int64_t s) {
    double sum = 0;
    std::int64_t n = 0;
    for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k)
      if (sequences.counts(k)) sum += detail::number_at(x, k), ++n;
    detail::put_at(to, s, sum);
    detail::put_at(lengths, s, static_cast<double>(n));
  });
}

/// Σₜ clamp(log π(yₜ) − log π_ref(yₜ), low, high): log-ratios of sequences, subtracted token by token, which loses nothing
/// where both log-probabilities of a long sequence are large.
///
/// policy_logprobs, reference_logprobs [tokens]; sums [B] written. Without bounds, the log-ratio of the pair losses. With
/// low = log ε_P and high = log ε_R it is the clamp of humanline (Liu et al. 2025, "Humanline: online alignment as
/// perceptual loss").
/// Errors: shape_error; domain_error for a token that is not a number, or a difference of equal infinities.
template <host_policy P, class Layout, tensor L, tensor R, class S>
void sum_token_log_ratios(P&& policy, const Layout& layout, const L& policy_logprobs, const R& reference_logprobs,
                          S&& sums, log_ratio_parameters p = {}) {
  p.require_valid();
  const auto sequences = detail::sequences_of(layout);
  const auto x = detail::elements_of(policy_logprobs, "policy_logprobs", sequences.total, detail::each_token);
  const auto y = detail::elements_of(reference_logprobs, "reference_logprobs", sequences.total, detail::each_token);
  const auto to = detail::elements_of(sums, "sums", sequences.count, detail::each_sequence);
  detail::for_each_sequence(policy, sequences.count, [&](std::int64_t s) {
    double sum = 0;
    for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k)
      if (sequences.counts(k)) {
        const double ratio = detail::number_at(x, k) - detail::number_at(y, k);
        if (is_nan(ratio))
          throw domain_error("policy_logprobs", k, "the log-ratio is a difference of equal infinities");
        sum += ratio < p.low ? p.low : ratio > p.high ? p.high : ratio;
      }
    detail::put_at(to, s, sum);
  });
}

/// Its gradient by the policy's tokens: upstream[s] where low ≤ log-ratio ≤ high, else 0.
/// upstream [B], grad_policy [tokens] written; by the reference it is the negative.
template <host_policy P, class Layout, tensor L, tensor R, tensor U, tensor G>
void sum_token_log_ratios_gradient(P&& policy, const Layout& layout, const L& policy_logprobs,
                                   const R& reference_logprobs, const U& upstream, G&& grad_policy,
                                   log_ratio_parameters p = {}) {
  p.require_valid();
  const auto sequences = detail::sequences_of(layout);
  const auto x = detail::elements_of(policy_logprobs, "policy_logprobs", sequences.total, detail::each_token);
  const auto y = detail::elements_of(reference_logprobs, "reference_logprobs", sequences.total, detail::each_token);
  const auto u = detail::elements_of(upstream, "upstream", sequences.count, detail::each_sequence);
  const auto to = detail::elements_of(grad_policy, "grad_policy", sequences.total, detail::each_token);
  detail::for_each_sequence(policy, sequences.count, [&](std::int64_t s) {
    for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k) {
      double slope = 0;
      if (sequences.counts(k)) {
        const double ratio = detail::number_at(x, k) - detail::number_at(y, k);
        if (ratio >= p.low && ratio <= p.high) slope = detail::finite_at(u, s);
      }
      detail::put_at(to, k, slope);
    }
  });
}

/// The weights of weighted preference optimisation: how likely a response is under the policy, token by token, relative to
/// what the policy itself would expect.
///
///   means[s] = (1/|y|) Σₜ (log p(yₜ) − log Σᵥ pₜᵥ²),   weights[s] = exp means[s]
///
/// logprobs, log_collisions [tokens], the latter from the option of that name of token_logprobs; means, weights [B]
/// written, or `discard`. A pair is weighted by the product of its weights, which are constants to the gradient.
/// Errors: shape_error; domain_error for a token that is not a number, and for a sequence of no tokens.
/// Source: Zhou et al. 2024, "WPO: enhancing RLHF with weighted preference optimization".   TRL: use_weighting.
template <host_policy P, class Layout, tensor L, tensor Q, class M, class W>
void aligned_weights(P&& policy, const Layout& layout, const L& logprobs, const Q& log_collisions, M&& means,
                     W&& weights) {
  const auto sequences = detail::sequences_of(layout);
  const auto x = detail::elements_of(logprobs, "logprobs", sequences.total, detail::each_token);
  const auto q = detail::elements_of(log_collisions, "log_collisions", sequences.total, detail::each_token);
  const auto to_mean = detail::elements_of(means, "means", sequences.count, detail::each_sequence);
  const auto to_weight = detail::elements_of(weights, "weights", sequences.count, detail::each_sequence);
  detail::for_each_sequence(policy, sequences.count, [&](std::int64_t s) {
    double sum = 0;
    std::int64_t n = 0;
    for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k)
      if (sequences.counts(k)) sum += detail::number_at(x, k) - detail::number_at(q, k), ++n;
    if (n == 0) throw domain_error("logprobs", s, "a sequence of no tokens has no mean");
    const double mean = sum / static_cast<double>(n);
    detail::put_at(to_mean, s, mean);
    detail::put_at(to_weight, s, exp(mean));
  });
}

/// Length-desensitised log-probabilities of pairs: what the longer response has more of counts α.
///
///   n = min(|w|, |l|),   sums[s] = Σ_{t ≤ n} log p(yₜ) + α Σ_{t > n} log p(yₜ)
///
/// chosen and rejected, each with its layout and log-probabilities [tokens]; their sums [B] written. Use the same for the
/// policy and the reference: plain sums of a reference beside it make another loss.
/// Errors: shape_error; domain_error for a token that is not a number, or α outside [0, 1].
/// Source: Liu et al. 2024, "Length desensitization in direct preference optimization".   TRL: ld_alpha.
template <host_policy P, class A, tensor C, class B, tensor R, class SC, class SR>
void length_desensitised_sums(P&& policy, const A& chosen_layout, const C& chosen, const B& rejected_layout,
                              const R& rejected, SC&& chosen_sums, SR&& rejected_sums,
                              length_desensitised_parameters p = {}) {
  p.require_valid();
  const auto first = detail::sequences_of(chosen_layout);
  const auto second = detail::sequences_of(rejected_layout);
  detail::require_pairs(first, second);
  const auto x = detail::elements_of(chosen, "chosen", first.total, detail::each_token);
  const auto y = detail::elements_of(rejected, "rejected", second.total, detail::each_token);
  const auto to_x = detail::elements_of(chosen_sums, "chosen_sums", first.count, detail::each_sequence);
  const auto to_y = detail::elements_of(rejected_sums, "rejected_sums", first.count, detail::each_sequence);
  detail::for_each_sequence(policy, first.count, [&](std::int64_t s) {
    const std::int64_t shared = (std::min)(detail::tokens_of(first, s), detail::tokens_of(second, s));
    const auto sum = [&](const auto& sequences, const auto& from) {
      double head = 0, tail = 0;
      std::int64_t n = 0;
      for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k)
        if (sequences.counts(k)) (n++ < shared ? head : tail) += detail::number_at(from, k);
      return head + weighted(p.alpha, tail);
    };
    detail::put_at(to_x, s, sum(first, x));
    detail::put_at(to_y, s, sum(second, y));
  });
}

/// Its gradient: 1 or α times that of the sequence.
/// chosen_upstream, rejected_upstream [B]; grad_chosen, grad_rejected [tokens] written.
template <host_policy P, class A, class B, tensor UC, tensor UR, class GC, class GR>
void length_desensitised_gradient(P&& policy, const A& chosen_layout, const B& rejected_layout,
                                  const UC& chosen_upstream, const UR& rejected_upstream, GC&& grad_chosen,
                                  GR&& grad_rejected, length_desensitised_parameters p = {}) {
  p.require_valid();
  const auto first = detail::sequences_of(chosen_layout);
  const auto second = detail::sequences_of(rejected_layout);
  detail::require_pairs(first, second);
  const auto u = detail::elements_of(chosen_upstream, "chosen_upstream", first.count, detail::each_sequence);
  const auto v = detail::elements_of(rejected_upstream, "rejected_upstream", first.count, detail::each_sequence);
  const auto to_x = detail::elements_of(grad_chosen, "grad_chosen", first.total, detail::each_token);
  const auto to_y = detail::elements_of(grad_rejected, "grad_rejected", second.total, detail::each_token);
  detail::for_each_sequence(policy, first.count, [&](std::int64_t s) {
    const std::int64_t shared = (std::min)(detail::tokens_of(first, s), detail::tokens_of(second, s));
    const auto spread = [&](const auto& sequences, double upstream, const auto& to) {
      std::int64_t n = 0;
      for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k)
        detail::put_at(to, k, !sequences.counts(k) ? 0.0 : n++ < shared ? upstream : p.alpha * upstream);
    };
    spread(first, detail::finite_at(u, s), to_x);
    spread(second, detail::finite_at(v, s), to_y);
  });
}

/// The gradient of tokens whose plain sum was taken: upstream [B] repeated over grad_tokens [tokens].
template <host_policy P, class Layout, tensor U, tensor G>
void spread_over_tokens(P&& policy, const Layout& layout, const U& upstream, G&& grad_tokens) {
  const auto sequences = detail::sequences_of(layout);
  const auto u = detail::elements_of(upstream, "upstream", sequences.count, detail::each_sequence);
  const auto to = detail::elements_of(grad_tokens, "grad_tokens", sequences.total, detail::each_token);
  detail::for_each_sequence(policy, sequences.count, [&](std::int64_t s) {
    for (std::int64_t k = sequences.begin(s); k < sequences.end(s); ++k)
      detail::put_at(to, k, sequences.counts(k) ? static_cast<double>(u.view.element(s)) : 0.0);
  });
}

// Without a policy, on the default of the host: each of these reads little.

template <class Layout, tensor L, class S, class C>
  requires(!execution<Layout>)
void sum_tokens(const Layout& layout, const L& logprobs, S&& sums, C&& counts) {
  sum_tokens(simd{}, layout, logprobs, sums, counts);
}
template <class Layout, tensor L, tensor R, class S>
  requires(!execution<Layout>)
void sum_token_log_ratios(const Layout& layout, const L& policy_logprobs, const R& reference_logprobs, S&& sums,
                          log_ratio_parameters p = {}) {
  sum_token_log_ratios(simd{}, layout, policy_logprobs, reference_logprobs, sums, p);
}
template <class Layout, tensor L, tensor Q, class M, class W>
  requires(!execution<Layout>)
void aligned_weights(const Layout& layout, const L& logprobs, const Q& log_collisions, M&& means, W&& weights) {
  aligned_weights(simd{}, layout, logprobs, log_collisions, means, weights);
}
template <class Layout, tensor U, tensor G>
  requires(!execution<Layout>)
void spread_over_tokens(const Layout& layout, const U& upstream, G&& grad_tokens) {
  spread_over_tokens(simd{}, layout, upstream, grad_tokens);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
