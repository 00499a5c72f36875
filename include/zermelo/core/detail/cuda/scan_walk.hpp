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
#include "columns.hpp"
#include "faults.hpp"
#include "segment_walk.hpp"

/// Scans on a device in three steps: every block merges its tile, one block scans what the tiles hold, every block scans
/// its tile behind what came before it. All merges are in a fixed order, and in double.
namespace zermelo::inline v1::detail {

/// Elements that a thread visits one after another, and those of a tile.
inline constexpr int scan_run = 8;
inline constexpr std::int64_t device_scan_tile = std::int64_t{scan_run} * block_threads;

/// A stretch of visits: the merge of what comes behind the last beginning of a segment in it, and whether there is one.
template <class Carry>
struct scan_stretch {
  fault_word fault;
  Carry carry;
  bool begins;
  ZERMELO_FN static scan_stretch identity() { return {no_fault, Carry::identity(), false}; }
};

/// First `to`, then `from`; not commutative.
template <class Carry>
ZERMELO_FN void merge_parts(scan_stretch<Carry>& to, const scan_stretch<Carry>& from) {
  to.fault = from.fault < to.fault ? from.fault : to.fault;
  to.carry = from.begins ? from.carry : merge(to.carry, from.carry);
  to.begins = to.begins || from.begins;
}

/// One round of a scan over the parts of a block, from one half of a double buffer into the other.
template <class Part>
ZERMELO_FN void scan_round(int thread, int distance, const Part* from, Part* to) {
  if (thread < distance) {
    to[thread] = from[thread];
  } else {
    Part both = from[thread - distance];
    merge_parts(both, from[thread]);
    to[thread] = both;
  }
}

/// No segments but one.
struct device_whole {
  ZERMELO_FN std::int64_t segments() const { return 0; }
};

template <class T, bool Reverse, class Kernel, class Offsets, class In, class Out>
struct scan_walk;

template <class T, bool Reverse, class Kernel, class Offsets, class... In, class... Out>
struct scan_walk<T, Reverse, Kernel, Offsets, bundle<In...>, bundle<Out...>> {
  static constexpr bool segmented = !std::is_same_v<Offsets, device_whole>;
  using monoid = decltype(std::declval<const Kernel&>()((static_cast<void>(sizeof(In)), T())...));
  using carry = decltype(zip_monoids(std::declval<monoid>(), std::declval<monoid>(), in_double_parts{}));
  using part = scan_stretch<carry>;
  static_assert(bundle_size<decltype(parts_of(std::declval<carry>()))>::value == sizeof...(Out),
                "zermelo: a scan has as many outputs as the kernel's monoid has parts");

  Kernel kernel;
  Offsets offsets;
  bundle<In...> in;
  bundle<Out...> out;
  std::int64_t n;
  bool exclusive;

  ZERMELO_FN std::int64_t tiles() const { return (n + device_scan_tile - 1) / device_scan_tile; }

  /// The element of a visit.
  ZERMELO_FN std::int64_t element_of(std::int64_t visit) const { return Reverse ? n - 1 - visit : visit; }

  /// The merge of a thread's stretch of a tile.
  ZERMELO_FN part of_thread(std::int64_t tile, int thread) const {
    part mine = part::identity();
    visit(tile, thread, [&](std::int64_t, std::int64_t, bool begins, const part& one) {
      merge_parts(mine, one);
      mine.begins = mine.begins || begins;
    });
    return mine;
  }

  /// Writes the outputs of a thread's stretch, of which `before` is what was merged before it. The first fault is returned:
  /// indices are those of visits.
  ZERMELO_FN fault_word write_thread(std::int64_t tile, int thread, part before) const {
    fault_word first = no_fault;
    visit(tile, thread, [&](std::int64_t v, std::int64_t k, bool begins, const part& one) {
      part after = before;
      merge_parts(after, one);
      const carry told = !exclusive ? after.carry : begins ? carry::identity() : before.carry;
      write(v, k, told, first, std::make_index_sequence<sizeof...(Out)>{});
      before = after;
    });
    return before.fault < first ? before.fault : first;
  }

 private:
  /// Calls f(visit, element, whether a segment begins there, its part) for a thread's visits.
  template <class F>
  ZERMELO_FN void visit(std::int64_t tile, int thread, const F& f) const {
    const std::int64_t first = tile * device_scan_tile + std::int64_t{thread} * scan_run;
    const std::int64_t end = first + scan_run < n ? first + scan_run : n;
    if (first >= end) return;
    std::int64_t s = segmented ? segment_at(element_of(first)) : 0;
    for (std::int64_t v = first; v < end; ++v) {
      const std::int64_t k = element_of(v);
      const bool begins = begins_at(k, s);
      f(v, k, begins, element(v, k, begins, std::make_index_sequence<sizeof...(In)>{}));
    }
  }

  /// The last segment that begins at element k or before it.
  ZERMELO_FN std::int64_t segment_at(std::int64_t k) const {
    if constexpr (segmented) {
      std::int64_t low = 0, high = offsets.segments();  // offsets(low) ≤ k < offsets(high), if they ascend
      while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        if (offsets(middle) <= k)
          low = middle;
        else
          high = middle;
      }
      return low;
    } else {
      return 0;
    }
  }

  /// Whether the visit of element k is the first of its segment; s follows the visits. Whatever the offsets, s stays among
  /// the segments.
  ZERMELO_FN bool begins_at(std::int64_t k, std::int64_t& s) const {
    if constexpr (segmented) {
      if constexpr (Reverse) {
        while (s > 0 && offsets(s) > k) --s;
        return s + 1 <= offsets.segments() && offsets(s + 1) == k + 1;
      } else {
        while (s + 1 < offsets.segments() && offsets(s + 1) <= k) ++s;
        return offsets(s) == k;
      }
    } else {
      return false;
    }
  }

  template <std::size_t... R>
  ZERMELO_FN part element(std::int64_t v, std::int64_t k, bool begins, std::index_sequence<R...>) const {
    return part_of(v, begins, static_cast<T>(get<R>(in).at(k))...);
  }
  template <class... X>
  ZERMELO_FN part part_of(std::int64_t v, bool begins, X... x) const {
    part one{no_fault, carry::identity(), begins};
    if ((is_nan(x) || ...)) {
      int argument = 0, nan_at = -1;
      ((nan_at = nan_at < 0 && is_nan(x) ? argument : nan_at, ++argument), ...);
      one.fault = word_of(fault_code::not_a_number, nan_at, v);
    }
    const monoid m = kernel(x...);
    one.carry = zip_monoids(m, m, in_double_parts{});
    return one;
  }

  template <std::size_t... W>
  ZERMELO_FN void write(std::int64_t v, std::int64_t k, const carry& told, fault_word& first,
                        std::index_sequence<W...>) const {
    const auto parts = parts_of(told);
    (write_part(get<W>(out), v, k, static_cast<int>(W), get<W>(parts), first), ...);
  }
  template <class C>
  ZERMELO_FN void write_part(const C& c, std::int64_t v, std::int64_t k, int argument, double x,
                             fault_word& first) const {
    if constexpr (!std::is_same_v<C, no_column>) {
      write_one(c, k, x);
      if (is_nan(x)) {
        const fault_word w = word_of(fault_code::undefined, argument, v);
        first = w < first ? w : first;
      }
    }
  }
};

}  // namespace zermelo::inline v1::detail
