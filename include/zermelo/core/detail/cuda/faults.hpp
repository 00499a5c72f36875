// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

#include "../../config.hpp"

namespace zermelo::inline v1 {

/// What went wrong in a call, as a device writes it beside the sums.
enum class fault_code : std::uint8_t {
  none = 0,
  not_a_number = 1,   ///< an element of an input
  refused = 2,        ///< the kernel's own fault, which it explains
  out_of_range = 3,   ///< an index
  not_ascending = 4,  ///< an offset
  undefined = 5,      ///< an output: terms of +∞ and −∞ meet
};

/// The first fault: indices and offsets come before elements, elements before outputs; then the smallest index counts.
struct fault {
  fault_code code = fault_code::none;
  int argument = 0;  ///< the position of the tensor among the inputs, or among the outputs if those are undefined
  std::int64_t index = 0;
};

/// A fault as one word, such that the first of several is the smallest. It is what lies at the beginning of a record.
using fault_word = unsigned long long;
inline constexpr fault_word no_fault = ~fault_word{0};

/// Indices are below 2⁵².
ZERMELO_FN constexpr fault_word word_of(fault_code code, int argument, std::int64_t index) {
  const fault_word rank = code == fault_code::undefined                                     ? 2
                          : code == fault_code::not_a_number || code == fault_code::refused ? 1
                                                                                            : 0;
  return rank << 60 | static_cast<fault_word>(index) << 8 | static_cast<fault_word>(code) << 4 |
         static_cast<fault_word>(argument);
}
ZERMELO_FN constexpr fault fault_of(fault_word w) {
  if (w == no_fault) return {};
  return {static_cast<fault_code>((w >> 4) & 15), static_cast<int>(w & 15),
          static_cast<std::int64_t>((w >> 8) & ((fault_word{1} << 52) - 1))};
}

}  // namespace zermelo::inline v1
