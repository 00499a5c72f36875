// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <tuple>

#include "config.hpp"

/// Options of calls: types of their own, given behind the arguments in any order. A function names the templates that it
/// knows, takes its options by `given`, and refuses others when it is compiled.
namespace zermelo::inline v1::detail {

/// Whether O is an Option<…>.
template <template <class...> class Option, class O>
inline constexpr bool is_option = false;
template <template <class...> class Option, class... X>
inline constexpr bool is_option<Option, Option<X...>> = true;

/// How often there is an Option<…> among the options.
template <template <class...> class Option, class... Options>
inline constexpr std::size_t times_given = (std::size_t{0} + ... + (is_option<Option, Options> ? 1 : 0));

/// The options that a function knows.
template <template <class...> class... Known>
struct options_known {
  template <class... Options>
  static constexpr bool include = (std::size_t{0} + ... + times_given<Known, Options...>) == sizeof...(Options);
  template <class... Options>
  static constexpr bool once = (true && ... && (times_given<Known, Options...> <= 1));
};

inline namespace ZERMELO_ISA {

/// What take(option), a tuple, says of every Option<…> among the options, in one tuple: empty if there is none.
template <template <class...> class Option, class Take, class... Options>
ZERMELO_INLINE auto given([[maybe_unused]] const Take& take, const Options&... options) {
  [[maybe_unused]] const auto one = [&]<class O>([[maybe_unused]] const O& option) {
    if constexpr (is_option<Option, O>)
      return take(option);
    else
      return std::tuple<>();
  };
  return std::tuple_cat(std::tuple<>(), one(options)...);
}

}  // namespace ZERMELO_ISA
}  // namespace zermelo::inline v1::detail
