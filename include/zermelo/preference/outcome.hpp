// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../core/config.hpp"

namespace zermelo::inline v1::preference {

/// Who won a battle: the item named first, the item named second, or neither.
enum class outcome : std::uint8_t { second = 0, first = 1, tie = 2 };

/// The share of the win that goes to the item named first: 1, 0 or ½.
ZERMELO_FN constexpr double score(outcome o) { return o == outcome::tie ? 0.5 : o == outcome::first ? 1.0 : 0.0; }

}  // namespace zermelo::inline v1::preference
