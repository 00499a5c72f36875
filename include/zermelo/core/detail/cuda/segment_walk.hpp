// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../../config.hpp"
#include "../../primitives/arguments.hpp"
#include "../../primitives/monoids.hpp"
#include "../../value.hpp"
#include "../segments.hpp"
#include "columns.hpp"
#include "faults.hpp"
#include "map_walk.hpp"

/// Ragged groups on a device, by the walk of detail/segments.hpp: S segments of n elements are n + S steps, of which every
/// block takes an equal stretch, whatever the segments. Nothing is read outside of the elements, be the offsets wrong.
namespace zermelo::inline v1::detail {

/// Steps of a tile, which one block takes; they depend on n and S alone.
inline constexpr std::int64_t segment_tile_steps = 4096, segment_tiles_limit = 2048;
ZERMELO_FN constexpr std::int64_t segment_tile_length(std::int64_t steps) {
  const std::int64_t length = (steps + segment_tiles_limit - 1) / segment_tiles_limit;
  return length < segment_tile_steps ? segment_tile_steps : length;
}
/// Segments of a tile from this length on are worked on by the whole block, shorter ones by a warp each.
ZERMELO_FN constexpr std::int64_t long_segment(std::int64_t tile_length) { return tile_length / 8; }
inline constexpr int long_segments_limit = 8;

/// What a tile leaves to be merged with its neighbours.
template <class Totals>
struct device_segment_part {
  segment_tile tile;
  Totals head, tail;  ///< of the segment that began before the tile and ends in it; of the one that goes on behind it
  bool continued;     ///< whether there is such a head
};

/// The reduction of segments in arithmetic of T, results merged in double.
template <class T, class Kernel, class Offsets, class In, class Out>
struct segment_walk;

template <class T, class Kernel, class Offsets, class... In, class... Out>
struct segment_walk<T, Kernel, Offsets, bundle<In...>, bundle<Out...>> {
  using lane_statistics =
      decltype(statistics_of(std::declval<const Kernel&>()((static_cast<void>(sizeof(In)), T())...)));
  using each_statistic = std::make_index_sequence<bundle_size<lane_statistics>::value>;
  using totals = decltype(widened(std::declval<lane_statistics>(), each_statistic{}));
  using part = map_part<totals>;  ///< of a thread: the first fault, and the statistics
  using tile_part = device_segment_part<totals>;
  static_assert(bundle_size<lane_statistics>::value == sizeof...(Out),
                "zermelo: the kernel gives as many monoids as there are outputs");

  Kernel kernel;
  Offsets offsets;
  bundle<In...> in;
  bundle<Out...> out;
  std::int64_t n;

  ZERMELO_FN std::int64_t steps() const { return n + offsets.segments(); }
  ZERMELO_FN std::int64_t tiles() const {
    const std::int64_t length = segment_tile_length(steps());
    return (steps() + length - 1) / length;
  }
  ZERMELO_FN segment_tile tile(std::int64_t t) const {
    const std::int64_t length = segment_tile_length(steps()), end = (t + 1) * length;
    return tile_of_walk(offsets, n, t * length, end < steps() ? end : steps());
  }

  /// The elements of segment s that lie in the tile.
  ZERMELO_FN std::int64_t begin_of(const segment_tile& tile, std::int64_t s) const {
    return clamped(tile.begin, offsets(s), tile.end);
  }
  ZERMELO_FN std::int64_t end_of(const segment_tile& tile, std::int64_t s) const {
    return clamped(tile.begin, offsets(s + 1), tile.end);
  }
  /// Segments of a tile whose elements it holds: from tile.first until this one.
  ZERMELO_FN std::int64_t behind_last(const segment_tile& tile) const {
    return tile.last < offsets.segments() ? tile.last + 1 : tile.last;
  }
  ZERMELO_FN bool is_long(const segment_tile& tile, std::int64_t s) const {
    return end_of(tile, s) - begin_of(tile, s) >= long_segment(segment_tile_length(steps()));
  }

