// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/execution/policy.hpp"
#include "../core/primitives/count_pairs.hpp"
#include "../core/tensor.hpp"
#include "../core/value.hpp"
#include "outcome.hpp"

/// Pairwise comparisons, counted: everything that models of paired comparison need to know of a list of battles.
namespace zermelo::inline v1::preference {

/// What two items did against each other.
struct pair_record {
  double wins = 0;    ///< weight of the battles that the first one won
  double losses = 0;  ///< weight of those that the second one won
  double ties = 0;    ///< weight of those that neither won
};

/// Unique pairs with their counts. Made by `count_battles`, `graph_from_wins` and `merge`; read-only for everyone else.
///
/// Dense (few items): entry i·n + j of each table. Compressed rows (many items): entries offsets[i] ≤ e < offsets[i+1]
/// are the opponents of item i, ascending; every pair stands in both rows.
struct comparison_graph {
  std::int64_t items = 0;
  std::int64_t battles = 0;  ///< number of battles (rows) counted, whatever their weights
  bool dense = true;

  std::vector<std::int64_t> offsets = {};    ///< [items+1], compressed rows only
  std::vector<std::int32_t> opponents = {};  ///< [entries], compressed rows only

  std::vector<double> wins = {};    ///< weight of "the row's item beat its opponent"
  std::vector<double> losses = {};  ///< weight of "the row's item lost", compressed rows only
  std::vector<double> ties = {};    ///< weight of ties, the same in both rows; empty where there are none

  /// Sums of squared weights of the same cells, for sandwich covariances; empty where every battle weighs one.
  std::vector<double> squared_wins = {}, squared_losses = {}, squared_ties = {};

  /// Whether every battle weighs one, so that the counts are all there is to know.
  ZERMELO_INLINE bool unit_weights() const { return squared_wins.empty(); }
  ZERMELO_INLINE std::int64_t entries() const { return static_cast<std::int64_t>(wins.size()); }

