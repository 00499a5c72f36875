// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>

#include "../config.hpp"
#include "../error.hpp"
#include "../tensor.hpp"

/// Ragged groups of elements, cut into tiles of equal work.
///
/// S segments of n elements are a walk of n + S steps: a step takes an element, or ends a segment. Tiles are equal
/// stretches of this walk, so that neither a huge segment nor a million empty ones unbalance them. On a device a tile is a block's.
/// Source: the merge path of Merrill and Garland 2016, "Merge-based parallel sparse matrix-vector multiplication".
namespace zermelo::inline v1::detail::inline ZERMELO_ISA {

/// Where segments begin, as a tensor says.
template <class View>
struct given_offsets {
  View view;
  ZERMELO_FN std::int64_t segments() const { return view.shape[0] - 1; }
  ZERMELO_FN std::int64_t operator()(std::int64_t s) const {
    return static_cast<std::int64_t>(view.data[s * view.strides[0]]);
  }
};

/// Segments of one length: the rows of a matrix, or everything as one segment.
struct equal_offsets {
  std::int64_t count, length;
  ZERMELO_FN std::int64_t segments() const { return count; }
  ZERMELO_FN std::int64_t operator()(std::int64_t s) const { return s * length; }
};

/// Elements [begin, end) and the segments that end among them, [first, last); segment `last` goes on behind the tile.
struct segment_tile {
  std::int64_t first, last, begin, end;
};

/// How many segments ended before step d of the walk: the largest s with offsets(s) + s ≤ d.
template <class Offsets>
ZERMELO_FN std::int64_t segments_before(const Offsets& offsets, std::int64_t d) {
  std::int64_t low = 0, high = offsets.segments();
  while (low < high) {
    const std::int64_t middle = high - (high - low) / 2;
    if (offsets(middle) + middle <= d)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}
ZERMELO_FN std::int64_t segments_before(const equal_offsets& offsets, std::int64_t d) {
  const std::int64_t ended = d / (offsets.length + 1);
  return ended < offsets.count ? ended : offsets.count;
}

ZERMELO_FN std::int64_t clamped(std::int64_t low, std::int64_t x, std::int64_t high) {
  return x < low ? low : x > high ? high : x;
}

/// Steps [from, to) of the walk over n elements. Whatever the offsets, the elements lie in [0, n].
template <class Offsets>
ZERMELO_FN segment_tile tile_of_walk(const Offsets& offsets, std::int64_t n, std::int64_t from, std::int64_t to) {
  const std::int64_t first = segments_before(offsets, from), last = segments_before(offsets, to);
  const std::int64_t begin = clamped(0, from - first, n);
  return {first, last, begin, clamped(begin, to - last, n)};
}

/// Throws what is wrong with offsets that shall ascend from 0 to n.
template <class Offsets>
void check_offsets(const Offsets& offsets, std::int64_t n) {
  const std::int64_t segments = offsets.segments();
  if (offsets(0) != 0)
    throw domain_error("offsets", 0, std::to_string(offsets(0)) + ", expected 0, where the first segment begins");
  for (std::int64_t s = 0; s < segments; ++s)
    if (offsets(s + 1) < offsets(s))
      throw domain_error(
          "offsets", s + 1,
          std::to_string(offsets(s + 1)) + " follows " + std::to_string(offsets(s)) + ", expected ascending offsets");
  if (offsets(segments) != n)
    throw domain_error("offsets", segments,
                       std::to_string(offsets(segments)) + ", expected the number of elements, " + std::to_string(n));
}

/// The offsets that a tensor of S + 1 integers gives, its ends checked; that they ascend is checked where they are read.
template <class X>
auto offsets_of(const X& x, std::int64_t n) {
  const auto v = zermelo::view(x);
  using view_type = std::remove_const_t<decltype(v)>;
  static_assert(view_type::rank == 1 && std::is_integral_v<typename view_type::value_type>,
                "zermelo: offsets are a tensor of rank 1 of integers");
  static_assert(view_type::where == memory::host, "zermelo: a host policy needs tensors in host memory");
  if (v.size() == 0) throw shape_error("offsets", "is empty, expected one more offset than there are segments");
  const given_offsets<view_type> offsets{v};
  if (offsets(0) != 0 || offsets(offsets.segments()) != n) check_offsets(offsets, n);
  return offsets;
}

}  // namespace zermelo::inline v1::detail::inline ZERMELO_ISA
