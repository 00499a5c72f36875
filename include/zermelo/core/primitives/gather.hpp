// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "../error.hpp"
#include "../execution/policy.hpp"
#include "../tensor.hpp"

/// Reading and adding through indices.
namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

template <class Index>
[[noreturn]] __attribute__((cold, noinline)) void refuse_index(std::int64_t k, Index i, std::int64_t n) {
  throw domain_error("index", k, std::to_string(i) + ", expected one in [0, " + std::to_string(n) + ")");
}

/// The index at position k, or an error.
template <class View>
ZERMELO_INLINE std::int64_t index_at(const View& index, std::int64_t k, std::int64_t n) {
  const auto i = index.element(k);
  if (static_cast<std::uint64_t>(static_cast<std::int64_t>(i)) >= static_cast<std::uint64_t>(n)) [[unlikely]]
    refuse_index(k, i, n);
  return static_cast<std::int64_t>(i);
}

inline void require_same_length(const char* argument, std::int64_t length, std::int64_t expected) {
  if (length != expected)
    throw shape_error(argument,
                      std::to_string(length) + " elements, expected as many as index, " + std::to_string(expected));
}

inline constexpr std::int64_t index_tile = 16384;

/// Parts that the outputs of a parallel scatter_add are cut into.
inline constexpr std::int64_t scatter_parts = 64;

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// out[k] = source[index[k]]
///
/// source [n], index [m] integers in [0, n), out [m]
/// Errors: shape_error; domain_error("index", k).   Cost: one pass.
template <host_policy P, tensor S, tensor N, tensor O>
void gather(P&& policy, const S& source, const N& index, O&& out) {
  const auto from = view(source);
  const auto at = view(index);
  const auto to = view(out);
  const std::int64_t m = at.size(), n = from.size();
  detail::require_same_length("out", to.size(), m);
  for_each_tile(policy, (m + detail::index_tile - 1) / detail::index_tile, [&](std::int64_t t) {
    const std::int64_t end = (std::min)(m, (t + 1) * detail::index_tile);
    for (std::int64_t k = t * detail::index_tile; k < end; ++k)
      to.element(k) = from.element(detail::index_at(at, k, n));
  });
}

template <tensor S, tensor N, tensor O>
void gather(const S& source, const N& index, O&& out) {
  gather(simd{}, source, index, out);
}

/// out[index[k]] += source[k]
///
/// source [m], index [m] integers in [0, n), out [n]
/// What falls on one output is added in the order of k: the same bits under every policy.
/// Errors: shape_error; domain_error("index", k), and then out is unspecified.
/// Cost: one pass; on several threads two, and 8 bytes a source.
template <host_policy P, tensor S, tensor N, tensor O>
void scatter_add(P&& policy, const S& source, const N& index, O&& out) {
  const auto from = view(source);
  const auto at = view(index);
  const auto to = view(out);
  const std::int64_t m = at.size(), n = to.size();
  detail::require_same_length("source", from.size(), m);
  if (concurrency(policy) == 1 || m < 8 * detail::index_tile || n < detail::scatter_parts) {
    for (std::int64_t k = 0; k < m; ++k) to.element(detail::index_at(at, k, n)) += from.element(k);
    return;
  }
  // A stable partition of the positions by parts of the output; then every part has one owner.
  const std::int64_t per_part = (n + detail::scatter_parts - 1) / detail::scatter_parts;
  const std::int64_t tiles = (m + detail::index_tile - 1) / detail::index_tile;
  std::vector<std::int64_t> place(static_cast<std::size_t>(tiles * detail::scatter_parts), 0);
  const auto over = [&](std::int64_t t, auto&& visit) {
    const std::int64_t end = (std::min)(m, (t + 1) * detail::index_tile);
    for (std::int64_t k = t * detail::index_tile; k < end; ++k)
      visit(k, static_cast<std::size_t>(detail::index_at(at, k, n) / per_part * tiles + t));
  };
  for_each_tile(policy, tiles,
                [&](std::int64_t t) { over(t, [&](std::int64_t, std::size_t slot) { ++place[slot]; }); });
  std::int64_t before = 0;
  for (auto& p : place) {
    const std::int64_t count = p;
    p = before;
    before += count;
  }
  std::vector<std::int64_t> start(static_cast<std::size_t>(detail::scatter_parts) + 1, m);
  for (std::int64_t p = 0; p < detail::scatter_parts; ++p)
    start[static_cast<std::size_t>(p)] = place[static_cast<std::size_t>(p * tiles)];
  std::vector<std::int64_t> position(static_cast<std::size_t>(m));
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    over(t, [&](std::int64_t k, std::size_t slot) { position[static_cast<std::size_t>(place[slot]++)] = k; });
  });
  for_each_tile(policy, detail::scatter_parts, [&](std::int64_t p) {
    for (std::int64_t q = start[static_cast<std::size_t>(p)]; q < start[static_cast<std::size_t>(p) + 1]; ++q) {
      const std::int64_t k = position[static_cast<std::size_t>(q)];
      to.element(static_cast<std::int64_t>(at.element(k))) += from.element(k);
    }
  });
}

template <tensor S, tensor N, tensor O>
void scatter_add(const S& source, const N& index, O&& out) {
  scatter_add(simd{}, source, index, out);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
