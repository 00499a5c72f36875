// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "config.hpp"
#include "error.hpp"
#include "execution/policy.hpp"

/// Components and connectedness of directed graphs, in time O(vertices + entries) and without recursion.
namespace zermelo::inline v1 {

/// A directed graph stored by rows. Row i holds the entries at positions begin(i) ≤ e < end(i); an entry leads to
/// target(i, e), and the edge i → target(i, e) exists where present(i, e). A comparison graph, for one, stores every
/// pair of items in both rows and has the edge i → j where i beat j.
template <class G>
concept digraph = requires(const G& g, std::int64_t i, std::int64_t e) {
  { g.size() } -> std::convertible_to<std::int64_t>;
  { g.begin(i) } -> std::convertible_to<std::int64_t>;
  { g.end(i) } -> std::convertible_to<std::int64_t>;
  { g.target(i, e) } -> std::convertible_to<std::int64_t>;
  { g.present(i, e) } -> std::convertible_to<bool>;
};

/// The digraph whose row i has edges to columns[offsets[i]], …, columns[offsets[i+1] − 1].
struct compressed_digraph {
  std::span<const std::int64_t> offsets;  ///< [n+1], ascending from 0
  std::span<const std::int32_t> columns;  ///< [offsets[n]], each in [0, n)

  ZERMELO_INLINE std::int64_t size() const {
    return offsets.empty() ? 0 : static_cast<std::int64_t>(offsets.size()) - 1;
  }
  ZERMELO_INLINE std::int64_t begin(std::int64_t i) const { return offsets[static_cast<std::size_t>(i)]; }
  ZERMELO_INLINE std::int64_t end(std::int64_t i) const { return offsets[static_cast<std::size_t>(i) + 1]; }
  ZERMELO_INLINE std::int64_t target(std::int64_t, std::int64_t e) const {
    return columns[static_cast<std::size_t>(e)];
  }
  ZERMELO_INLINE bool present(std::int64_t, std::int64_t) const { return true; }
};

namespace detail::inline ZERMELO_ISA {

/// Groups items by label; labels are dense in [0, sets), and items ascend inside each set.
inline item_sets group_by_label(const std::vector<std::int64_t>& label, std::int64_t sets) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(sets), 0);
  for (const auto s : label) ++sizes[static_cast<std::size_t>(s)];
  item_sets result(static_cast<std::size_t>(sets));
  for (std::size_t s = 0; s < result.size(); ++s) result[s].reserve(static_cast<std::size_t>(sizes[s]));
  for (std::size_t i = 0; i < label.size(); ++i)
    result[static_cast<std::size_t>(label[i])].push_back(static_cast<std::int64_t>(i));
  return result;
}

struct component_labels {
  std::vector<std::int64_t> of;  ///< per vertex
  std::int64_t count = 0;
};

/// Tarjan's algorithm with its call stack in the heap. A component is numbered after all that it reaches.
template <digraph G>
component_labels tarjan(const G& g) {
  const std::int64_t n = g.size();
  const auto at = [](auto& v, std::int64_t i) -> auto& { return v[static_cast<std::size_t>(i)]; };
  constexpr std::int64_t unseen = -1;
  component_labels result;
  std::vector<std::int64_t>& component = result.of;
  component.assign(static_cast<std::size_t>(n), unseen);
  std::vector<std::int64_t> low(static_cast<std::size_t>(n), unseen);  // smallest entry time known to be reachable
  std::vector<std::int64_t> open;                                      // visited, not yet in a component
  struct frame {
    std::int64_t vertex, entry, time;
  };
  std::vector<frame> calls;
  std::int64_t clock = 0;
  for (std::int64_t root = 0; root < n; ++root) {
    if (at(low, root) != unseen) continue;
    const auto enter = [&](std::int64_t v) {
      at(low, v) = clock;
      calls.push_back({v, g.begin(v), clock++});
      open.push_back(v);
    };
    enter(root);
    while (!calls.empty()) {
      frame& top = calls.back();
      const std::int64_t v = top.vertex, end = g.end(v);
      std::int64_t low_v = at(low, v), e = top.entry, child = unseen;
      for (; e < end; ++e) {
        if (!g.present(v, e)) continue;
        const std::int64_t w = g.target(v, e);
        if (at(low, w) == unseen) {
          child = w;
          break;
        }
        if (at(component, w) == unseen) low_v = (std::min)(low_v, at(low, w));
      }
      at(low, v) = low_v;
      top.entry = e;
      if (child != unseen) {  // the entry is read again on return, when the child's `low` is known
        enter(child);
        continue;
      }
      if (low_v == top.time) {
        std::int64_t w;
        do {
          w = open.back();
          open.pop_back();
          at(component, w) = result.count;
        } while (w != v);
        ++result.count;
      }
      calls.pop_back();
    }
  }
  return result;
}

