// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "config.hpp"
#include "error.hpp"
#include "options.hpp"
#include "primitives/arguments.hpp"
#include "primitives/map_reduce.hpp"
#include "value.hpp"

/// What drivers of losses share: options of calls, and what kernels return that write more than a loss and its gradient.
namespace zermelo::inline v1 {

/// What a kernel returns if it writes more: derivatives by the columns alongside, which weights multiply, and reports, which
/// they do not. Both are bundles, and go into the tensors of `also_into` in this order.
template <class Result, class Slopes, class Reports>
struct extended {
  Result result;
  Slopes slopes;
  Reports reports;
};
template <class Result, class Slopes, class Reports>
extended(Result, Slopes, Reports) -> extended<Result, Slopes, Reports>;

/// Pass it in place of the references: the log-ratio then is the policy's log-probability itself.
struct no_reference_t {};
inline constexpr no_reference_t no_reference{};

/// An option: weights [B], finite and zero or more, multiply losses and gradients.
template <class W>
struct weighted_by {
  W& weights;
  ZERMELO_INLINE explicit weighted_by(W& w) : weights(w) {}
};

/// An option: columns [B] that the kernel reads beside the log-ratios, in the order of its arguments.
template <class... X>
struct alongside {
  std::tuple<X&...> columns;
  ZERMELO_INLINE explicit alongside(X&... x) : columns(x...) {}
};

/// An option: where what a kernel writes beside losses and gradients goes, [B] each; `discard` what is not wanted.
template <class... Y>
struct also_into {
  std::tuple<Y&...> columns;
  ZERMELO_INLINE explicit also_into(Y&... y) : columns(y...) {}
};

namespace detail {

template <class Result>
inline constexpr bool is_extended = false;
template <class Result, class Slopes, class Reports>
inline constexpr bool is_extended<extended<Result, Slopes, Reports>> = true;

template <class Result>
ZERMELO_FN auto plain_result(const Result& r) {
  if constexpr (is_extended<Result>)
    return r.result;
  else
    return r;
}

/// sum/denominator, of things that are called `what`.
ZERMELO_INLINE double mean_over(double sum, double denominator, const char* what) {
  if (denominator == 0)
    throw domain_error(what, domain_error::whole,
                       std::string("a mean over no ") + what + ", or over a weight of zero, is undefined");
  return sum / denominator;
}

template <class V, class... S, std::size_t... K>
ZERMELO_FN auto scaled([[maybe_unused]] V factor, [[maybe_unused]] const bundle<S...>& b, std::index_sequence<K...>) {
  return bundle<S...>((factor * get<K>(b))...);
}

template <class... A, class... B, std::size_t... K, std::size_t... L>
ZERMELO_FN auto joined(const bundle<A...>& a, const bundle<B...>& b, std::index_sequence<K...>,
                       std::index_sequence<L...>) {
  return bundle<A..., B...>(get<K>(a)..., get<L>(b)...);
}

template <class... A, class... B>
ZERMELO_FN auto joined(const bundle<A...>& a, const bundle<B...>& b) {
  return joined(a, b, std::index_sequence_for<A...>{}, std::index_sequence_for<B...>{});
}

/// What a kernel writes beside a loss and two gradients.
template <class V, class Result>
ZERMELO_FN auto further_of(V weight, const Result& r) {
  if constexpr (is_extended<Result>)
    return joined(scaled(weight, r.slopes, std::make_index_sequence<bundle_size<decltype(r.slopes)>::value>{}),
                  r.reports);
  else
    return bundle<>();
}

}  // namespace detail

namespace detail::inline ZERMELO_ISA {

template <class X>
ZERMELO_INLINE auto references_of(const char* name, X& x) {
  if constexpr (std::is_same_v<std::remove_const_t<X>, no_reference_t>)
    return std::tuple<>();
  else
    return std::tuple(named(name, x));
}

/// What the options say, as named arguments.
template <class... Options>
ZERMELO_INLINE auto weights_of(const Options&... options) {
  return given<weighted_by>([](const auto& o) { return std::tuple(named("weights", o.weights)); }, options...);
}
template <class... Options>
ZERMELO_INLINE auto masks_of(const Options&... options) {
  return given<counted_where>([]<class X>(const counted_where<X>& o) { return std::tuple<const counted_where<X>&>(o); },
                              options...);
}

/// The columns alongside, by the names that the kernel gives them in `columns`.
template <class Kernel, std::size_t K, class X>
ZERMELO_INLINE auto named_column(X& x) {
  if constexpr (requires { x.tensor; })
    return x;
  else if constexpr (requires { Kernel::columns[0]; })
    return named(Kernel::columns[K], x);
  else
    return named("alongside", x);
}
template <class Kernel, class... X>
ZERMELO_INLINE auto named_columns(const alongside<X...>& o) {
  if constexpr (requires { Kernel::columns[0]; })
    static_assert(sizeof(Kernel::columns) / sizeof(Kernel::columns[0]) == sizeof...(X),
                  "zermelo: alongside gives as many columns as the kernel names in its `columns`");
  return [&]<std::size_t... K>(std::index_sequence<K...>) {
    return std::tuple(named_column<Kernel, K>(std::get<K>(o.columns))...);
  }(std::index_sequence_for<X...>{});
}
template <class Kernel, class... Options>
ZERMELO_INLINE auto columns_of(const Options&... options) {
  return given<alongside>([](const auto& o) { return named_columns<Kernel>(o); }, options...);
}
template <class... Options>
ZERMELO_INLINE auto also_of(const Options&... options) {
  return given<also_into>(
      [](const auto& o) {
        return std::apply([](auto&... y) { return std::tuple(named("also_into", y)...); }, o.columns);
      },
      options...);
}

/// References to all that tuples hold, one after another.
template <class... Tuples>
ZERMELO_INLINE auto tied(Tuples&... tuples) {
  return std::tuple_cat(std::apply([](auto&... x) { return std::tie(x...); }, tuples)...);
}

/// map_reduce of tensors that come as tuples of references.
template <class P, class Kernel, class In, class Out, class Masks>
ZERMELO_INLINE auto map_reduce_tied(P& policy, const Kernel& kernel, const In& in, const Out& out, const Masks& masks) {
  return std::apply(
      [&](auto&... from) {
        return std::apply(
            [&](auto&... to) {
              return std::apply(
                  [&](const auto&... mask) {
                    return map_reduce(policy, kernel, inputs(from...), outputs(to...), mask...);
                  },
                  masks);
            },
            out);
      },
      in);
}

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1
