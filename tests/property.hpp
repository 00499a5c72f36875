// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <rapidcheck.h>

#include <cstdint>
#include <sstream>
#include <utility>

#include "catch.hpp"

/// Checks a property on random cases, the same ones in every run. RC_ASSERT states it; a failure is a failure of the
/// test case and prints the smallest counter-example that was found.
template <class Property>
void check_property(Property&& property, int cases = 100, std::uint64_t seed = 1913) {
  rc::detail::TestParams parameters;
  parameters.seed = seed;
  parameters.maxSuccess = cases;
  const auto result =
      rc::detail::checkTestable(std::forward<Property>(property), rc::detail::TestMetadata{}, parameters);
  std::ostringstream message;
  rc::detail::printResultMessage(result, message);
  INFO(message.str());
  CHECK(result.template is<rc::detail::SuccessResult>());
}
