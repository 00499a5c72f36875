// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "../../core/execution/policy.hpp"
#include "../../core/lanes.hpp"
#include "../../core/links.hpp"
#include "../comparison_graph.hpp"

/// A comparison graph in the form that sweeps over it like best, and the one pass that every solver is made of.
namespace zermelo::inline v1::preference::detail {

/// Wins and losses by rows, ties shared out as half a win each. Full rows: opponent e of row i is item e, rows padded
/// with zeros to whole packs. Compressed rows: opponents[e] for offsets[i] ≤ e < offsets[i+1].
struct comparison_rows {
  std::int64_t items = 0;
  std::int64_t stride = 0;  ///< length of a full row; 0 for compressed rows
  std::span<const std::int64_t> offsets = {};
  std::span<const std::int32_t> opponents = {};
  std::span<const double> wins = {}, losses = {};

  std::vector<std::int64_t> own_offsets = {};
  std::vector<std::int32_t> own_opponents = {};
  std::vector<double> own_wins = {}, own_losses = {};

  ZERMELO_INLINE bool full() const { return stride > 0; }
  ZERMELO_INLINE std::int64_t begin(std::int64_t i) const {
    return full() ? i * stride : offsets[static_cast<std::size_t>(i)];
  }
  ZERMELO_INLINE std::int64_t end(std::int64_t i) const {
    return full() ? i * stride + items : offsets[static_cast<std::size_t>(i) + 1];
  }
  ZERMELO_INLINE std::int64_t opponent(std::int64_t i, std::int64_t e) const {
    return full() ? e - i * stride : opponents[static_cast<std::size_t>(e)];
  }
  /// Length of strengths that a sweep over full rows may read.
  ZERMELO_INLINE std::int64_t padded_items() const { return full() ? stride : items; }
  ZERMELO_INLINE std::int64_t entries() const { return static_cast<std::int64_t>(wins.size()); }
};

/// Who beat whom, as a digraph (see core/graph.hpp). A tie counts in both directions, being half a win of each.
struct win_graph {
  const comparison_rows* rows;
  bool reversed = false;

