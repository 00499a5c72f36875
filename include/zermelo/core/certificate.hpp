// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>

namespace zermelo::inline v1 {

/// How an iterative method ended. Not having converged is an answer, not an exception.
enum class status : std::uint8_t {
  converged,  ///< the residual met the tolerance
  limit,      ///< the iteration limit came first
  stalled     ///< no further step lowers the residual in this precision
};

struct convergence {
  std::int64_t iterations = 0;
  double residual = 0;  ///< what was compared with the tolerance, at the point returned
  zermelo::status status = status::converged;
};

constexpr const char* name(status s) {
  return s == status::converged ? "converged" : s == status::limit ? "limit" : "stalled";
}

}  // namespace zermelo::inline v1