/// Whether every vertex can be reached from vertex 0 of `forward`; `backward` is the same graph with edges reversed.
/// Starts top-down; once a good part is reached, sweeps over what is not, asking each vertex for one reached
/// predecessor, which reads few entries of a well-connected graph and gives up at the first vertex without any.
template <digraph F, digraph B>
bool reaches_all(const F& forward, const B& backward) {
  const std::int64_t n = forward.size();
  std::vector<std::uint64_t> reached(static_cast<std::size_t>((n + 63) / 64), 0);
  const auto test = [&](std::int64_t i) { return (reached[static_cast<std::size_t>(i >> 6)] >> (i & 63) & 1) != 0; };
  const auto mark = [&](std::int64_t i) { reached[static_cast<std::size_t>(i >> 6)] |= std::uint64_t{1} << (i & 63); };
  std::vector<std::int64_t> queue{0};  // reached; their edges have not been followed yet
  mark(0);
  std::int64_t count = 1;
  const auto follow = [&](std::int64_t until) {
    while (!queue.empty() && count < until) {
      const std::int64_t v = queue.back();
      queue.pop_back();
      const std::int64_t end = forward.end(v);
      for (std::int64_t e = forward.begin(v); e < end; ++e) {
        if (!forward.present(v, e)) continue;
        const std::int64_t w = forward.target(v, e);
        if (test(w)) continue;
        mark(w);
        queue.push_back(w);
        ++count;
      }
    }
  };
  follow(n / 64 + 1);
  while (count < n && !queue.empty()) {
    queue.clear();  // a sweep finds every successor of what was reached before it; only what it adds stays open
    const std::int64_t before = count;
    for (std::int64_t v = 0; v < n; ++v) {
      if (test(v)) continue;
      const std::int64_t end = backward.end(v);
      bool any = false, found = false;
      for (std::int64_t e = backward.begin(v); e < end && !found; ++e) {
        if (!backward.present(v, e)) continue;
        const std::int64_t w = backward.target(v, e);
        any = any || w != v;
        found = test(w);
      }
      if (!any) return false;
      if (!found) continue;
      mark(v);
      queue.push_back(v);
      ++count;
    }
    if (count - before < n - count) follow(n);  // slow progress: from here on every edge is followed once at most
  }
  return count == n;
}

}  // namespace detail::inline ZERMELO_ISA

