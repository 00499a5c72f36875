// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "../detail/lengths.hpp"
#include "../error.hpp"
#include "../execution/default_policy.hpp"
#include "../execution/policy.hpp"
#include "../execution/scratch.hpp"
#include "../tensor.hpp"

/// Histograms of index pairs.
namespace zermelo::inline v1 {
namespace detail::inline ZERMELO_ISA {

/// A pair's category as a small integer: an enumerator's value, or an integer itself.
template <class C>
ZERMELO_INLINE std::uint64_t category_code(C c) {
  return static_cast<std::uint64_t>(c);
}

template <class Index>
ZERMELO_INLINE bool in_range(Index i, std::int64_t n) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(i)) < static_cast<std::uint64_t>(n);
}

/// Throws what is wrong with element k of the three columns.
template <class F, class S, class C>
[[noreturn]] __attribute__((cold, noinline)) void refuse_pair(F first, S second, C category, std::int64_t n,
                                                              std::uint32_t categories, std::int64_t k) {
  const auto range = "expected an id in [0, " + std::to_string(n) + ")";
  if (!in_range(first, n)) throw domain_error("first", k, "id " + std::to_string(first) + ", " + range);
  if (!in_range(second, n)) throw domain_error("second", k, "id " + std::to_string(second) + ", " + range);
  if (static_cast<std::int64_t>(first) == static_cast<std::int64_t>(second))
    throw domain_error("second", k, "item " + std::to_string(second) + " is compared with itself");
  throw domain_error(
      "outcomes", k,
      "code " + std::to_string(category_code(category)) + ", expected one in [0, " + std::to_string(categories) + ")");
}

/// Slots of a block of pairs, computed side by side: pairs are looked at one by one only where one of them is wrong.
inline constexpr std::int64_t pair_block = 64;

/// slot[k] = (i·n + j)·4 + category for one block. False if any of the pairs is wrong; n·n·4 fits 32 bits.
template <class F, class S, class C>
ZERMELO_INLINE bool block_slots(const F* __restrict first, const S* __restrict second, const C* __restrict category,
                                std::uint32_t n, std::uint32_t categories, std::uint32_t* __restrict slot) {
  using wide_f = std::conditional_t<(sizeof(F) > 4), std::uint64_t, std::uint32_t>;
  using wide_s = std::conditional_t<(sizeof(S) > 4), std::uint64_t, std::uint32_t>;
  using wide_c = std::conditional_t<(sizeof(C) > 4), std::uint64_t, std::uint32_t>;
  std::uint32_t bad = 0;
  for (std::int64_t k = 0; k < pair_block; ++k) {
    const auto i = static_cast<wide_f>(first[k]);  // a negative id becomes a large one
    const auto j = static_cast<wide_s>(second[k]);
    const auto c = static_cast<wide_c>(category[k]);
    const auto row = static_cast<std::uint32_t>(i), column = static_cast<std::uint32_t>(j);
    bad |=
        std::uint32_t{i >= n} | std::uint32_t{j >= n} | std::uint32_t{row == column} | std::uint32_t{c >= categories};
    slot[k] = (row * n + column) * 4 + static_cast<std::uint32_t>(c);
  }
  return bad == 0;
}

/// Adds the battles [begin, end) to table[(i·n + j)·4 + category].
template <bool UnitStride, class Counter, class F, class S, class C>
void count_range(F first, S second, C category, std::int64_t n, std::uint32_t categories, std::int64_t begin,
                 std::int64_t end, Counter* table) {
  const auto at = [](const auto& column, std::int64_t k) { return UnitStride ? column.data[k] : column.element(k); };
  const auto slot_of = [=](std::int64_t k) ZERMELO_LAMBDA_INLINE {
    const auto i = at(first, k);
    const auto j = at(second, k);
    const std::uint64_t c = category_code(at(category, k));
    const int good = int{in_range(i, n)} & int{in_range(j, n)} & int{i != j} & int{c < categories};
    if (good == 0) [[unlikely]]
      refuse_pair(i, j, at(category, k), n, categories, k);
    return static_cast<std::uint32_t>((static_cast<std::int64_t>(i) * n + static_cast<std::int64_t>(j)) * 4 +
                                      static_cast<std::int64_t>(c));
  };
  const bool far = n > 256;  // the table is larger than the near caches: ask for its lines in time
  std::uint32_t slot[pair_block];
  for (std::int64_t from = begin; from < end; from += pair_block) {
    const std::int64_t length = (std::min)(pair_block, end - from);
    bool known = false;
    if constexpr (UnitStride)
      known = length == pair_block && block_slots(first.data + from, second.data + from, category.data + from,
                                                  static_cast<std::uint32_t>(n), categories, slot);
    if (!known)
      for (std::int64_t k = 0; k < length; ++k) slot[k] = slot_of(from + k);
    if (far)
      for (std::int64_t k = 0; k < length; ++k) __builtin_prefetch(table + slot[k], 1);
    for (std::int64_t k = 0; k < length; ++k) ++table[slot[k]];
  }
}

