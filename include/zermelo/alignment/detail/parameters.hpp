// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include "../../core/config.hpp"
#include "../../core/error.hpp"
#include "../../core/value.hpp"

/// What parameters of losses must be, judged by their bits where they are not numbers: -ffast-math leaves these alone.
namespace zermelo::inline v1::alignment::parameters {

ZERMELO_INLINE void require_positive(const char* name, double x) {
  if (!(x > 0) || !is_finite(x))
    throw domain_error(name, domain_error::whole, zermelo::detail::text(x) + ", expected a positive number");
}

ZERMELO_INLINE void require_nonnegative(const char* name, double x) {
  if (!(x >= 0) || !is_finite(x))
    throw domain_error(name, domain_error::whole, zermelo::detail::text(x) + ", expected a number, zero or more");
}

ZERMELO_INLINE void require_finite(const char* name, double x) {
  if (!is_finite(x)) throw domain_error(name, domain_error::whole, zermelo::detail::text(x) + ", expected a number");
}

ZERMELO_INLINE void require_probability(const char* name, double x) {
  if (!is_finite(x) || !(x >= 0 && x <= 1))
    throw domain_error(name, domain_error::whole, zermelo::detail::text(x) + ", expected a probability");
}

/// A share of labels that are wrong, by which a loss is divided, or whose logarithm is taken.
ZERMELO_INLINE void require_below_half(const char* name, double x) {
  if (!is_finite(x) || !(x >= 0 && x < 0.5))
    throw domain_error(name, domain_error::whole, zermelo::detail::text(x) + ", expected a probability below 1/2");
}

}  // namespace zermelo::inline v1::alignment::parameters
