// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

#include "../detail/lengths.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
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

inline constexpr std::int64_t index_tile = 16384;

/// Outputs from which on threads pay: fewer stay in a near cache, where one thread is as fast as reading the indices.
inline constexpr std::int64_t scatter_worth = std::int64_t{1} << 17;
/// Threads from which on they pay: reading the indices costs about half of what adding does.
inline constexpr std::int64_t scatter_threads = 4;

/// out[k] = source[index[k]] for k in [begin, end). Views by value, so that no store makes the compiler read them again.
template <class S, class N, class O>
void gather_range(S source, N index, O out, std::int64_t begin, std::int64_t end) {
  const std::int64_t n = source.size();
  for (std::int64_t k = begin; k < end; ++k) out.element(k) = source.element(index_at(index, k, n));
}

/// out[index[k]] += source[k] for the indices in [begin, begin + length), in the order of k; all indices are checked.
template <class S, class N, class O>
void scatter_part(S source, N index, O out, std::int64_t begin, std::int64_t length) {
  constexpr std::int64_t block = 512;
  const std::int64_t m = index.size(), n = out.size();
  std::int64_t mine[block];
  for (std::int64_t first = 0; first < m; first += block) {
    const std::int64_t end = (std::min)(m, first + block);
    std::int64_t count = 0;
    for (std::int64_t k = first; k < end; ++k) {
      mine[count] = k;  // without a branch, which would be a coin toss
      count += static_cast<std::uint64_t>(index_at(index, k, n) - begin) < static_cast<std::uint64_t>(length);
    }
    for (std::int64_t c = 0; c < count; ++c)
      out.element(static_cast<std::int64_t>(index.element(mine[c]))) += source.element(mine[c]);
  }
}

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
  const std::int64_t m = at.size();
  detail::require_length("out", to.size(), m, "index");
  for_each_tile(policy, (m + detail::index_tile - 1) / detail::index_tile, [&](std::int64_t t) {
    detail::gather_range(from, at, to, t * detail::index_tile, (std::min)(m, (t + 1) * detail::index_tile));
  });
}

template <tensor S, tensor N, tensor O>
void gather(const S& source, const N& index, O&& out) {
  gather(detail::default_policy<S, N, O>(), source, index, out);
}

/// out[index[k]] += source[k]
///
/// source [m], index [m] integers in [0, n), out [n]
/// What falls on one output is added in the order of k: the same bits under every policy.
/// Errors: shape_error; domain_error("index", k), and then out is unspecified.
/// Cost: one pass; on four threads or more each reads all indices. Allocates nothing.
template <host_policy P, tensor S, tensor N, tensor O>
void scatter_add(P&& policy, const S& source, const N& index, O&& out) {
  const auto from = view(source);
  const auto at = view(index);
  const auto to = view(out);
  const std::int64_t m = at.size(), n = to.size();
  detail::require_length("source", from.size(), m, "index");
  const std::int64_t parts = concurrency(policy);
  if (parts < detail::scatter_threads || m < 8 * detail::index_tile || n < detail::scatter_worth) {
    for (std::int64_t k = 0; k < m; ++k) to.element(detail::index_at(at, k, n)) += from.element(k);
    return;
  }
  // Every part of the output has one owner, who reads all indices and adds what falls on its part, in order.
  const std::int64_t per_part = (n + parts - 1) / parts;
  for_each_tile(policy, parts, [&](std::int64_t p) {
    const std::int64_t begin = (std::min)(n, p * per_part);
    detail::scatter_part(from, at, to, begin, (std::min)(n - begin, per_part));
  });
}

template <tensor S, tensor N, tensor O>
void scatter_add(const S& source, const N& index, O&& out) {
  scatter_add(detail::default_policy<S, N, O>(), source, index, out);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/gather.hpp"
#endif