/// The largest n whose table of n²·4 counters has 32-bit slots.
inline constexpr std::int64_t count_pairs_limit = 16384;

/// Checks the lengths of what is counted and of the table.
inline void require_pair_table(std::int64_t first, std::int64_t second, std::int64_t category, std::int64_t n,
                               int categories, std::int64_t counts) {
  require_length("second", second, first);
  require_length("outcomes", category, first);
  if (n < 0 || n > count_pairs_limit)
    throw domain_error(
        "items", domain_error::whole,
        std::to_string(n) + ", expected at most " + std::to_string(count_pairs_limit) + " for a dense table");
  if (categories < 1 || categories > 4) throw domain_error("categories", domain_error::whole, "expected 1 to 4");
  if (counts != n * n * 4)
    throw shape_error("counts", std::to_string(counts) + " elements, expected 4·items², " + std::to_string(n * n * 4));
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Counts how often each ordered pair of ids occurs with each category.
///
///   counts[(i·n + j)·4 + c] += #{k : firstₖ = i, secondₖ = j, categoryₖ = c}
///
/// first, second, category  [m]       ids in [0, n), first ≠ second; categories (integers or enumerators) below `categories`
/// counts                   [n·n·4]   added to
/// Errors: shape_error; domain_error with the argument and position of the first pair that is wrong; then counts are
///         unspecified.
/// Cost: one pass over the battles; checks are part of it. n ≤ 16384, categories ≤ 4.
template <host_policy P, tensor F, tensor S, tensor C>
void count_pairs(P&& policy, const F& first, const S& second, const C& category, std::int64_t n, int categories,
                 std::vector<std::int64_t>& counts) {
  const auto f = view(first);
  const auto s = view(second);
  const auto c = view(category);
  const std::int64_t m = f.size(), slots = n * n * 4;
  detail::require_pair_table(m, s.size(), c.size(), n, categories, static_cast<std::int64_t>(counts.size()));

  // Integers add up to the same in any order, so the number of private tables may depend on the threads.
  constexpr std::int64_t flush = std::int64_t{1} << 31;
  const std::int64_t worth = 1 + m / (4 * slots + 65536);
  const std::int64_t parts =
      (std::max)((std::min)(static_cast<std::int64_t>(concurrency(policy)), worth), 1 + (m - 1) / flush);
  const std::int64_t length = (m + parts - 1) / parts;
  const bool unit = f.contiguous() && s.contiguous() && c.contiguous();
  const auto count = [&, f, s, c](std::int64_t p, auto* table) {
    const std::int64_t begin = p * length, end = (std::min)(m, begin + length);
    if (unit)
      detail::count_range<true>(f, s, c, n, static_cast<std::uint32_t>(categories), begin, end, table);
    else
      detail::count_range<false>(f, s, c, n, static_cast<std::uint32_t>(categories), begin, end, table);
  };
  if (parts == 1 && slots > m) return count(0, counts.data());  // a table of its own would cost more than the pairs
  const detail::scratch_array<std::uint32_t> tables(policy, parts * slots);
  for_each_tile(policy, parts, [&](std::int64_t p) {
    std::uint32_t* const table = tables.data() + p * slots;
    std::fill_n(table, slots, std::uint32_t{0});
    count(p, table);
  });
  for (std::int64_t p = 0; p < parts; ++p)
    for (std::int64_t k = 0; k < slots; ++k) counts[static_cast<std::size_t>(k)] += tables[p * slots + k];
}

template <tensor F, tensor S, tensor C>
void count_pairs(const F& first, const S& second, const C& category, std::int64_t n, int categories,
                 std::vector<std::int64_t>& counts) {
  count_pairs(detail::default_policy<F, S, C, std::vector<std::int64_t>>(), first, second, category, n, categories,
              counts);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1

#if defined(__CUDACC__)
#include "../detail/cuda/count_pairs.hpp"
#endif
