// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstddef>
#include <string>
#include <vector>

#include "catch.hpp"
#include "reliability/registry.hpp"

// This file is compiled a second time with -ffast-math, where checks must hold as well: numbers that are none are made
// and judged by their bits.

using namespace registry;

namespace {

/// The argument and index that the error names, or what happened instead.
std::string complaint(const function& f, const policy& p, const columns& x) {
  try {
    f.call(p, x, usual(f));
  } catch (const zm::domain_error& e) {
    return e.argument() + "[" + std::to_string(e.index()) + "]";
  }
  return "nothing was thrown";
}

/// What does not belong into an argument.
std::vector<double> intruders(const argument& a) {
  const double nan = zm::detail::not_a_number<double>(), infinity = zm::detail::infinity<double>();
  if (a.holds == content::ids) return {-1, 100, 4294967296.0};
  std::vector<double> bad = {nan};
  if (a.holds == content::scores) bad.insert(bad.end(), {0.25, -1, 2, infinity});
  if (a.finite) bad.insert(bad.end(), {infinity, -infinity});
  if (a.below_infinity) bad.push_back(infinity);
  if (a.least > -infinity) bad.push_back(a.least - 1);
  return bad;
}

}  // namespace

TEST_CASE("what is outside an argument's domain is refused with the argument and the index, by every function") {
  const auto policies = all_policies();
  for (const auto& f : all())
    for (const std::size_t n : {1u, 40u, 9001u}) {
      const columns good = f.sample(23, n);
      const std::size_t length = good[0].size();
      for (std::size_t a = 0; a < good.size(); ++a)
        for (const std::size_t at : {std::size_t{0}, length / 2, length - 1}) {
          for (const double bad : intruders(f.arguments[a])) {
            columns x = good;
            x[a][at] = bad;
            const std::string expected = f.arguments[a].name + "[" + std::to_string(at) + "]";
            INFO(f << " with " << bad << " at " << expected << " of " << length);
            for (const auto& [policy_name, how] : policies) {
              INFO("on " << policy_name);
              CHECK(complaint(f, how, x) == expected);
            }
          }
        }
    }
}

TEST_CASE("a parameter that is not a number is refused by name, by every function that takes one") {
  for (const auto& f : all()) {
    if (f.kernel) continue;  // kernels compute with what they are given
    for (std::size_t k = 0; k < f.parameters.size(); ++k) {
      if (f.parameters[k].whole) continue;
      values p = usual(f);
      p[k] = zm::detail::not_a_number<double>();
      std::string named = "nothing was thrown";
      try {
        f.call(zm::simd{}, f.sample(27, 40), p);
      } catch (const zm::domain_error& e) {
        named = e.argument();
      }
      INFO(f << " names " << named);
      CHECK(named.ends_with(f.parameters[k].name));
    }
  }
}

TEST_CASE("a single infinity in its domain makes no NaN of any function") {
  for (const auto& f : all())
    for (std::size_t a = 0; a < f.arguments.size(); ++a) {
      if (f.arguments[a].holds != content::numbers || f.arguments[a].finite) continue;
      for (const double sign : {1.0, -1.0}) {
        if (sign > 0 && f.arguments[a].below_infinity) continue;
        columns x = f.sample(29, 500);
        x[a][123] = zm::value_traits<double>::from_bits(
            zm::value_traits<double>::to_bits(zm::detail::infinity<double>()) | (sign < 0 ? 0x8000000000000000u : 0u));
        for (const double y : f.call(zm::simd{}, x, usual(f))) {
          INFO(f << " with " << sign << "·∞ in " << f.arguments[a].name);
          CHECK_FALSE(zm::is_nan(y));
        }
      }
    }
}
