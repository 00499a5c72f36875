// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <type_traits>

#include "../../config.hpp"
#include "../../primitives/arguments.hpp"
#include "columns.hpp"

namespace zermelo::inline v1::detail {

template <class Index>
ZERMELO_FN bool is_index(Index i, std::int64_t n) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(i)) < static_cast<std::uint64_t>(n);
}

/// How many bits the numbers below n have.
constexpr int bits_below(std::int64_t n) {
  int bits = 1;
  while (bits < 63 && (std::int64_t{1} << bits) < n) ++bits;
  return bits;
}

/// The first position whose key is at least `key`, of m sorted ones.
template <class Key>
ZERMELO_FN std::int64_t first_at_least(const Key* keys, std::int64_t m, std::int64_t key) {
  std::int64_t low = 0, high = m;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (static_cast<std::int64_t>(keys[middle]) < key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

struct run_sum {
  std::int64_t value;
};
ZERMELO_FN void merge_parts(run_sum& to, const run_sum& from) { to.value += from.value; }

/// The elements of a source in the order of sorted indices, as a column that is read.
template <class Source, class Position>
struct sorted_column {
  Source source;
  const Position* positions;
  ZERMELO_FN auto at(std::int64_t k) const { return source.at(static_cast<std::int64_t>(positions[k])); }
};

/// A column that sums are added to.
template <class Out>
struct adding_column {
  Out out;
};
template <class Out>
ZERMELO_FN void write_one(const adding_column<Out>& c, std::int64_t k, double x) {
  using element = typename decltype(Out::view)::value_type;
  if (x == 0) return;
  auto& to = c.out.at(k);
  to = static_cast<element>(static_cast<double>(to) + x);
}

struct sum_of_elements {
  template <class V>
  ZERMELO_FN total<V> operator()(V x) const {
    return total<V>(x);
  }
};

/// For integers. Adds to every output the elements of the source whose sorted indices are a run of its own.
template <class Source, class Out, class Position>
struct scatter_walk {
  using part = run_sum;

  Source source;
  Out out;
  const std::int64_t* begins;  ///< of runs, for every output, and the end of the last
  const Position* positions;   ///< in the source, sorted by output

  ZERMELO_FN std::int64_t outputs() const { return out.view.size(); }

  ZERMELO_FN part of_lane(std::int64_t output, int lane, int lanes) const {
    part sum{0};
    for (std::int64_t p = begins[output] + lane; p < begins[output + 1]; p += lanes)
      sum.value += static_cast<std::int64_t>(source.at(static_cast<std::int64_t>(positions[p])));
    return sum;
  }

  ZERMELO_FN void finish(std::int64_t output, const part& sum) const {
    using element = typename decltype(Out::view)::value_type;
    if (begins[output] == begins[output + 1]) return;
    auto& to = out.at(output);
    to = static_cast<element>(static_cast<std::int64_t>(to) + sum.value);
  }
};

}  // namespace zermelo::inline v1::detail
