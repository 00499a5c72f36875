// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "../core/config.hpp"
#include "../core/detail/tile_scheduler.hpp"
#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/options.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "detail/fused_tiles.hpp"
#include "fused_parameters.hpp"
#include "token_logprobs.hpp"

/// The linear head of a language model fused with the log-softmax behind it: hidden states and weights in, log-probabilities
/// of tokens out, and back from gradients by them. The logits [N, V] never exist.
///
/// Loss mathematics stays where it is: every loss on log-probabilities takes what the forward pass gives, and what it gives
/// is what the gradient takes. See docs/token-layer.md for DPO through it.
namespace zermelo::inline v1::alignment {
namespace detail::inline ZERMELO_ISA {

template <class X>
auto matrix_of(const X& x, const char* name) {
  const auto v = zm_detail::column_of(x, name).view;
  using view_type = std::remove_const_t<decltype(v)>;
  using M = typename view_type::value_type;
  static_assert(view_type::rank == 2 || view_type::rank == 3, "zermelo: hidden states are [N, D] or [B, T, D]");
  if constexpr (view_type::rank == 2) {
    return matrix_source<M>{v.data, v.shape[0], v.shape[1], v.strides[0], v.strides[1]};
  } else {
    if (v.shape[0] > 1 && v.strides[0] != v.shape[1] * v.strides[1])
      throw shape_error(name, "sequences that do not lie one behind the other; pass them one by one");
    return matrix_source<M>{v.data, v.shape[0] * v.shape[1], v.shape[2], v.strides[1], v.strides[2]};
  }
}

template <class X>
auto sink_of(X& x, const char* name, std::int64_t rows, std::int64_t columns) {
  if constexpr (std::is_same_v<std::remove_const_t<X>, discard_t>) {
    return matrix_sink<float>{nullptr, 0, 0};
  } else {
    const auto m = matrix_of(x, name);
    using M = std::remove_const_t<std::remove_pointer_t<decltype(m.data)>>;
    if (m.rows != rows || m.columns != columns)
      throw shape_error(name, "[" + std::to_string(m.rows) + ", " + std::to_string(m.columns) + "], expected [" +
                                  std::to_string(rows) + ", " + std::to_string(columns) + "]");
    return matrix_sink<M>{const_cast<M*>(m.data), m.row_stride, m.column_stride};
  }
}

template <class H, class W>
using fused_type = std::conditional_t<std::is_same_v<H, double> || std::is_same_v<W, double>, double, float>;

/// The bias as T, if there is one.
template <class T, class B>
std::unique_ptr<T[]> bias_as(const B& bias, std::int64_t vocabulary) {
  if constexpr (std::is_same_v<B, no_bias_t>) {
    return nullptr;
  } else {
    const auto from = zm_detail::column_of(bias, "bias");
    require_count("bias", from.view.size(), vocabulary, "one for each token of the vocabulary");
    std::unique_ptr<T[]> to(new T[static_cast<std::size_t>(vocabulary)]);
    for (std::int64_t v = 0; v < vocabulary; ++v)
      to[static_cast<std::size_t>(v)] = static_cast<T>(from.view.element(v));
    return to;
  }
}

template <class H, class W>
void require_head(const H& hidden, const W& weight) {
  if (weight.rows < 1) throw shape_error("weight", "a vocabulary of no tokens");
  if (weight.columns < 1) throw shape_error("weight", "rows of no numbers");
  if (hidden.columns != weight.columns)
    throw shape_error("hidden", "rows of " + std::to_string(hidden.columns) +
                                    " numbers, expected those of the weight, " + std::to_string(weight.columns));
}

/// The rows for which keep(n) holds, ascending.
struct row_list {
  std::unique_ptr<std::int64_t[]> rows;
  std::int64_t count = 0;
};
template <class Keep>
row_list rows_where(std::int64_t n, Keep&& keep) {
  row_list list{std::unique_ptr<std::int64_t[]>(new std::int64_t[static_cast<std::size_t>(n) + 1])};
  for (std::int64_t r = 0; r < n; ++r)
    if (keep(r)) list.rows[static_cast<std::size_t>(list.count++)] = r;
  return list;
}

/// Doubles of which an input or output has one a row.
inline std::unique_ptr<double[]> row_numbers(std::int64_t n) {
  return std::unique_ptr<double[]>(new double[static_cast<std::size_t>(n) + 1]());
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Bytes that a call of the fused head allocates for tiles of logits and what belongs to them, of `rows` rows that are
/// scored, in arithmetic of T, on tensors of T with rows of numbers side by side: about threads · R · C numbers, at most
/// R (V + C), for tiles of R rows and C columns, and 2 R D for rows of hidden states and of their gradients. Nothing of it
/// grows with the number of rows. (Eigen's panels, a few MB at most, come on top; tensors in other types or layouts add
/// 2 C D a thread.)
template <class T>
std::int64_t fused_workspace_bytes(std::int64_t rows, std::int64_t hidden, std::int64_t vocabulary, int threads = 1,
                                   const fused_parameters& parameters = {}) {
  parameters.require_valid();
  detail::fused_sizes s(rows, hidden, vocabulary, threads, parameters);
  s.copies_hidden = true;
  const auto size = static_cast<std::int64_t>(sizeof(T));
  const std::int64_t forward =
      s.numbers() * size + s.slots * (s.tile_rows * static_cast<std::int64_t>(sizeof(detail::softmax_moments)) + 8) +
      s.tile_rows * static_cast<std::int64_t>(sizeof(detail::softmax_moments) + sizeof(double));
  const std::int64_t backward = (s.numbers() + s.tile_rows * hidden) * size + s.slots * 40;
  return (std::max)(forward, backward);
}

/// Log-probabilities of tokens from hidden states.
///
///   z[n] = W h[n] + b, or c tanh((W h[n] + b)/c),   logprobs[n] = z[n, yₙ] − normalisers[n],   normalisers[n] = log Σᵥ exp z[n, v]
///
/// hidden       [N, D] or [B, T, D]  float, double, bfloat16 or float16, any strides
/// weight       [V, D]               likewise; arithmetic is in double if either of them is, else in float
/// bias         [V], or no_bias
/// targets      [N]                  integers in [0, V), already shifted: hidden state n scores targets[n]; or
///                                   parameters.ignore_index: then logprobs[n] is 0
/// logprobs, normalisers  [N]        written, or `discard`. Keep the normalisers, of every row, for the gradient; without
///                                   them rows that are ignored are left out before the product
/// Returns the sum over the tokens that were scored.
/// Errors: shape_error; domain_error naming the targets and their position, or hidden, weight or bias and the position of
///         a NaN, or hidden and a row of which a logit is +∞.
/// Cost: 2 N V D, in tiles of parameters.tile_rows × tile_vocabulary logits by Eigen's product; memory as
///       fused_workspace_bytes says. Tiles are worked on side by side, and merged in the order of the vocabulary: the same
///       bits for any number of threads.
/// Source: Milakov and Gimelshein 2018 (the normaliser in one pass); Wijmans et al. 2024, "Cut your losses in
///         large-vocabulary language models".
template <host_policy P, tensor H, tensor W, class B, tensor Y, class L, class S>
token_sums fused_linear_logprobs(P&& policy, const H& hidden, const W& weight, const B& bias, const Y& targets,
                                 L&& logprobs, S&& normalisers, const fused_parameters& parameters = {}) {
  parameters.require_valid();
  const auto h = detail::matrix_of(hidden, "hidden");
  const auto w = detail::matrix_of(weight, "weight");
  detail::require_head(h, w);
  using T = detail::fused_type<element_t<const H>, element_t<const W>>;
  const detail::aligned_place place{h.rows};
  const auto of = detail::aligned_targets(zermelo::detail::column_of(targets, "targets"), zermelo::detail::no_column{},
                                          h.rows, w.rows, parameters.ignore_index);
  detail::check_output(place, logprobs, "logprobs");
  detail::check_output(place, normalisers, "normalisers");
  constexpr bool every = !std::is_same_v<std::remove_cvref_t<S>, discard_t>;
  const auto list = detail::rows_where(h.rows, [&](std::int64_t n) { return every || of.scored(n); });
  const auto b = detail::bias_as<T>(bias, w.rows);
  const auto lp = detail::row_numbers(h.rows), lse = detail::row_numbers(h.rows);
  const detail::fused_problem<T, element_t<const H>, element_t<const W>> problem{h, w, b.get(), of.get(), parameters};
  detail::fused_forward(zermelo::detail::schedule_on(policy), problem, list.rows.get(), list.count, lp.get(),
                        lse.get());
  token_sums sums;
  const auto to_lp = zermelo::detail::column_of(logprobs, "logprobs");
  const auto to_lse = zermelo::detail::column_of(normalisers, "normalisers");
  for (std::int64_t n = 0; n < h.rows; ++n) {
    detail::write_sum(to_lp, n, lp[static_cast<std::size_t>(n)]);
    detail::write_sum(to_lse, n, lse[static_cast<std::size_t>(n)]);
    if (of.scored(n)) {
      sums.logprob += lp[static_cast<std::size_t>(n)];
      ++sums.tokens;
    }
  }
  return sums;
}
template <tensor H, tensor W, class B, tensor Y, class L, class S>
  requires(!execution<H>)
token_sums fused_linear_logprobs(const H& hidden, const W& weight, const B& bias, const Y& targets, L&& logprobs,
                                 S&& normalisers, const fused_parameters& parameters = {}) {
  return fused_linear_logprobs(simd{}, hidden, weight, bias, targets, logprobs, normalisers, parameters);
}

/// The gradient of fused_linear_logprobs, from the gradient of a loss by every log-probability. The logits are computed
/// again, tile by tile.
///
///   G[n, v] = (uₙ (1[v = yₙ] − pₙᵥ) + wₙ pₙᵥ) · dz/d(W h + b),   grad_hidden = G W,   grad_weight = Gᵀ H,   grad_bias = Gᵀ 1
///
/// normalisers  [N]  of the forward pass with the same inputs and parameters
/// upstream     [N]  uₙ = ∂L/∂logprobs[n]; of tokens that are ignored it is not looked at, and where it is 0 nothing is done
/// grad_hidden  as hidden, grad_weight [V, D], grad_bias [V]  written, or `discard`; those of the weight are float or double
/// options      normaliser_upstream(w [N]), ∂L/∂normalisers[n], of a z-loss
/// Errors: as for fused_linear_logprobs; domain_error for upstream gradients that are not finite.
/// Cost: 2 N V D for each of the logits, grad_hidden and grad_weight. Sums are in the arithmetic's precision, in an order
///       that shapes and tiles fix: the same bits for any number of threads.
template <host_policy P, tensor H, tensor W, class B, tensor Y, tensor S, tensor U, class GH, class GW, class GB,
          class... Options>
void fused_linear_logprobs_gradient(P&& policy, const H& hidden, const W& weight, const B& bias, const Y& targets,
                                    const S& normalisers, const U& upstream, GH&& grad_hidden, GW&& grad_weight,
                                    GB&& grad_bias, const fused_parameters& parameters, const Options&... options) {
  parameters.require_valid();
  const auto h = detail::matrix_of(hidden, "hidden");
  const auto w = detail::matrix_of(weight, "weight");
  detail::require_head(h, w);
  using T = detail::fused_type<element_t<const H>, element_t<const W>>;
  const detail::aligned_place place{h.rows};
  const auto of = detail::aligned_targets(zermelo::detail::column_of(targets, "targets"), zermelo::detail::no_column{},
                                          h.rows, w.rows, parameters.ignore_index);
  const auto lse = detail::by_rows(place, h.rows, normalisers, "normalisers");
  const auto u = detail::by_rows(place, h.rows, upstream, "upstream");
  detail::require_upstream(u.get(), of, h.rows, nullptr, "upstream");
  static_assert(zermelo::detail::options_known<normaliser_upstream>::template include<Options...>,
                "zermelo: the option of a fused gradient is normaliser_upstream");
  const auto through = detail::upstream_of_normalisers(place, of, h.rows, options...);
  const auto to_hidden = detail::sink_of(grad_hidden, "grad_hidden", h.rows, h.columns);
  const auto to_weight = detail::sink_of(grad_weight, "grad_weight", w.rows, w.columns);
  static_assert(std::is_floating_point_v<std::remove_pointer_t<decltype(to_weight.data)>>,
                "zermelo: gradients of weights are float or double: they are sums over all rows");
  const auto to_bias = zermelo::detail::column_of(grad_bias, "grad_bias");
  std::unique_ptr<double[]> bias_sums;
  if constexpr (!std::is_same_v<std::remove_cvref_t<GB>, discard_t>) {
    detail::require_count("grad_bias", to_bias.view.size(), w.rows, "one for each token of the vocabulary");
    bias_sums = detail::row_numbers(w.rows);
  }
  const auto matters = [&](std::int64_t n) {
    return of.scored(n) &&
           (u[static_cast<std::size_t>(n)] != 0 || (through && through[static_cast<std::size_t>(n)] != 0));
  };
  const auto list = detail::rows_where(h.rows, matters);
  if (to_hidden.data)
    for (std::int64_t n = 0; n < h.rows; ++n)
      if (!matters(n))
        for (std::int64_t j = 0; j < h.columns; ++j)
          to_hidden.data[n * to_hidden.row_stride + j * to_hidden.column_stride] =
              static_cast<std::remove_pointer_t<decltype(to_hidden.data)>>(T(0));
  const auto b = detail::bias_as<T>(bias, w.rows);
  const detail::fused_problem<T, element_t<const H>, element_t<const W>> problem{h, w, b.get(), of.get(), parameters};
  detail::fused_backward(zermelo::detail::schedule_on(policy), problem,
                         detail::fused_upstream{lse.get(), u.get(), through.get()}, list.rows.get(), list.count,
                         to_hidden, to_weight, bias_sums.get());
  if (bias_sums)
    for (std::int64_t v = 0; v < w.rows; ++v) detail::write_sum(to_bias, v, bias_sums[static_cast<std::size_t>(v)]);
}
template <host_policy P, tensor H, tensor W, class B, tensor Y, tensor S, tensor U, class GH, class GW, class GB,
          class... Options>
void fused_linear_logprobs_gradient(P&& policy, const H& hidden, const W& weight, const B& bias, const Y& targets,
                                    const S& normalisers, const U& upstream, GH&& grad_hidden, GW&& grad_weight,
                                    GB&& grad_bias, const Options&... options) {
  fused_linear_logprobs_gradient(policy, hidden, weight, bias, targets, normalisers, upstream, grad_hidden, grad_weight,
                                 grad_bias, fused_parameters{}, options...);
}
template <tensor H, tensor W, class B, tensor Y, tensor S, tensor U, class GH, class GW, class GB, class... Options>
  requires(!execution<H>)
void fused_linear_logprobs_gradient(const H& hidden, const W& weight, const B& bias, const Y& targets,
                                    const S& normalisers, const U& upstream, GH&& grad_hidden, GW&& grad_weight,
                                    GB&& grad_bias, const Options&... options) {
  fused_linear_logprobs_gradient(simd{}, hidden, weight, bias, targets, normalisers, upstream, grad_hidden, grad_weight,
                                 grad_bias, options...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::alignment