inline namespace ZERMELO_ISA {

/// Strongly connected components, winners first: items ascend inside a component, and of the components that no
/// component still to come has an edge into, the one with the smallest item comes next.
/// Cost: O(n + entries), and O(c log c) for the order of c components.
/// Source: Tarjan 1972.
template <digraph G>
item_sets strong_components(const G& g) {
  const detail::component_labels label = detail::tarjan(g);
  item_sets sets = detail::group_by_label(label.of, label.count);
  if (label.count <= 1) return sets;
  const auto at = [](auto& v, std::int64_t i) -> auto& { return v[static_cast<std::size_t>(i)]; };
  const auto each_edge_out = [&](std::int64_t c, auto&& f) {
    for (const std::int64_t v : at(sets, c)) {
      const std::int64_t end = g.end(v);
      for (std::int64_t e = g.begin(v); e < end; ++e) {
        if (!g.present(v, e)) continue;
        if (const std::int64_t d = at(label.of, g.target(v, e)); d != c) f(d);
      }
    }
  };
  std::vector<std::int64_t> edges_in(sets.size(), 0);
  for (std::int64_t c = 0; c < label.count; ++c) each_edge_out(c, [&](std::int64_t d) { ++at(edges_in, d); });

  const auto later = [&](std::int64_t a, std::int64_t b) { return at(sets, a).front() > at(sets, b).front(); };
  std::vector<std::int64_t> ready;
  for (std::int64_t c = 0; c < label.count; ++c)
    if (at(edges_in, c) == 0) ready.push_back(c);
  std::make_heap(ready.begin(), ready.end(), later);
  std::vector<std::int64_t> order;
  order.reserve(sets.size());
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), later);
    const std::int64_t c = ready.back();
    ready.pop_back();
    order.push_back(c);
    each_edge_out(c, [&](std::int64_t d) {
      if (--at(edges_in, d) > 0) return;
      ready.push_back(d);
      std::push_heap(ready.begin(), ready.end(), later);
    });
  }
  item_sets result;
  result.reserve(sets.size());
  for (const std::int64_t c : order) result.push_back(std::move(at(sets, c)));
  return result;
}

/// Connected components when the direction of edges does not matter, ascending by smallest item.
/// Cost: union-find with path halving, in practice O(n + entries); at worst a factor of log n more.
template <digraph G>
item_sets connected_components(const G& g) {
  const std::int64_t n = g.size();
  std::vector<std::int64_t> parent(static_cast<std::size_t>(n));
  std::iota(parent.begin(), parent.end(), std::int64_t{0});
  const auto up = [&](std::int64_t i) -> std::int64_t& { return parent[static_cast<std::size_t>(i)]; };
  const auto root = [&](std::int64_t i) {
    while (up(i) != i) i = up(i) = up(up(i));
    return i;
  };
  for (std::int64_t v = 0; v < n; ++v) {
    std::int64_t r = root(v);
    const std::int64_t end = g.end(v);
    for (std::int64_t e = g.begin(v); e < end; ++e) {
      if (!g.present(v, e)) continue;
      const std::int64_t s = root(g.target(v, e));
      const std::int64_t smallest = (std::min)(r, s);
      up((std::max)(r, s)) = smallest;  // so a root is the smallest item of its set
      r = smallest;
    }
  }
  std::int64_t count = 0;
  for (std::int64_t v = 0; v < n; ++v) up(v) = up(v) == v ? count++ : up(up(v));  // a parent comes before its children
  return detail::group_by_label(parent, count);
}

/// Whether every vertex reaches every other. `backward` is `forward` with its edges reversed; where both directions of
/// a pair are stored, it is the same rows with another `present`. The empty graph and a single vertex are.
/// Errors: shape_error if the two differ in size.   Cost: O(n + entries), two tiles; bitmaps of n bits.
template <host_policy P, digraph F, digraph B>
bool is_strongly_connected(P&& policy, const F& forward, const B& backward) {
  const std::int64_t n = forward.size();
  if (const std::int64_t m = backward.size(); m != n)
    throw shape_error("backward", std::to_string(m) + " vertices, but the forward graph has " + std::to_string(n));
  if (n <= 1) return true;
  std::array<bool, 2> all{};
  const auto search = [&](std::int64_t direction) {
    all[static_cast<std::size_t>(direction)] =
        direction == 0 ? detail::reaches_all(forward, backward) : detail::reaches_all(backward, forward);
  };
  for_each_tile(policy, 2, search);
  return all[0] && all[1];
}

template <digraph F, digraph B>
bool is_strongly_connected(const F& forward, const B& backward) {
  return is_strongly_connected(simd{}, forward, backward);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1
