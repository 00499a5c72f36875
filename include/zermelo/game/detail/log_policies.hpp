// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>

#include "../../core/config.hpp"
#include "../../core/error.hpp"
#include "../../core/value.hpp"
#include "../gaps.hpp"

namespace zermelo::inline v1::game::detail::inline ZERMELO_ISA {

/// Throws unless l holds the log-probabilities of a policy over n items, all finite where `full_support`.
template <class View>
void require_log_policy(const char* name, const View& l, std::int64_t n, bool full_support = false) {
  require_extent(name, l.size(), n, "log-probabilities, an item each");
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = static_cast<double>(l.element(i));
    if (is_nan(x)) throw domain_error(name, i, "is not a number");
    if (full_support && is_plus_infinity(-x))
      throw domain_error(name, i, "is −∞: the divergence from it would be infinite; a reference needs full support");
    sum += exp(x);
  }
  const double tolerance = policy_tolerance<typename View::value_type>;
  if (!(sum - 1 <= tolerance && 1 - sum <= tolerance))
    throw domain_error(name, domain_error::whole, "probabilities add up to " + text(sum) + ", expected 1");
}

/// Throws unless there is a row a game.
template <class View>
void require_games(const View& v, const char* name, std::int64_t games) {
  static_assert(View::rank == 2, "zermelo: the policies of several games are tensors of rank 2, a game a row");
  require_extent(name, v.shape[0], games, "rows, a game each");
}

template <class View>
ZERMELO_INLINE auto row_of_policies(const View& v, std::int64_t game) {
  return tensor_view<typename View::element_type, 1, View::where>{
      .data = v.data + game * v.strides[0], .shape = {v.shape[1]}, .strides = {v.strides[1]}};
}

}  // namespace zermelo::inline v1::game::detail::inline ZERMELO_ISA
