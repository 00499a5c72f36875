// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../core/config.hpp"
#include "../core/error.hpp"
#include "../core/graph.hpp"
#include "comparison_graph.hpp"
#include "detail/comparison_rows.hpp"

/// Which differences of strength comparisons determine, asked before any model is fitted.
namespace zermelo::inline v1::preference {

/// The parts that a comparison graph falls into.
struct connectivity {
  /// Inside one of them every item beat, or tied with, every other by way of some chain. Winners first: a part comes
  /// before those that it never lost to.
  item_sets strong_components = {};
  item_sets islands = {};  ///< parts that never met, ascending by smallest item

  /// Whether differences of strengths are determined, be it as infinite: there is one island.
  ZERMELO_INLINE bool identifiable() const { return islands.size() <= 1; }
  /// Whether Bradley–Terry and its like have a finite maximum-likelihood estimate (Ford 1957).
  ZERMELO_INLINE bool has_maximum() const { return strong_components.size() <= 1; }
};

inline namespace ZERMELO_ISA {

/// The components of the digraph "i beat j", in which a tie, half a win of each, leads both ways.
/// Cost: one copy of the counts, and O(items + entries).
inline connectivity connectivity_of(const comparison_graph& graph) {
  const detail::comparison_rows rows = detail::rows_of(graph);
  const detail::win_graph beat{&rows};
  return {.strong_components = strong_components(beat), .islands = connected_components(beat)};
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::preference