  /// What items i and j did against each other. O(1) where dense, O(log) otherwise. Errors: domain_error for ids.
  ZERMELO_INLINE pair_record between(std::int64_t i, std::int64_t j) const;
};

/// Receives what f says of item i's opponents: f(j, entry of i against j).
template <class F>
ZERMELO_INLINE void for_each_opponent(const comparison_graph& g, std::int64_t i, F&& f) {
  if (g.dense) {
    for (std::int64_t j = 0; j < g.items; ++j)
      if (j != i) f(j, i * g.items + j);
  } else {
    const auto row = static_cast<std::size_t>(i);
    for (std::int64_t e = g.offsets[row]; e < g.offsets[row + 1]; ++e)
      f(static_cast<std::int64_t>(g.opponents[static_cast<std::size_t>(e)]), e);
  }
}

namespace detail {

ZERMELO_INLINE double at_or_zero(const std::vector<double>& column, std::int64_t k) {
  return column.empty() ? 0.0 : column[static_cast<std::size_t>(k)];
}

/// The record at an entry of row i whose opponent is j.
ZERMELO_INLINE pair_record record_at(const comparison_graph& g, std::int64_t i, std::int64_t j, std::int64_t entry) {
  const auto k = static_cast<std::size_t>(entry);
  return {.wins = g.wins[k],
          .losses = g.dense ? g.wins[static_cast<std::size_t>(j * g.items + i)] : g.losses[k],
          .ties = at_or_zero(g.ties, entry)};
}

}  // namespace detail

struct counting_parameters {
  /// Up to this many items the counts are kept as dense tables, beyond in compressed rows of unique pairs.
  std::int64_t dense_limit = 4000;
};

namespace detail::inline ZERMELO_ISA {

/// Outcomes as enumerators, or as the share of the win that the first item takes: 1, 0 or ½ (other numbers: 3).
template <class O>
ZERMELO_INLINE std::uint32_t outcome_code(O o) {
  if constexpr (std::is_same_v<O, outcome>) {
    return static_cast<std::uint32_t>(o);
  } else {
    static_assert(real_value<O>, "zermelo: outcomes are preference::outcome, or floats 1, 0 and 0.5");
    const auto bits = [](O x) { return value_traits<O>::to_bits(x); };  // a NaN may compare equal under -ffast-math
    return bits(o) == bits(O(1)) ? 1u : bits(o) == bits(O(0.5)) ? 2u : (bits(o) << 1) == 0 ? 0u : 3u;
  }
}

using zermelo::detail::require_length;

template <class Id>
void require_id(const char* argument, std::int64_t k, Id id, std::int64_t n) {
  if (!zermelo::detail::in_range(id, n))
    throw domain_error(argument, k, "id " + std::to_string(id) + ", expected one in [0, " + std::to_string(n) + ")");
}

inline void require_count(const char* argument, std::int64_t k, double x) {
  if (!is_finite(x) || x < 0)
    throw domain_error(argument, k, zermelo::detail::text(x) + ", expected a finite number, zero or more");
}

/// Throws unless battle k is one: ids in range and different, a known outcome.
template <class Id, class O>
ZERMELO_INLINE void require_battle(std::int64_t k, Id i, Id j, O o, std::int64_t n) {
  if (zermelo::detail::in_range(i, n) && zermelo::detail::in_range(j, n) && i != j && outcome_code(o) < 3) [[likely]]
    return;
  require_id("first", k, i, n);
  require_id("second", k, j, n);
  if (i == j) throw domain_error("second", k, "item " + std::to_string(j) + " is compared with itself");
  throw domain_error("outcomes", k,
                     "not an outcome: expected a win of the first (1), of the second (0) or a tie (0.5)");
}

/// Dense tables from code counts laid out [(i·n + j)·4 + code].
inline comparison_graph dense_graph(std::int64_t n, const std::vector<std::int64_t>& counts) {
  comparison_graph g{.items = n};
  const auto size = static_cast<std::size_t>(n * n);
  g.wins.assign(size, 0.0);
  std::vector<double> ties(size, 0.0);
  std::int64_t tied = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const auto* c = &counts[static_cast<std::size_t>((i * n + j) * 4)];
      g.battles += c[0] + c[1] + c[2];
      tied += c[2];
      g.wins[static_cast<std::size_t>(i * n + j)] += static_cast<double>(c[1]);
      g.wins[static_cast<std::size_t>(j * n + i)] += static_cast<double>(c[0]);
      ties[static_cast<std::size_t>(i * n + j)] += static_cast<double>(c[2]);
      ties[static_cast<std::size_t>(j * n + i)] += static_cast<double>(c[2]);
    }
  if (tied > 0) g.ties = std::move(ties);
  return g;
}

/// One battle as its row's item sees it: 0 lost, 1 won, 2 tied.
ZERMELO_INLINE std::uint32_t seen_from_second(std::uint32_t code) { return code == 2 ? 2u : 1u - code; }

/// Drops the columns that hold nothing.
inline void drop_empty_columns(comparison_graph& g) {
  const auto none = [](const std::vector<double>& c) {
    return std::all_of(c.begin(), c.end(), [](double x) { return x == 0; });
  };
  if (none(g.ties)) g.ties = {};
  if (g.ties.empty()) g.squared_ties = {};
}

/// Sums of one entry, while rows are being made.
struct entry_sums {
  double sum[3] = {};      ///< losses, wins, ties of the row's item
  double squares[3] = {};  ///< of the battles' weights
};

/// A battle as its row's item sees it: opponent·4 + code, and which battle it was if that matters.
template <class Key>
struct plain_entry {
  std::uint32_t row;
  Key key;
  ZERMELO_INLINE std::int64_t battle() const { return 0; }
  ZERMELO_INLINE void set_battle(std::int64_t) {}
  ZERMELO_INLINE friend bool operator<(const plain_entry& a, const plain_entry& b) { return a.key < b.key; }
};
template <class Key, class Index>
struct indexed_entry {
  std::uint32_t row;
  Key key;
  Index index;
  ZERMELO_INLINE std::int64_t battle() const { return static_cast<std::int64_t>(index); }
  ZERMELO_INLINE void set_battle(std::int64_t k) { index = static_cast<Index>(k); }
  ZERMELO_INLINE friend bool operator<(const indexed_entry& a, const indexed_entry& b) {
    return (a.key >> 2) != (b.key >> 2) ? a.key < b.key : a.index < b.index;
  }
};

/// Builds compressed rows from the battles, or records of battles, k of [0, m).
///
/// first(k), second(k)  the pair;  code(k)  two bits, and other(code) what they are in the second item's row
/// add(battle, code, sums)  adds an entry's battle to the sums of its pair
/// Entries are partitioned by blocks of rows that fit a cache, then sorted by rows inside each block; what belongs to
/// one pair is added in the order of the battles.
template <class Entry, bool Squares, class P, class First, class Second, class Code, class Other, class Add>
comparison_graph compress_entries(P&& policy, std::int64_t n, std::int64_t m, First first, Second second, Code code,
                                  Other other, Add add) {
  using key = decltype(Entry::key);
  constexpr std::int64_t most_blocks = 1024, chunks = 32;
  const std::int64_t rows_per_block = (n + most_blocks - 1) / most_blocks;
  const std::int64_t blocks = (n + rows_per_block - 1) / rows_per_block;
  const std::int64_t per_chunk = (m + chunks - 1) / chunks;
  const auto over_chunk = [&](std::int64_t c, auto&& visit) {
    const std::int64_t end = (std::min)(m, (c + 1) * per_chunk);
    for (std::int64_t k = c * per_chunk; k < end; ++k) visit(k, first(k), second(k));
  };

  std::vector<std::int64_t> place(static_cast<std::size_t>(blocks * chunks), 0);
  const auto slot = [&](std::int64_t row, std::int64_t c) {
    return static_cast<std::size_t>(row / rows_per_block * chunks + c);
  };
  for_each_tile(policy, chunks, [&](std::int64_t c) {
    over_chunk(c, [&](std::int64_t, std::int64_t i, std::int64_t j) { ++place[slot(i, c)], ++place[slot(j, c)]; });
  });
  std::int64_t before = 0;
  for (auto& p : place) {
    const std::int64_t count = p;
    p = before;
    before += count;
  }
  std::vector<std::int64_t> block_start(static_cast<std::size_t>(blocks) + 1, 2 * m);
  for (std::int64_t b = 0; b < blocks; ++b)
    block_start[static_cast<std::size_t>(b)] = place[static_cast<std::size_t>(b * chunks)];
  std::vector<Entry> entries(static_cast<std::size_t>(2 * m));
  for_each_tile(policy, chunks, [&](std::int64_t c) {
    const auto put = [&](std::int64_t row, std::int64_t opponent, std::uint32_t what, std::int64_t k) {
      Entry& e = entries[static_cast<std::size_t>(place[slot(row, c)]++)];
      e.row = static_cast<std::uint32_t>(row);
      e.key = static_cast<key>(static_cast<key>(opponent) * 4u + what);
      e.set_battle(k);
    };
    over_chunk(c, [&](std::int64_t k, std::int64_t i, std::int64_t j) {
      const std::uint32_t what = code(k);
      put(i, j, what, k);
      put(j, i, other(what), k);
    });
  });

  comparison_graph g{.items = n, .battles = m, .dense = false};
  g.offsets.assign(static_cast<std::size_t>(n) + 1, 0);
  for_each_tile(policy, blocks, [&](std::int64_t b) {
    const auto begin = entries.begin() + block_start[static_cast<std::size_t>(b)];
    const auto end = entries.begin() + block_start[static_cast<std::size_t>(b) + 1];
    const std::int64_t first_row = b * rows_per_block, rows = (std::min)(n - first_row, rows_per_block);
    std::vector<std::int64_t> next(static_cast<std::size_t>(rows) + 1, 0);
    for (auto e = begin; e != end; ++e) ++next[static_cast<std::size_t>(e->row - first_row) + 1];
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) next[r + 1] += next[r];
    const std::vector<Entry> unsorted(begin, end);
    for (const Entry& e : unsorted) begin[next[static_cast<std::size_t>(e.row - first_row)]++] = e;
    for (std::int64_t r = 0, from = 0; r < rows; ++r) {
      const std::int64_t to = next[static_cast<std::size_t>(r)];
      std::sort(begin + from, begin + to);
      std::int64_t unique = 0;
      for (std::int64_t e = from; e < to; ++e) unique += e == from || (begin[e].key >> 2) != (begin[e - 1].key >> 2);
      g.offsets[static_cast<std::size_t>(first_row + r) + 1] = unique;
      from = to;
    }
  });
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) g.offsets[i + 1] += g.offsets[i];

  const auto unique = static_cast<std::size_t>(g.offsets.back());
  bool tied = false;
  for (std::int64_t k = 0; k < m && !tied; ++k) tied = code(k) == 2;
  g.opponents.resize(unique);
  g.wins.resize(unique), g.losses.resize(unique);
  if (tied) g.ties.resize(unique);
  if constexpr (Squares) {
    g.squared_wins.resize(unique), g.squared_losses.resize(unique);
    if (tied) g.squared_ties.resize(unique);
  }
  for_each_tile(policy, blocks, [&](std::int64_t b) {
    auto e = entries.begin() + block_start[static_cast<std::size_t>(b)];
    const auto end = entries.begin() + block_start[static_cast<std::size_t>(b) + 1];
    for (auto k = static_cast<std::size_t>(g.offsets[static_cast<std::size_t>(b * rows_per_block)]); e != end; ++k) {
      const auto pair = e;
      entry_sums sums;
      for (; e != end && e->row == pair->row && (e->key >> 2) == (pair->key >> 2); ++e)
        add(e->battle(), static_cast<std::uint32_t>(e->key & 3u), sums);
      g.opponents[k] = static_cast<std::int32_t>(pair->key >> 2);
      g.losses[k] = sums.sum[0], g.wins[k] = sums.sum[1];
      if (tied) g.ties[k] = sums.sum[2];
      if constexpr (Squares) {
        g.squared_losses[k] = sums.squares[0], g.squared_wins[k] = sums.squares[1];
        if (tied) g.squared_ties[k] = sums.squares[2];
      }
    }
  });
  return g;
}

