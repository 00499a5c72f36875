// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>

#include "../config.hpp"
#include "../error.hpp"

/// What arguments are checked for before any element is looked at.
namespace zermelo::inline v1::detail::inline ZERMELO_ISA {

/// An argument has as many elements as another one.
inline void require_length(const char* argument, std::int64_t length, std::int64_t expected,
                           const char* other = "first") {
  if (length != expected)
    throw shape_error(
        argument, std::to_string(length) + " elements, expected as many as " + other + ", " + std::to_string(expected));
}

/// `what`: rows, columns, elements.
inline void require_extent(const char* argument, std::int64_t extent, std::int64_t expected, const char* what) {
  if (extent != expected)
    throw shape_error(argument, std::to_string(extent) + " " + what + ", expected " + std::to_string(expected));
}

}  // namespace zermelo::inline v1::detail::inline ZERMELO_ISA