  /// What one of `lanes` threads that share elements [begin, end) merges: every `lanes`-th.
  ZERMELO_FN part of_lane(std::int64_t begin, std::int64_t end, int lane, int lanes) const {
    return of_lane(begin, end, lane, lanes, std::make_index_sequence<sizeof...(In)>{});
  }

  /// What becomes of segment s of a tile when its threads are merged: an output, or a part of the tile. Faults of outputs
  /// are merged into `first`.
  ZERMELO_FN void finish(const segment_tile& tile, std::int64_t s, const totals& all, tile_part& to,
                         fault_word& first) const {
    if (s == tile.last) {
      to.tail = all;
    } else if (s == tile.first && offsets(s) < tile.begin) {
      to.head = all;
      to.continued = true;
    } else {
      write(s, all, first, each_statistic{});
    }
  }

  /// Tile t ends a segment that began in tiles before it: the merge of what they hold of it, in order.
  ZERMELO_FN void close(const tile_part* parts, std::int64_t t, fault_word& first) const {
    if (t == 0 || !parts[t].continued) return;
    std::int64_t from = t - 1;
    while (from > 0 && parts[from].tile.first == parts[from].tile.last) --from;  // it fills this one
    totals all = parts[from].tail;
    for (std::int64_t p = from + 1; p < t; ++p) merge_into(all, parts[p].tail, each_statistic{});
    merge_into(all, parts[t].head, each_statistic{});
    write(parts[t].tile.first, all, first, each_statistic{});
  }

 private:
  template <std::size_t... R>
  ZERMELO_FN part of_lane(std::int64_t begin, std::int64_t end, int lane, int lanes, std::index_sequence<R...>) const {
    part mine = part::identity();
    std::int64_t k = begin + lane;
    while (k < end) {
      lane_statistics some = bundle_identity<lane_statistics>::make();
      for (std::int64_t run = 0; run < lane_run && k < end; ++run, k += lanes)
        element(k, some, mine.fault, static_cast<T>(get<R>(in).at(k))...);
      merge_into(mine.totals, widened(some, each_statistic{}), each_statistic{});
    }
    return mine;
  }

  template <class... X>
  ZERMELO_FN void element(std::int64_t k, lane_statistics& some, fault_word& first, X... x) const {
    if ((is_nan(x) || ...)) {
      int argument = 0, nan_at = -1;
      ((nan_at = nan_at < 0 && is_nan(x) ? argument : nan_at, ++argument), ...);
      const fault_word w = word_of(fault_code::not_a_number, nan_at, k);
      first = w < first ? w : first;
    }
    merge_into(some, statistics_of(kernel(x...)), each_statistic{});
  }

  template <std::size_t... W>
  ZERMELO_FN void write(std::int64_t s, const totals& all, fault_word& first, std::index_sequence<W...>) const {
    (write_answer_of(get<W>(out), s, static_cast<int>(W), static_cast<double>(answer_of(get<W>(all))), first), ...);
  }
  template <class C>
  ZERMELO_FN void write_answer_of(const C& c, std::int64_t s, int argument, double x, fault_word& first) const {
    write_one(c, s, x);
    if (is_nan(x)) {
      const fault_word w = word_of(fault_code::undefined, argument, s);
      first = w < first ? w : first;
    }
  }
};

/// What is wrong with offset s of offsets that shall ascend from 0 to n.
template <class Offsets>
ZERMELO_FN fault_word fault_of_offset(const Offsets& offsets, std::int64_t n, std::int64_t s) {
  const std::int64_t here = offsets(s);
  const bool bad = s == 0 ? here != 0 : here < offsets(s - 1);
  return bad || (s == offsets.segments() && here != n) ? word_of(fault_code::not_ascending, 0, s) : no_fault;
}

}  // namespace zermelo::inline v1::detail