/// The same with the narrowest entries that hold the ids, and the battles' numbers if Indexed.
template <bool Indexed, bool Squares, class P, class First, class Second, class Code, class Other, class Add>
comparison_graph compress(P&& policy, std::int64_t n, std::int64_t m, First first, Second second, Code code,
                          Other other, Add add) {
  using u32 = std::uint32_t;
  using u64 = std::uint64_t;
  const bool short_key = n < (std::int64_t{1} << 30);
  if constexpr (!Indexed) {
    if (short_key) return compress_entries<plain_entry<u32>, Squares>(policy, n, m, first, second, code, other, add);
    return compress_entries<plain_entry<u64>, Squares>(policy, n, m, first, second, code, other, add);
  } else {
    if (short_key && static_cast<u64>(m) <= (std::numeric_limits<u32>::max)())
      return compress_entries<indexed_entry<u32, u32>, Squares>(policy, n, m, first, second, code, other, add);
    return compress_entries<indexed_entry<u64, u64>, Squares>(policy, n, m, first, second, code, other, add);
  }
}

inline void require_items(std::int64_t n) {
  if (n < 1 || n > (std::numeric_limits<std::int32_t>::max)())
    throw domain_error("items", domain_error::whole, std::to_string(n) + ", expected 1 to 2³¹ − 1");
}

