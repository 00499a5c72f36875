// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/execution/policy.hpp"
#include "../core/tensor.hpp"
#include "../preference/comparison_graph.hpp"
#include "battles.hpp"

/// From battles that were read to the graph that models are fitted to.
namespace zermelo::inline v1::io {

/// A sink of stream_battles that counts as battles arrive. Battles of weight one among the first items go into a table
/// that grows with the items; the others are kept and counted at the end.
class battle_counter {
 public:
  ZERMELO_INLINE void operator()(std::int32_t first, std::int32_t second, io::outcome o, double weight) {
    const std::int32_t largest = (std::max)(first, second);
    if (weight == 1 && (largest < items_ || grow(largest))) [[likely]] {
      ++counts_[static_cast<std::size_t>((first * items_ + second) * 4 + static_cast<std::int64_t>(o))];
      return;
    }
    rest_.first.push_back(first);
    rest_.second.push_back(second);
    rest_.outcome.push_back(o);
    rest_.weight.push_back(weight);
  }

  /// The graph of what was counted between `summary.items` items.
  template <host_policy P>
  ZERMELO_INLINE preference::comparison_graph graph(P&& policy, const battle_summary& summary,
                                                    preference::counting_parameters parameters = {}) const;

 private:
  static constexpr std::int64_t most_items = 1024;  // 32 MB of counts

  /// Makes room for an item; false beyond what a table is good for.
  ZERMELO_INLINE bool grow(std::int64_t item) {
    if (item >= most_items) return false;
    std::int64_t wider = (std::max)(items_, std::int64_t{64});
    while (wider <= item) wider *= 2;
    std::vector<std::int64_t> counts(static_cast<std::size_t>(wider * wider * 4), 0);
    for (std::int64_t i = 0; i < items_; ++i)
      std::copy_n(counts_.begin() + i * items_ * 4, items_ * 4, counts.begin() + i * wider * 4);
    counts_ = std::move(counts);
    items_ = wider;
    return true;
  }

  std::int64_t items_ = 0;            // that the table has room for
  std::vector<std::int64_t> counts_;  // [(i·items_ + j)·4 + outcome]
  battle_table rest_;
};

/// What was read, and its graph: item k of the graph is items[k].
struct counted_battles : battle_summary {
  preference::comparison_graph graph = {};
};

}  // namespace zermelo::inline v1::io
namespace zermelo::inline v1::io::inline ZERMELO_ISA {

/// The comparison graph of a table: item k of the graph is table.items[k].
///
/// Weights multiply battles, unless the text told how often each item won: then they are numbers of battles of weight
/// one, which a bootstrap can draw again.
/// Errors: domain_error if the table has no items.   Cost: as preference::count_battles.
template <host_policy P>
preference::comparison_graph count_battles(P&& policy, const battle_table& table,
                                           preference::counting_parameters parameters = {}) {
  const auto items = static_cast<std::int64_t>(table.items.size());
  if (table.weight.empty())
    return preference::count_battles(policy, table.first, table.second, table.outcome, items, parameters);
  if (!table.counted)
    return preference::count_battles(policy, table.first, table.second, table.outcome, table.weight, items, parameters);
  const double one = 1;
  const tensor_view<const double, 1> weights{
      .data = &one, .shape = {static_cast<std::int64_t>(table.first.size())}, .strides = {0}};
  return preference::count_battles(policy, table.first, table.second, table.outcome, weights, /*counts*/ table.weight,
                                   items, parameters);
}

inline preference::comparison_graph count_battles(const battle_table& table,
                                                  preference::counting_parameters parameters = {}) {
  return count_battles(simd{}, table, parameters);
}

/// Reads a text, or a file, and counts its battles on the way: no table of them is kept.
///
/// Errors: as stream_battles.   Cost: as stream_battles; memory 32·items² bytes up to 1024 items, 17 bytes a battle that
/// carries a weight or is between later items.
template <host_policy P>
counted_battles read_graph(P&& policy, std::string_view text, const battle_options& options = {}) {
  battle_counter counter;
  counted_battles result{stream_battles(policy, text, counter, options)};
  if (!result.items.empty()) result.graph = counter.graph(policy, result);
  return result;
}

inline counted_battles read_graph(std::string_view text, const battle_options& options = {}) {
  return read_graph(simd{}, text, options);
}

template <host_policy P>
counted_battles read_graph_file(P&& policy, const std::string& path, const battle_options& options = {}) {
  battle_counter counter;
  counted_battles result{stream_battles_file(policy, path, counter, options)};
  if (!result.items.empty()) result.graph = counter.graph(policy, result);
  return result;
}

inline counted_battles read_graph_file(const std::string& path, const battle_options& options = {}) {
  return read_graph_file(simd{}, path, options);
}

}  // namespace zermelo::inline v1::io::inline ZERMELO_ISA

namespace zermelo::inline v1::io {

template <host_policy P>
ZERMELO_INLINE preference::comparison_graph battle_counter::graph(P&& policy, const battle_summary& summary,
                                                                  preference::counting_parameters parameters) const {
  battle_table rest = rest_;
  rest.items = summary.items;
  rest.counted = summary.counted;
  const auto others = count_battles(policy, rest, parameters);
  const auto n = (std::min)(static_cast<std::int64_t>(summary.items.size()), items_);
  if (n == 0) return others;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(n * n * 4));
  for (std::int64_t i = 0; i < n; ++i) std::copy_n(counts_.begin() + i * items_ * 4, n * 4, counts.begin() + i * n * 4);
  const auto table = preference::detail::dense_graph(n, counts);
  if (rest.first.empty() && n == others.items && n <= parameters.dense_limit) return table;
  return preference::merge(table, others, parameters);
}

}  // namespace zermelo::inline v1::io
