// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../../config.hpp"
#include "../../primitives/arguments.hpp"
#include "../../value.hpp"
#include "columns.hpp"
#include "faults.hpp"

namespace zermelo::inline v1::detail {

/// What a thread, a block or the whole of a map leaves: the first fault, and the statistics.
template <class Totals>
struct map_part {
  fault_word fault;
  Totals totals;
  ZERMELO_FN static map_part identity() { return {no_fault, bundle_identity<Totals>::make()}; }
};

template <class Totals>
ZERMELO_FN void merge_parts(map_part<Totals>& to, const map_part<Totals>& from) {
  to.fault = from.fault < to.fault ? from.fault : to.fault;
  merge_into(to.totals, from.totals, std::make_index_sequence<bundle_size<Totals>::value>{});
}

/// Blocks of a map over n elements: one for each 4 chunks of a thread, up to a limit. They depend on n alone.
inline constexpr std::int64_t map_blocks_limit = 2048;
template <class T>
constexpr std::int64_t map_blocks(std::int64_t n) {
  const std::int64_t per_block = std::int64_t{4} * chunk<T>::width * block_threads;
  const std::int64_t blocks = (n + per_block - 1) / per_block;
  return blocks < 1 ? 1 : blocks > map_blocks_limit ? map_blocks_limit : blocks;
}

/// A map over n elements in arithmetic of T, of which every thread takes every `threads`-th chunk.
template <class T, class Kernel, class Mask, class In, class Out>
struct map_walk;

template <class T, class Kernel, class Mask, class... In, class... Out>
struct map_walk<T, Kernel, Mask, bundle<In...>, bundle<Out...>> {
  static constexpr bool masked = !std::is_same_v<Mask, no_column>;
  static constexpr int width = chunk<T>::width;
  using result = decltype(as_mapped(std::declval<const Kernel&>()((static_cast<void>(sizeof(In)), T())...)));
  using lane_statistics = decltype(result::statistics);
  using each_statistic = std::make_index_sequence<bundle_size<lane_statistics>::value>;
  using totals = decltype(widened(std::declval<lane_statistics>(), each_statistic{}));
  using part = map_part<totals>;
  static_assert(bundle_size<decltype(result::elements)>::value == sizeof...(Out),
                "zermelo: the kernel returns as many elements as there are outputs");

  Kernel kernel;
  Mask mask;
  bundle<In...> in;
  bundle<Out...> out;
  std::int64_t n;

  ZERMELO_FN bool counts(std::int64_t k) const {
    if constexpr (masked)
      return mask.at(k) ? true : false;
    else
      return true;
  }

  /// One element: what the kernel makes of it, merged into `some`; its fault, if it has one.
  template <class... X>
  ZERMELO_FN auto element(std::int64_t k, lane_statistics& some, fault_word& first, X... x) const {
    const bool keep = counts(k);
    return looked_at(k, keep, some, first, (masked ? select(keep, x, T(0)) : x)...);
  }

  /// The part of one thread.
  ZERMELO_FN part of_thread(std::int64_t thread, std::int64_t threads) const {
    return of_thread(thread, threads, std::make_index_sequence<sizeof...(In)>{},
                     std::make_index_sequence<sizeof...(Out)>{});
  }

 private:
  template <class... X>
  ZERMELO_FN auto looked_at(std::int64_t k, bool keep, lane_statistics& some, fault_word& first, X... x) const {
    auto r = as_mapped(kernel(x...));
    bool bad = (is_nan(x) || ...);
    if constexpr (requires { r.fault; }) bad = bad || (keep && r.fault);
    if (bad) {
      int argument = 0, nan_at = -1;
      ((nan_at = nan_at < 0 && is_nan(x) ? argument : nan_at, ++argument), ...);
      const fault_word w =
          nan_at < 0 ? word_of(fault_code::refused, 0, k) : word_of(fault_code::not_a_number, nan_at, k);
      first = w < first ? w : first;
    }
    if constexpr (masked)
      merge_where(some, keep, r.statistics, each_statistic{});
    else
      merge_into(some, r.statistics, each_statistic{});
    return r.elements;
  }

  template <std::size_t... R, std::size_t... W>
  ZERMELO_FN part of_thread(std::int64_t thread, std::int64_t threads, std::index_sequence<R...>,
                            std::index_sequence<W...>) const {
    part mine = part::identity();
    const std::int64_t chunks = n / width;
    std::int64_t c = thread;
    while (c < chunks) {
      lane_statistics some = bundle_identity<lane_statistics>::make();
      for (std::int64_t run = 0; run < lane_run && c < chunks; run += width, c += threads) {
        const std::int64_t at = c * width;
        one_chunk(at, some, mine.fault, std::index_sequence<W...>{}, read_chunk<T>(get<R>(in), at)...);
      }
      merge_into(mine.totals, widened(some, each_statistic{}), each_statistic{});
    }
    if (const std::int64_t k = chunks * width + thread; k < n) {  // fewer elements than a chunk are left
      lane_statistics some = bundle_identity<lane_statistics>::make();
      const auto made = element(k, some, mine.fault, static_cast<T>(get<R>(in).at(k))...);
      (write_one(get<W>(out), k, masked && !counts(k) ? T(0) : get<W>(made)), ...);
      merge_into(mine.totals, widened(some, each_statistic{}), each_statistic{});
    }
    return mine;
  }

  template <std::size_t... W, class... Chunk>
  ZERMELO_FN void one_chunk(std::int64_t at, lane_statistics& some, fault_word& first, std::index_sequence<W...> write,
                            const Chunk&... x) const {
    bundle<std::conditional_t<true, chunk<T>, Out>...> y;
    for (int j = 0; j < width; ++j) {
      const auto made = element(at + j, some, first, x.lane[j]...);
      const bool keep = counts(at + j);
      static_cast<void>(made), static_cast<void>(keep);
      ((get<W>(y).lane[j] = masked && !keep ? T(0) : get<W>(made)), ...);
    }
    write_chunks(at, y, write);
  }

  template <class Chunks, std::size_t... W>
  ZERMELO_FN void write_chunks(std::int64_t at, const Chunks& y, std::index_sequence<W...>) const {
    (write_chunk<T>(get<W>(out), at, get<W>(y)), ...);
  }
};

}  // namespace zermelo::inline v1::detail