/// Battles that are alike: how many, and the weight of each.
struct repeated_battle {
  double times, weight;
};

/// Counts line k as repeated(k), which throws where that is no number of battles.
template <class P, class F, class S, class O, class Repeated>
comparison_graph count_weighted(P&& policy, const F& first, const S& second, const O& outcomes, std::int64_t items,
                                counting_parameters parameters, Repeated repeated) {
  const auto f = view(first);
  const auto s = view(second);
  const auto o = view(outcomes);
  require_items(items);
  const std::int64_t m = f.size();
  require_length("second", s.size(), m);
  require_length("outcomes", o.size(), m);
  double battles = 0;
  bool unit = true;
  for (std::int64_t k = 0; k < m; ++k) {
    require_battle(k, static_cast<std::int64_t>(f.element(k)), static_cast<std::int64_t>(s.element(k)), o.element(k),
                   items);
    const repeated_battle b = repeated(k);
    battles += b.times;
    unit &= b.weight == 1;
  }
  comparison_graph g{.items = items};
  if (items > parameters.dense_limit) {
    g = compress<true, true>(
        policy, items, m, [&](std::int64_t k) { return static_cast<std::int64_t>(f.element(k)); },
        [&](std::int64_t k) { return static_cast<std::int64_t>(s.element(k)); },
        [&](std::int64_t k) { return outcome_code(o.element(k)); }, seen_from_second,
        [&](std::int64_t k, std::uint32_t code, entry_sums& sums) {
          const repeated_battle b = repeated(k);
          sums.sum[code] += b.times * b.weight;
          sums.squares[code] += b.times * (b.weight * b.weight);
        });
  } else {
    const auto size = static_cast<std::size_t>(items * items);
    for (auto* column : {&g.wins, &g.ties, &g.squared_wins, &g.squared_ties}) column->assign(size, 0.0);
    for (std::int64_t k = 0; k < m; ++k) {
      const auto i = static_cast<std::int64_t>(f.element(k)), j = static_cast<std::int64_t>(s.element(k));
      const auto forward = static_cast<std::size_t>(i * items + j), backward = static_cast<std::size_t>(j * items + i);
      const repeated_battle b = repeated(k);
      const double sum = b.times * b.weight, square = b.times * (b.weight * b.weight);
      const std::uint32_t code = outcome_code(o.element(k));
      if (code == 2) {
        g.ties[forward] += sum, g.ties[backward] += sum;
        g.squared_ties[forward] += square, g.squared_ties[backward] += square;
      } else {
        const auto to = code == 1 ? forward : backward;
        g.wins[to] += sum;
        g.squared_wins[to] += square;
      }
    }
    drop_empty_columns(g);
  }
  g.battles = static_cast<std::int64_t>(std::llround(battles));
  if (unit) g.squared_wins = {}, g.squared_losses = {}, g.squared_ties = {};
  return g;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Counts battles of weight one.
///
///   wins(i, j) = #{k : battle k is between i and j and i won},   ties(i, j) likewise
///
/// first, second  [m]  ids in [0, items), integers of any width; first ≠ second
/// outcomes       [m]  preference::outcome, or floats 1 (the first won), 0 and 0.5
/// Errors: shape_error; domain_error with the argument and position of the first battle that is wrong.
/// Cost: one pass for up to `dense_limit` items, memory 8·items² bytes; beyond, a counting sort, 40 bytes a unique pair.
template <host_policy P, tensor F, tensor S, tensor O>
comparison_graph count_battles(P&& policy, const F& first, const S& second, const O& outcomes, std::int64_t items,
                               counting_parameters parameters = {}) {
  const auto f = view(first);
  const auto s = view(second);
  const auto o = view(outcomes);
  detail::require_items(items);
  const std::int64_t m = f.size();
  detail::require_length("second", s.size(), m);
  detail::require_length("outcomes", o.size(), m);
  if (items <= (std::min)(parameters.dense_limit, zermelo::detail::count_pairs_limit)) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(4 * items * items), 0);
    if constexpr (std::is_same_v<element_t<O>, outcome>) {
      count_pairs(policy, first, second, outcomes, items, 3, counts);
    } else {
      for (std::int64_t k = 0; k < m; ++k) {
        const auto i = static_cast<std::int64_t>(f.element(k)), j = static_cast<std::int64_t>(s.element(k));
        detail::require_battle(k, i, j, o.element(k), items);
        ++counts[static_cast<std::size_t>((i * items + j) * 4 + detail::outcome_code(o.element(k)))];
      }
    }
    return detail::dense_graph(items, counts);
  }
  for (std::int64_t k = 0; k < m; ++k)
    detail::require_battle(k, static_cast<std::int64_t>(f.element(k)), static_cast<std::int64_t>(s.element(k)),
                           o.element(k), items);
  return detail::compress<false, false>(
      policy, items, m, [&](std::int64_t k) { return static_cast<std::int64_t>(f.element(k)); },
      [&](std::int64_t k) { return static_cast<std::int64_t>(s.element(k)); },
      [&](std::int64_t k) { return detail::outcome_code(o.element(k)); }, detail::seen_from_second,
      [](std::int64_t, std::uint32_t code, detail::entry_sums& sums) { sums.sum[code] += 1; });
}

