// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/execution/policy.hpp"
#include "../core/tensor.hpp"
#include "../preference/comparison_graph.hpp"
#include "battle_table.hpp"

/// From battles that were read to the graph that models are fitted to.
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

}  // namespace zermelo::inline v1::io::inline ZERMELO_ISA
