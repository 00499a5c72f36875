// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../small_games.hpp"

#if defined(__CUDACC__)

#include <cstdint>
#include <string>
#include <type_traits>

#include "../../../core/detail/cuda/blocks.hpp"
#include "../../../core/execution/cuda.hpp"

namespace zermelo::inline v1::game {
namespace detail::inline ZERMELO_ISA {

/// A game a thread, from its first round to its last in one launch.
template <int N, int Memories, class Tables, class D, class In, class Out, class Gaps>
__global__ void __launch_bounds__(block_threads)
    play_games(const Tables tables, const D dynamics, const In starts, const In references, const Out policies,
               const Gaps gaps, const small_parameters parameters) {
  using T = typename Tables::value_type;
  using table = tensor_view<const T, 2, memory::device>;
  const std::int64_t games = tables.shape[0], n = tables.shape[1];
  for (std::int64_t g = first_index(); g < games; g += index_step()) {
    const table one{.data = tables.data + g * tables.strides[0],
                    .shape = {n, n},
                    .strides = {tables.strides[1], tables.strides[2]}};
    small_round<table, N, Memories> round(one, 0.5);
    for (std::int64_t i = 0; i < n; ++i) {
      round.log_start.data[i] = log(starts(g, i));
      round.log_reference.data[i] = log(references(g, i));
    }
    small_solution<T, N> result;
    play_small(round, dynamics, parameters, result);
    for (std::int64_t i = 0; i < n; ++i) policies(g, i) = result.policy[i];
    gaps.element(g) = static_cast<typename Gaps::value_type>(result.gap);
  }
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Self-play in many small games on a device, a game a thread, all rounds in one launch.
///
/// tables             [G, n, n], n ≤ N, in device memory: preferences, which are not checked; a NaN ends in a gap of NaN
/// start, reference   [G, n]; a stride of 0 gives one policy to all games
/// policies, gaps     [G, n], [G]; written
/// Errors: shape_error; domain_error for parameters. Only launches: nothing is waited for.
template <int N, device_policy P, tensor M, class D, tensor S, tensor R, tensor X, tensor Y>
void solve_small(P&& policy, const M& tables, const D& dynamics, const S& start, const R& reference, X&& policies,
                 Y&& gaps, const solve_parameters& parameters = {}) {
  zermelo::detail::require_device_memory<M, S, R, X, Y>();
  dynamics.require_valid();
  parameters.require_valid();
  const auto m = view(tables);
  const auto from = view(start);
  const auto mu = view(reference);
  const auto to = view(policies);
  const auto g = view(gaps);
  using T = typename std::remove_const_t<decltype(m)>::value_type;
  static_assert(std::remove_const_t<decltype(m)>::rank == 3,
                "zermelo: the preferences of many games are [games, n, n]");
  const std::int64_t games = m.shape[0], n = m.shape[1];
  detail::require_extent("tables", m.shape[2], n, "columns");
  if (n < 1 || n > N) throw shape_error("tables", std::to_string(n) + " items, expected 1 to " + std::to_string(N));
  detail::require_extent("start", from.shape[0], games, "rows");
  detail::require_extent("start", from.shape[1], n, "columns");
  detail::require_extent("reference", mu.shape[0], games, "rows");
  detail::require_extent("reference", mu.shape[1], n, "columns");
  detail::require_extent("policies", to.shape[0], games, "rows");
  detail::require_extent("policies", to.shape[1], n, "columns");
  detail::require_extent("gaps", g.size(), games, "elements");
  if (games == 0) return;
  using in_view = tensor_view<const T, 2, memory::device>;
  const in_view starts = from, references = mu;
  const tensor_view<const T, 3, memory::device> all = m;
  const double weight = detail::is_proximal<D>() ? 0.0 : detail::kl_weight_of(dynamics);
  const detail::small_parameters p{parameters.limit, parameters.target, parameters.check_every, weight};
  const unsigned blocks = zermelo::detail::blocks_for(games);
  detail::play_games<N, detail::memory_of<D>()>
      <<<blocks, zermelo::detail::block_threads, 0, zermelo::detail::cuda_of(policy).stream()>>>(all, dynamics, starts,
                                                                                                 references, to, g, p);
  zermelo::detail::require_launched("playing small games");
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::game

#endif