/// Counts battles that carry weights: finite, zero or more. A battle of weight zero counts as a battle, not as a game.
///
/// weights  [m]; the rest as above. Errors: also domain_error("weights", k) for a weight that is negative, NaN or ±∞.
template <host_policy P, tensor F, tensor S, tensor O, tensor W>
comparison_graph count_battles(P&& policy, const F& first, const S& second, const O& outcomes, const W& weights,
                               std::int64_t items, counting_parameters parameters = {}) {
  const auto w = view(weights);
  detail::require_length("weights", w.size(), view(first).size());
  return detail::count_weighted(policy, first, second, outcomes, items, parameters, [&](std::int64_t k) {
    const auto weight = static_cast<double>(w.element(k));
    detail::require_count("weights", k, weight);
    return detail::repeated_battle{.times = 1, .weight = weight};
  });
}

/// Counts battles that came in several copies: line k stands for counts[k] battles of weight weights[k] each.
///
///   wins(i, j) = Σ counts·weights,   squared_wins(i, j) = Σ counts·weights²,   ties likewise
///
/// weights, counts  [m]  finite, zero or more; counts need not be whole. The rest as above.
template <host_policy P, tensor F, tensor S, tensor O, tensor W, tensor C>
comparison_graph count_battles(P&& policy, const F& first, const S& second, const O& outcomes, const W& weights,
                               const C& counts, std::int64_t items, counting_parameters parameters = {}) {
  const auto w = view(weights);
  const auto c = view(counts);
  detail::require_length("weights", w.size(), view(first).size());
  detail::require_length("counts", c.size(), view(first).size());
  return detail::count_weighted(policy, first, second, outcomes, items, parameters, [&](std::int64_t k) {
    const detail::repeated_battle b{.times = static_cast<double>(c.element(k)),
                                    .weight = static_cast<double>(w.element(k))};
    detail::require_count("weights", k, b.weight);
    detail::require_count("counts", k, b.times);
    return b;
  });
}

