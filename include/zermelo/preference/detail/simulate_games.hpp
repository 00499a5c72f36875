// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../../core/config.hpp"
#include "../../core/random.hpp"
#include "../../core/tensor.hpp"
#include "../comparison_graph.hpp"
#include "../outcome.hpp"

namespace zermelo::inline v1::preference::detail {

/// Plays game k between first[k] and second[k], without ties, by the probabilities of a fit: what its `simulate` does.
template <class Fit, tensor F, tensor S, tensor O>
ZERMELO_INLINE void simulate_games(const Fit& fitted, std::int64_t items, const F& first, const S& second, O&& outcomes,
                                   std::uint64_t seed) {
  const auto f = view(first);
  const auto s = view(second);
  const auto o = view(outcomes);
  require_length("second", s.size(), f.size());
  require_length("outcomes", o.size(), f.size());
  for (std::int64_t k = 0; k < f.size(); ++k) {
    require_id("first", k, f.element(k), items);
    require_id("second", k, s.element(k), items);
    const double p =
        fitted.win_probability(static_cast<std::int64_t>(f.element(k)), static_cast<std::int64_t>(s.element(k)));
    o.element(k) = uniform(seed, 0, static_cast<std::uint64_t>(k)) < p ? outcome::first : outcome::second;
  }
}

}  // namespace zermelo::inline v1::preference::detail