  ZERMELO_INLINE std::int64_t size() const { return rows->items; }
  ZERMELO_INLINE std::int64_t begin(std::int64_t i) const { return rows->begin(i); }
  ZERMELO_INLINE std::int64_t end(std::int64_t i) const { return rows->end(i); }
  ZERMELO_INLINE std::int64_t target(std::int64_t i, std::int64_t e) const { return rows->opponent(i, e); }
  ZERMELO_INLINE bool present(std::int64_t, std::int64_t e) const {
    return (reversed ? rows->losses : rows->wins)[static_cast<std::size_t>(e)] > 0;
  }
};

/// What a sweep is asked for besides the two sides of the balance. Values cost a logarithm a pair.
struct wanted {
  bool value = false;
  bool curvature = false;  ///< vᵢⱼ, the Hessian's −Hᵢⱼ, of every pair
};

/// What the battles of a pair, or those of a row, say of an item at the current strengths.
template <class V>
struct row_sums_of {
  V value = V(0);      ///< cost of the wins, if wanted
  V won = V(0);        ///< Σ wins · pull: what pulls the item up
  V lost = V(0);       ///< Σ losses · pull: what pulls it down; the gradient is lost − won
  V curvature = V(0);  ///< Σ of the pairs' curvatures: the diagonal of the Hessian
};
using row_sums = row_sums_of<double>;

/// Of a pair, whose strengths differ by d.
template <wanted Want, class Link, class V>
ZERMELO_FN row_sums_of<V> pair_sums(Link link, V d, V wins, V losses) {
  const link_terms<V> t = link(d);
  V value = V(0);
  if constexpr (Want.value) value = wins * t.win_value;
  return {.value = value,
          .won = wins * t.win_pull,
          .lost = losses * t.loss_pull,
          .curvature = wins * t.win_curvature + losses * t.loss_curvature};
}

inline namespace ZERMELO_ISA {

/// Above this many items rows are compressed, and linear systems solved by conjugate gradients.
inline constexpr std::int64_t full_rows_limit = 1000;

/// Below this share of pairs that met, sweeps are quicker over compressed rows than over full ones.
inline constexpr double sparse_share = 0.3;

/// What rows are for: systems, which dense ones are best for while there are few items, or sweeps alone.
enum class row_use { systems, sweeps };

inline bool is_sparse(const comparison_graph& g) {
  std::int64_t met = 0;
  for (std::int64_t i = 0; i < g.items; ++i)
    for_each_opponent(g, i, [&](std::int64_t j, std::int64_t e) {
      const pair_record one = record_at(g, i, j, e);
      met += one.wins + one.losses + one.ties > 0;
    });
  return static_cast<double>(met) < sparse_share * static_cast<double>(g.items) * static_cast<double>(g.items);
}

/// `pair_games`/2 is added to both sides of every pair that met.
inline comparison_rows rows_of(const comparison_graph& g, double pair_games = 0, row_use use = row_use::systems) {
  comparison_rows r{.items = g.items};
  const std::int64_t n = g.items;
  const double extra = pair_games / 2;
  const auto shared = [&](std::int64_t i, std::int64_t j, std::int64_t e) {
    const pair_record one = record_at(g, i, j, e);
    const bool met = one.wins + one.losses + one.ties > 0;
    return pair_record{.wins = one.wins + one.ties / 2 + (met ? extra : 0),
                       .losses = one.losses + one.ties / 2 + (met ? extra : 0)};
  };
  if (n <= full_rows_limit && (use == row_use::systems || !is_sparse(g))) {
    constexpr std::int64_t pad = ZERMELO_VECTOR_BYTES / 8;
    r.stride = (n + pad - 1) / pad * pad;
    r.own_wins.assign(static_cast<std::size_t>(n * r.stride), 0.0);
    r.own_losses.assign(static_cast<std::size_t>(n * r.stride), 0.0);
    for (std::int64_t i = 0; i < n; ++i)
      for_each_opponent(g, i, [&](std::int64_t j, std::int64_t e) {
        const pair_record one = shared(i, j, e);
        r.own_wins[static_cast<std::size_t>(i * r.stride + j)] = one.wins;
        r.own_losses[static_cast<std::size_t>(i * r.stride + j)] = one.losses;
      });
  } else if (g.dense) {
    r.own_offsets.assign(static_cast<std::size_t>(n) + 1, 0);
    for (std::int64_t i = 0; i < n; ++i) {
      for_each_opponent(g, i, [&](std::int64_t j, std::int64_t e) {
        const pair_record one = shared(i, j, e);
        if (one.wins + one.losses == 0) return;
        r.own_opponents.push_back(static_cast<std::int32_t>(j));
        r.own_wins.push_back(one.wins);
        r.own_losses.push_back(one.losses);
      });
      r.own_offsets[static_cast<std::size_t>(i) + 1] = static_cast<std::int64_t>(r.own_opponents.size());
    }
    r.offsets = r.own_offsets, r.opponents = r.own_opponents;
  } else {
    r.offsets = g.offsets, r.opponents = g.opponents;
    if (g.ties.empty() && extra == 0) {
      r.wins = g.wins, r.losses = g.losses;
      return r;
    }
    r.own_wins.resize(g.wins.size());
    r.own_losses.resize(g.wins.size());
    for (std::int64_t i = 0; i < n; ++i)
      for_each_opponent(g, i, [&](std::int64_t j, std::int64_t e) {
        const pair_record one = shared(i, j, e);
        r.own_wins[static_cast<std::size_t>(e)] = one.wins;
        r.own_losses[static_cast<std::size_t>(e)] = one.losses;
      });
  }
  r.wins = r.own_wins, r.losses = r.own_losses;
  return r;
}

/// One row: sums over its opponents.
template <class V, wanted Want, class Link>
ZERMELO_INLINE row_sums sweep_row(const comparison_rows& rows, Link link, const double* theta, std::int64_t i,
                                  double* curvature) {
  constexpr std::int64_t width = lanes<V>;
  V value(0.0), won(0.0), lost(0.0), bent(0.0);
  const V own(theta[i]);
  const auto take = [&](V other, V wins, V losses) ZERMELO_LAMBDA_INLINE {
    const row_sums_of<V> t = pair_sums<Want>(link, own - other, wins, losses);
    if constexpr (Want.value) value = value + t.value;
    won = won + t.won;
    lost = lost + t.lost;
    bent = bent + t.curvature;
    return t.curvature;
  };
  const double* w = rows.wins.data();
  const double* l = rows.losses.data();
  const std::int64_t begin = rows.begin(i);
  if (rows.full()) {  // padded: no tail
    for (std::int64_t j = 0; j < rows.stride; j += width) {
      const V v = take(load<V>(theta + j), load<V>(w + begin + j), load<V>(l + begin + j));
      if constexpr (Want.curvature) store(curvature + begin + j, v);
    }
  } else {
    const std::int32_t* opponents = rows.opponents.data();
    const std::int64_t end = rows.end(i);
    std::int64_t e = begin;
    for (; e + width <= end; e += width) {
      const V v = take(gather<V>(theta, opponents + e), load<V>(w + e), load<V>(l + e));
      if constexpr (Want.curvature) store(curvature + e, v);
    }
    if (e < end) {
      const std::int64_t rest = end - e;
      std::int32_t last[width];
      for (std::int64_t k = 0; k < width; ++k) last[k] = opponents[e + (std::min)(k, rest - 1)];
      const V v = take(gather<V>(theta, last), load<V>(w + e, rest, 0.0), load<V>(l + e, rest, 0.0));
      if constexpr (Want.curvature) store(curvature + e, v, rest);
    }
  }
  return {.value = reduce_add(value), .won = reduce_add(won), .lost = reduce_add(lost), .curvature = reduce_add(bent)};
}

/// Entries whose terms are in the near cache at once.
inline constexpr std::int64_t sweep_chunk = 1024;

/// Compressed rows [first, last), at most sweep_chunk entries: short rows would waste most lanes, so the terms of all
/// entries are computed side by side and summed by rows afterwards. Returns the value.
template <class V, wanted Want, class Link, class Visit>
double sweep_short_rows(const comparison_rows& rows, Link link, const double* theta, std::int64_t first,
                        std::int64_t last, double* curvature, Visit& visit) {
  constexpr std::int64_t width = lanes<V>;
  double difference[sweep_chunk], won[sweep_chunk], lost[sweep_chunk], bent[sweep_chunk];
  const std::int64_t begin = rows.begin(first), entries = rows.end(last - 1) - begin;
  const std::int32_t* opponents = rows.opponents.data() + begin;
  const double* w = rows.wins.data() + begin;
  const double* l = rows.losses.data() + begin;
  for (std::int64_t i = first, e = 0; i < last; ++i) {
    const double own = theta[i];
    for (const std::int64_t end = rows.end(i) - begin; e < end; ++e) difference[e] = own - theta[opponents[e]];
  }
  V value(0.0);
  const auto take = [&](std::int64_t e, V d, V wins, V losses) ZERMELO_LAMBDA_INLINE {
    const row_sums_of<V> t = pair_sums<Want>(link, d, wins, losses);
    if constexpr (Want.value) value = value + t.value;
    store(won + e, t.won);
    store(lost + e, t.lost);
    store(bent + e, t.curvature);
    return t.curvature;
  };
  std::int64_t e = 0;
  for (; e + width <= entries; e += width) {
    const V v = take(e, load<V>(difference + e), load<V>(w + e), load<V>(l + e));
    if constexpr (Want.curvature) store(curvature + begin + e, v);
  }
  if (e < entries) {
    const std::int64_t rest = entries - e;
    const V v = take(e, load<V>(difference + e, rest, 0.0), load<V>(w + e, rest, 0.0), load<V>(l + e, rest, 0.0));
    if constexpr (Want.curvature) store(curvature + begin + e, v, rest);
  }
  e = 0;
  for (std::int64_t i = first; i < last; ++i) {
    row_sums sums;
    for (const std::int64_t end = rows.end(i) - begin; e < end; ++e) {
      sums.won += won[e];
      sums.lost += lost[e];
      sums.curvature += bent[e];
    }
    visit(i, sums);
  }
  return reduce_add(value);
}

/// How many rows make a tile: by the problem, not by the threads.
inline std::int64_t rows_per_tile(const comparison_rows& rows) {
  const std::int64_t average = 1 + rows.entries() / (std::max)(rows.items, std::int64_t{1});
  return (std::max)(std::int64_t{1}, 32768 / average);
}

/// Calls visit(i, sums of row i) for every row, tiles at a time; returns the total value, summed in the order of tiles.
template <wanted Want, class P, class Link, class Visit>
double sweep(P&& policy, const comparison_rows& rows, Link link, const double* theta, double* curvature, Visit visit,
             std::vector<double>& tile_values) {
  using V = value_of<P, double>;
  const std::int64_t per_tile = rows_per_tile(rows);
  const std::int64_t tiles = (rows.items + per_tile - 1) / per_tile;
  tile_values.assign(static_cast<std::size_t>(tiles), 0.0);
  for_each_tile(policy, tiles, [&](std::int64_t t) {
    const std::int64_t last = (std::min)(rows.items, (t + 1) * per_tile);
    double total = 0;
    for (std::int64_t i = t * per_tile; i < last;) {
      std::int64_t next = i;
      if (!rows.full())
        while (next < last && rows.end(next) - rows.begin(i) <= sweep_chunk) ++next;
      if (next > i) {
        total += sweep_short_rows<V, Want>(rows, link, theta, i, next, curvature, visit);
        i = next;
      } else {
        const row_sums sums = sweep_row<V, Want>(rows, link, theta, i, curvature);
        total += sums.value;
        visit(i++, sums);
      }
    }
    tile_values[static_cast<std::size_t>(t)] = total;
  });
  double total = 0;
  for (const double x : tile_values) total += x;
  return total;
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference::detail