template <tensor F, tensor S, tensor O>
comparison_graph count_battles(const F& first, const S& second, const O& outcomes, std::int64_t items,
                               counting_parameters parameters = {}) {
  return count_battles(simd{}, first, second, outcomes, items, parameters);
}

template <tensor F, tensor S, tensor O, tensor W>
comparison_graph count_battles(const F& first, const S& second, const O& outcomes, const W& weights, std::int64_t items,
                               counting_parameters parameters = {}) {
  return count_battles(simd{}, first, second, outcomes, weights, items, parameters);
}

template <tensor F, tensor S, tensor O, tensor W, tensor C>
comparison_graph count_battles(const F& first, const S& second, const O& outcomes, const W& weights, const C& counts,
                               std::int64_t items, counting_parameters parameters = {}) {
  return count_battles(simd{}, first, second, outcomes, weights, counts, items, parameters);
}

/// The graph of records: line k says that first won wins[k] battles of weight one against second and lost losses[k].
/// Pairs may occur on several lines and in either order.
///
/// first, second  [m]  ids in [0, items), first ≠ second
/// wins, losses   [m]  finite, zero or more; need not be whole
/// Errors: shape_error; domain_error with the argument and line.   Cost: as count_battles.
template <host_policy P, tensor F, tensor S, tensor W, tensor L>
comparison_graph graph_from_records(P&& policy, const F& first, const S& second, const W& wins, const L& losses,
                                    std::int64_t items, counting_parameters parameters = {}) {
  const auto f = view(first);
  const auto s = view(second);
  const auto w = view(wins);
  const auto l = view(losses);
  detail::require_items(items);
  const std::int64_t m = f.size();
  detail::require_length("second", s.size(), m);
  detail::require_length("wins", w.size(), m);
  detail::require_length("losses", l.size(), m);
  double total = 0;
  for (std::int64_t k = 0; k < m; ++k) {
    detail::require_battle(k, static_cast<std::int64_t>(f.element(k)), static_cast<std::int64_t>(s.element(k)),
                           outcome::first, items);
    detail::require_count("wins", k, static_cast<double>(w.element(k)));
    detail::require_count("losses", k, static_cast<double>(l.element(k)));
    total += static_cast<double>(w.element(k)) + static_cast<double>(l.element(k));
  }
  comparison_graph g{.items = items};
  if (items <= parameters.dense_limit) {
    g.wins.assign(static_cast<std::size_t>(items * items), 0.0);
    for (std::int64_t k = 0; k < m; ++k) {
      const auto i = static_cast<std::int64_t>(f.element(k)), j = static_cast<std::int64_t>(s.element(k));
      g.wins[static_cast<std::size_t>(i * items + j)] += static_cast<double>(w.element(k));
      g.wins[static_cast<std::size_t>(j * items + i)] += static_cast<double>(l.element(k));
    }
  } else {
    g = detail::compress<true, false>(
        policy, items, m, [&](std::int64_t k) { return static_cast<std::int64_t>(f.element(k)); },
        [&](std::int64_t k) { return static_cast<std::int64_t>(s.element(k)); }, [](std::int64_t) { return 1u; },
        [](std::uint32_t code) { return 1u - code; },
        [&](std::int64_t k, std::uint32_t is_first, detail::entry_sums& sums) {
          sums.sum[is_first] += static_cast<double>(w.element(k));
          sums.sum[1 - is_first] += static_cast<double>(l.element(k));
        });
  }
  g.battles = static_cast<std::int64_t>(std::llround(total));
  return g;
}

