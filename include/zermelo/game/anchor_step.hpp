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
#include "../core/lanes.hpp"
#include "../core/primitives/arguments.hpp"
#include "../core/primitives/map_reduce.hpp"
#include "../core/primitives/row_reduce.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"

/// The one step that the dynamics of preference games are made of.
namespace zermelo::inline v1::game {

struct anchor_parameters {
  double reference_weight = 0;  ///< w: how far the reference pulls, in [0, 1]
  double step = 1;              ///< s: what a unit of payoff adds to a log-probability; finite

  ZERMELO_INLINE void require_valid() const {
    if (!is_finite(reference_weight) || reference_weight < 0 || reference_weight > 1)
      throw domain_error("reference_weight", domain_error::whole,
                         "expected a weight in [0, 1]: the base policy keeps the rest");
    if (!is_finite(step)) throw domain_error("step", domain_error::whole, "is not finite");
  }
};

/// (1−w)·base + w·reference + s·payoff. A weight of zero silences a log-probability of −∞.
struct anchored {
  double reference_weight = 0;
  double step = 1;

  template <class V>
  ZERMELO_FN V operator()(V base, V reference, V payoff) const {
    const V w = V(static_cast<scalar_t<V>>(reference_weight));
    return weighted(V(1) - w, base) + (weighted(w, reference) + weighted(V(static_cast<scalar_t<V>>(step)), payoff));
  }
};

namespace detail::inline ZERMELO_ISA {

using namespace zermelo::detail;

/// What a block of a row adds to its normaliser.
struct block_mass {
  double largest, scaled;
};

/// z of elements [begin, end), the largest of them, and Σ exp(z − largest). Where probabilities are wanted, the
/// exponentials are left there.
template <class V, bool Contiguous, class B, class R, class Q, class L, class O>
ZERMELO_INLINE block_mass anchor_block(const anchored& f, const B& base, const R& reference, const Q& payoff,
                                       const L& log_out, const O& out, std::int64_t begin, std::int64_t end) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  V most = -infinity<V>();
  std::int64_t k = begin;
  for (; k + width <= end; k += width) {
    const V z = f(fetch<V, Contiguous>(base, k, width), fetch<V, Contiguous>(reference, k, width),
                  fetch<V, Contiguous>(payoff, k, width));
    put<V, Contiguous>(log_out, k, width, z);
    most = (max)(most, z);
  }
  T top = reduce_max(most);
  for (; k < end; ++k) {
    const T z =
        f(fetch<T, Contiguous>(base, k, 1), fetch<T, Contiguous>(reference, k, 1), fetch<T, Contiguous>(payoff, k, 1));
    put<T, Contiguous>(log_out, k, 1, z);
    top = (max)(top, z);
  }
  const T below = is_finite(top) ? top : T(0);
  double sum = 0;
  for (k = begin; k + width <= end;) {
    const std::int64_t flush = sizeof(T) == 8 ? end : (std::min)(end, k + 512 * width);
    V some = V(T(0));
    for (; k + width <= flush; k += width) {
      const V e = exp(fetch<V, Contiguous>(log_out, k, width) - V(below));
      put<V, Contiguous>(out, k, width, e);
      some = some + e;
    }
    sum += static_cast<double>(reduce_add(some));
  }
  for (; k < end; ++k) {
    const T e = exp(static_cast<T>(fetch<T, Contiguous>(log_out, k, 1) - below));
    put<T, Contiguous>(out, k, 1, e);
    sum += static_cast<double>(e);
  }
  return {static_cast<double>(top), sum};
}

/// log-probabilities z − most − log_mass; exponentials become probabilities by a factor.
template <class V, bool Contiguous, class L, class O>
ZERMELO_INLINE void normalise_block(const L& log_out, const O& out, std::int64_t begin, std::int64_t end, double most,
                                    double log_mass, double factor) {
  using T = scalar_t<V>;
  constexpr std::int64_t width = lanes<V>;
  const auto each = [&]<class U>(std::type_identity<U>, std::int64_t k, std::int64_t count) ZERMELO_LAMBDA_INLINE {
    const U z = fetch<U, Contiguous>(log_out, k, count);
    put<U, Contiguous>(log_out, k, count, (z - U(static_cast<T>(most))) - U(static_cast<T>(log_mass)));
    if constexpr (!std::is_same_v<O, no_column>)
      put<U, Contiguous>(out, k, count, fetch<U, Contiguous>(out, k, count) * U(static_cast<T>(factor)));
  };
  std::int64_t k = begin;
  for (; k + width <= end; k += width) each(std::type_identity<V>{}, k, width);
  for (; k < end; ++k) each(std::type_identity<T>{}, k, 1);
}

template <class B, class R, class Q>
[[noreturn]] __attribute__((cold, noinline)) void refuse_anchor(const anchored& f, const B& base, const R& reference,
                                                                const Q& payoff, std::int64_t offset) {
  const std::int64_t n = base.view.size();
  for (std::int64_t k = 0; k < n; ++k) {
    if (is_nan(base.view.element(k))) throw domain_error(base.name, offset + k, "is not a number");
    if (is_nan(reference.view.element(k))) throw domain_error(reference.name, offset + k, "is not a number");
    if (is_nan(payoff.view.element(k))) throw domain_error(payoff.name, offset + k, "is not a number");
    const double z = f(static_cast<double>(base.view.element(k)), static_cast<double>(reference.view.element(k)),
                       static_cast<double>(payoff.view.element(k)));
    if (is_nan(z)) throw domain_error(payoff.name, offset + k, "+inf meets -inf");
    if (!is_plus_infinity(z)) continue;
    const auto infinite = [&](const auto& c) { return !is_finite(static_cast<double>(c.view.element(k))); };
    if (f.reference_weight < 1 && infinite(base))
      throw domain_error(base.name, offset + k, "+inf is no log-probability");
    if (f.reference_weight > 0 && infinite(reference))
      throw domain_error(reference.name, offset + k, "+inf is no log-probability");
    throw domain_error(payoff.name, offset + k, "is too large: the policy would be undefined");
  }
  throw domain_error(base.name, offset, "no item is left that base and reference both allow");
}

inline constexpr std::int64_t anchor_length = 8192;
inline constexpr std::int64_t anchor_blocks = 256;

/// One row, its blocks scheduled by `over`; V says in what they are computed.
template <class V, bool Contiguous, class S, class B, class R, class Q, class L, class O>
ZERMELO_INLINE void anchor_row(S&& over, const anchored& f, const B& base, const R& reference, const Q& payoff,
                               const L& log_out, const O& out, std::int64_t offset) {
  const std::int64_t n = base.view.size();
  std::int64_t length = (n + anchor_blocks - 1) / anchor_blocks;
  length = (std::max)(anchor_length, (length + anchor_length - 1) / anchor_length * anchor_length);
  const std::int64_t blocks = (n + length - 1) / length;
  block_mass parts[anchor_blocks];
  for_each_tile(over, blocks, [&](std::int64_t t) {
    parts[t] = anchor_block<V, Contiguous>(f, base, reference, payoff, log_out, out, t * length,
                                           (std::min)(n, (t + 1) * length));
  });
  double most = -infinity<double>();
  for (std::int64_t t = 0; t < blocks; ++t) most = (max)(most, parts[t].largest);
  double mass = 0;
  for (std::int64_t t = 0; t < blocks; ++t) {
    const bool some = is_finite(parts[t].largest);
    mass += some ? parts[t].scaled * exp(parts[t].largest - most) : is_nan(parts[t].scaled) ? parts[t].scaled : 0.0;
  }
  if (!is_finite(most) || !is_finite(mass)) [[unlikely]]
    refuse_anchor(f, base, reference, payoff, offset);
  const double log_mass = log(mass);
  for_each_tile(over, blocks, [&](std::int64_t t) {
    const double factor = is_finite(parts[t].largest) ? exp(parts[t].largest - most) / mass : 0.0;
    normalise_block<V, Contiguous>(log_out, out, t * length, (std::min)(n, (t + 1) * length), most, log_mass, factor);
  });
}

/// Row r of a tensor of rank 1, which is its only row, or of rank 2.
template <class C>
ZERMELO_INLINE auto line_of(const C& c, std::int64_t r) {
  if constexpr (std::is_same_v<C, no_column>)
    return c;
  else if constexpr (std::remove_cvref_t<decltype(c.view)>::rank == 1)
    return c;
  else
    return row_of(c, r);
}

template <class C, class First>
void require_like(const C& c, const First& first) {
  if constexpr (!std::is_same_v<C, no_column>) {
    constexpr std::size_t rank = std::remove_cvref_t<decltype(first.view)>::rank;
    static_assert(std::remove_cvref_t<decltype(c.view)>::rank == rank,
                  "zermelo: the tensors of a step are all vectors, or all matrices with a policy a row");
    for (std::size_t r = 0; r < rank; ++r)
      if (c.view.shape[r] != first.view.shape[r])
        throw shape_error(c.name, std::to_string(c.view.shape[r]) + " along dimension " + std::to_string(r) +
                                      ", expected as many as " + first.name + ", " +
                                      std::to_string(first.view.shape[r]));
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// One step from a base policy, pulled towards a reference, along a payoff:
///
///   out = log-normalise( (1−w)·base + w·reference + s·payoff )
///
/// base, reference  [n] or [G, n]  log-probabilities; −∞ is an item that is never played; a weight of 0 or 1 silences one
///                                 of the two altogether
/// payoff           [n] or [G, n]  win rates, or any payoff: adding a constant changes nothing
/// log_out          [n] or [G, n]  written, normalised; may be exactly base, reference or payoff
/// out              [n] or [G, n]  the probabilities; `discard` if they are not wanted
/// Hedge, mirror descent, INPO, MMD, Nash-MD, EGPO, Nash-MP, SPPO, GPO, DNO are this step with other arguments (docs/games.md).
/// Errors: shape_error; domain_error with the row-major position of a NaN or +∞, or of the row that has no item left.
/// Cost: two passes over a row, one exponential an item, no memory. Rows run side by side, a single row by blocks of 8192.
template <host_policy P, tensor B, tensor R, tensor Q, tensor L, class O>
void anchor_step(P&& policy, const B& base, const R& reference, const Q& payoff, L&& log_out, O&& out,
                 const anchor_parameters& parameters = {}) {
  parameters.require_valid();
  const anchored f{parameters.reference_weight, parameters.step};
  const auto from = detail::column_of(base, "base");
  const auto anchor = detail::column_of(reference, "reference");
  const auto gain = detail::column_of(payoff, "payoff");
  const auto logs = detail::column_of(log_out, "log_out");
  const auto plain = detail::column_of(out, "out");
  using columns = std::remove_const_t<decltype(from)>;
  using T = typename detail::compute_in<columns, std::remove_const_t<decltype(anchor)>,
                                        std::remove_const_t<decltype(gain)>, std::remove_const_t<decltype(logs)>>::type;
  using V = value_of<P, T>;
  detail::require_like(anchor, from);
  detail::require_like(gain, from);
  detail::require_like(logs, from);
  detail::require_like(plain, from);
  bool contiguous = from.contiguous && anchor.contiguous && gain.contiguous && logs.contiguous;
  if constexpr (!std::is_same_v<std::remove_const_t<decltype(plain)>, detail::no_column>)
    contiguous = contiguous && plain.contiguous;
  constexpr std::size_t rank = std::remove_cvref_t<decltype(from.view)>::rank;
  const std::int64_t n = from.view.shape[rank - 1];
  std::int64_t rows = 1;
  if constexpr (rank == 2) rows = from.view.shape[0];
  if (n == 0) throw shape_error("base", "no items");
  const auto row = [&](auto&& over, std::int64_t r) {
    const auto b = detail::line_of(from, r);
    const auto m = detail::line_of(anchor, r);
    const auto q = detail::line_of(gain, r);
    const auto l = detail::line_of(logs, r);
    const auto o = detail::line_of(plain, r);
    if (contiguous)
      detail::anchor_row<V, true>(over, f, b, m, q, l, o, r * n);
    else
      detail::anchor_row<V, false>(over, f, b, m, q, l, o, r * n);
  };
  if (rows == 1) {
    row(policy, 0);
  } else {
    const std::int64_t together = (std::max)(std::int64_t{1}, detail::anchor_length / n);
    for_each_tile(policy, (rows + together - 1) / together, [&](std::int64_t t) {
      for (std::int64_t r = t * together; r < (std::min)(rows, (t + 1) * together); ++r) row(serial{}, r);
    });
  }
}

#if defined(__CUDACC__)
/// The same on a device: an elementwise pass, and a block a row that normalises.
template <device_policy P, tensor B, tensor R, tensor Q, tensor L, class O>
void anchor_step(P&& policy, const B& base, const R& reference, const Q& payoff, L&& log_out, O&& out,
                 const anchor_parameters& parameters = {}) {
  parameters.require_valid();
  map_reduce(policy, anchored{parameters.reference_weight, parameters.step}, inputs(base, reference, payoff),
             outputs(log_out));
  const auto logs = view(log_out);
  using view_type = std::remove_const_t<decltype(logs)>;
  const auto rows_of = [](const auto& x) {
    using row_view = std::remove_cvref_t<decltype(x)>;
    if constexpr (row_view::rank == 1)
      return tensor_view<typename row_view::element_type, 2, row_view::where>{
          .data = x.data, .shape = {1, x.shape[0]}, .strides = {x.shape[0] * x.strides[0], x.strides[0]}};
    else
      return x;
  };
  static_assert(view_type::where == memory::device, "zermelo: a device policy needs tensors in device memory");
  log_softmax_rows(policy, rows_of(logs), rows_of(logs));
  if constexpr (!std::is_same_v<std::remove_cvref_t<O>, discard_t>)
    softmax_rows(policy, rows_of(logs), rows_of(view(out)));
}
#endif

template <tensor B, tensor R, tensor Q, tensor L, class O>
  requires(!execution<B>)
void anchor_step(const B& base, const R& reference, const Q& payoff, L&& log_out, O&& out,
                 const anchor_parameters& parameters = {}) {
  anchor_step(zermelo::detail::default_policy<B, R, Q, L, O>(), base, reference, payoff, log_out, out, parameters);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game