template <tensor F, tensor S, tensor W, tensor L>
comparison_graph graph_from_records(const F& first, const S& second, const W& wins, const L& losses, std::int64_t items,
                                    counting_parameters parameters = {}) {
  return graph_from_records(simd{}, first, second, wins, losses, items, parameters);
}

/// The dense graph of a matrix of counts: wins(i, j) = weight of "i beat j"; ties symmetric, each pair's weight in both
/// halves. Counts need not be whole; all of them are taken as sums of battles of weight one.
///
/// wins, ties  [n, n]  finite, zero or more, diagonal zero
/// Errors: shape_error; domain_error with the row-major position.
template <tensor W, tensor T>
comparison_graph graph_from_wins(const W& wins, const T& ties) {
  const auto w = view(wins);
  const auto t = view(ties);
  static_assert(decltype(w)::rank == 2 && decltype(t)::rank == 2, "zermelo: wins and ties are matrices");
  const std::int64_t n = w.shape[0];
  detail::require_items(n);
  const auto require_square = [n](const char* argument, const auto& x) {
    if (x.shape[0] != n || x.shape[1] != n)
      throw shape_error(argument, "shape [" + std::to_string(x.shape[0]) + ", " + std::to_string(x.shape[1]) +
                                      "], expected [" + std::to_string(n) + ", " + std::to_string(n) + "]");
  };
  require_square("wins", w);
  require_square("ties", t);
  comparison_graph g{.items = n};
  g.wins.resize(static_cast<std::size_t>(n * n));
  g.ties.resize(static_cast<std::size_t>(n * n));
  const auto require_cell = [](const char* argument, std::int64_t k, double x, bool diagonal) {
    detail::require_count(argument, k, x);
    if (diagonal && x != 0)
      throw domain_error(argument, k, "an item is compared with itself, expected a zero diagonal");
  };
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      const auto k = static_cast<std::size_t>(i * n + j);
      g.wins[k] = static_cast<double>(w(i, j));
      g.ties[k] = static_cast<double>(t(i, j));
      require_cell("wins", i * n + j, g.wins[k], i == j);
      require_cell("ties", i * n + j, g.ties[k], i == j);
      if (g.ties[k] != static_cast<double>(t(j, i)))
        throw domain_error("ties", i * n + j, "expected a symmetric matrix");
      total += g.wins[k] + 0.5 * g.ties[k];
    }
  g.battles = static_cast<std::int64_t>(std::llround(total));
  detail::drop_empty_columns(g);
  return g;
}

template <tensor W>
comparison_graph graph_from_wins(const W& wins) {
  const auto w = view(wins);
  static_assert(decltype(w)::rank == 2, "zermelo: wins is a matrix");
  const double zero = 0;
  return graph_from_wins(
      wins, tensor_view<const double, 2>{.data = &zero, .shape = {w.shape[0], w.shape[0]}, .strides = {0, 0}});
}

/// The graph of all battles of both: counts add up, exactly where they are whole or halves. The graph with fewer items
/// is taken to say nothing about the others.
inline comparison_graph merge(const comparison_graph& a, const comparison_graph& b,
                              counting_parameters parameters = {}) {
  const std::int64_t n = (std::max)(a.items, b.items);
  const bool weighted = !a.unit_weights() || !b.unit_weights();
  const bool tied = !a.ties.empty() || !b.ties.empty();
  comparison_graph g{.items = n, .battles = a.battles + b.battles, .dense = n <= parameters.dense_limit};

  struct cell {
    double wins = 0, losses = 0, ties = 0, squared_wins = 0, squared_losses = 0, squared_ties = 0;
  };
  const auto add = [weighted](const comparison_graph& from, std::int64_t i, std::int64_t j, std::int64_t e, cell& to) {
    const pair_record r = detail::record_at(from, i, j, e);
    to.wins += r.wins, to.losses += r.losses, to.ties += r.ties;
    if (!weighted) return;
    if (from.unit_weights()) {
      to.squared_wins += r.wins, to.squared_losses += r.losses, to.squared_ties += r.ties;
    } else {
      const auto k = static_cast<std::size_t>(e);
      to.squared_wins += from.squared_wins[k];
      to.squared_losses +=
          from.dense ? from.squared_wins[static_cast<std::size_t>(j * from.items + i)] : from.squared_losses[k];
      to.squared_ties += detail::at_or_zero(from.squared_ties, e);
    }
  };
  const auto store = [&](std::size_t k, const cell& c) {
    g.wins[k] = c.wins;
    if (!g.dense) g.losses[k] = c.losses;
    if (tied) g.ties[k] = c.ties;
    if (weighted) {
      g.squared_wins[k] = c.squared_wins;
      if (!g.dense) g.squared_losses[k] = c.squared_losses;
      if (tied) g.squared_ties[k] = c.squared_ties;
    }
  };
  const auto resize = [&](std::size_t size) {
    g.wins.assign(size, 0.0);
    if (!g.dense) g.losses.assign(size, 0.0);
    if (tied) g.ties.assign(size, 0.0);
    if (weighted) {
      g.squared_wins.assign(size, 0.0);
      if (!g.dense) g.squared_losses.assign(size, 0.0);
      if (tied) g.squared_ties.assign(size, 0.0);
    }
  };

  if (g.dense) {
    resize(static_cast<std::size_t>(n * n));
    std::vector<cell> row(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) {
      std::fill(row.begin(), row.end(), cell{});
      for (const comparison_graph* from : {&a, &b})
        if (i < from->items)
          for_each_opponent(
              *from, i, [&](std::int64_t j, std::int64_t e) { add(*from, i, j, e, row[static_cast<std::size_t>(j)]); });
      for (std::int64_t j = 0; j < n; ++j) store(static_cast<std::size_t>(i * n + j), row[static_cast<std::size_t>(j)]);
    }
    return g;
  }

  // Both rows ascend, so they merge like two sorted lists; dense rows lose the pairs that never met.
  const auto opponents_of = [](const comparison_graph& from, std::int64_t i,
                               std::vector<std::pair<std::int64_t, std::int64_t>>& out) {
    out.clear();
    if (i >= from.items) return;
    for_each_opponent(from, i, [&](std::int64_t j, std::int64_t e) {
      const pair_record r = detail::record_at(from, i, j, e);
      if (!from.dense || r.wins + r.losses + r.ties > 0) out.emplace_back(j, e);
    });
  };
  std::vector<std::pair<std::int64_t, std::int64_t>> in_a, in_b;
  const auto walk = [&](std::int64_t i, auto&& visit) {
    opponents_of(a, i, in_a);
    opponents_of(b, i, in_b);
    for (std::size_t p = 0, q = 0; p < in_a.size() || q < in_b.size();) {
      const bool from_a = p < in_a.size() && (q >= in_b.size() || in_a[p].first <= in_b[q].first);
      const bool from_b = q < in_b.size() && (p >= in_a.size() || in_b[q].first <= in_a[p].first);
      const std::int64_t j = from_a ? in_a[p].first : in_b[q].first;
      cell c;
      if (from_a) add(a, i, j, in_a[p++].second, c);
      if (from_b) add(b, i, j, in_b[q++].second, c);
      visit(j, c);
    }
  };
  g.offsets.assign(static_cast<std::size_t>(n) + 1, 0);
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t unique = 0;
    walk(i, [&](std::int64_t, const cell&) { ++unique; });
    g.offsets[static_cast<std::size_t>(i) + 1] = g.offsets[static_cast<std::size_t>(i)] + unique;
  }
  resize(static_cast<std::size_t>(g.offsets.back()));
  g.opponents.resize(static_cast<std::size_t>(g.offsets.back()));
  for (std::int64_t i = 0; i < n; ++i) {
    auto k = static_cast<std::size_t>(g.offsets[static_cast<std::size_t>(i)]);
    walk(i, [&](std::int64_t j, const cell& c) {
      g.opponents[k] = static_cast<std::int32_t>(j);
      store(k++, c);
    });
  }
  return g;
}

}  // namespace ZERMELO_ISA
ZERMELO_INLINE pair_record comparison_graph::between(std::int64_t i, std::int64_t j) const {
  detail::require_id("i", domain_error::whole, i, items);
  detail::require_id("j", domain_error::whole, j, items);
  if (dense) return detail::record_at(*this, i, j, i * items + j);
  const auto begin = opponents.begin() + offsets[static_cast<std::size_t>(i)];
  const auto end = opponents.begin() + offsets[static_cast<std::size_t>(i) + 1];
  const auto found = std::lower_bound(begin, end, j);
  if (found == end || *found != j) return {};
  return detail::record_at(*this, i, j, found - opponents.begin());
}

}  // namespace zermelo::inline v1::preference
