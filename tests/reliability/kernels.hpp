// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cmath>

#include "reliability/registry.hpp"
#include "zermelo/core/dual.hpp"
#include "zermelo/core/primitives/map_reduce.hpp"

/// How kernels enter the registry: as sums over tensors by map_reduce, and element by element.
namespace registry {

/// Adds up every output of a kernel, writing none. Model: static make(parameters) → kernel; static outputs(kernel, x…) →
/// std::array of values.
template <class Model>
struct summed {
  values parameters;
  template <class... V>
  auto operator()(V... x) const {
    const auto y = Model::outputs(Model::make(parameters), x...);
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
      return zm::mapped{zm::bundle<>(), zm::bundle(zm::total(y[K])...)};
    }(std::make_index_sequence<std::tuple_size_v<std::remove_cvref_t<decltype(y)>>>{});
  }
};

/// Registers a kernel of one argument over tensors of T.
template <class Model, class T>
function kernel_function(std::string name, std::vector<std::string> outputs, argument in,
                         std::vector<parameter> parameters = {}) {
  const std::size_t count = outputs.size();
  function f{.name = std::move(name), .arguments = {std::move(in)}, .parameters = std::move(parameters)};
  f.sample = [](std::uint64_t seed, std::size_t n) {
    auto x = moderate(1, seed, n);
    for (double& v : x[0]) v = static_cast<double>(static_cast<T>(v));
    return x;
  };
  f.call = [argument_name = f.arguments[0].name](const policy& p, const columns& x, const values& parameters_) {
    const std::vector<T> data(x[0].begin(), x[0].end());
    return with(p, [&](const auto& how) {
      const auto sums =
          zm::map_reduce(how, summed<Model>{parameters_}, zm::inputs(zm::named(argument_name.c_str(), data)));
      return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return values{zm::get<K>(sums).value...};
      }(std::make_index_sequence<Model::count>{});
    });
  };
  f.call_masked = [argument_name = f.arguments[0].name](const policy& p, const columns& x, const values& mask,
                                                        const values& parameters_) {
    const std::vector<T> data(x[0].begin(), x[0].end());
    return with(p, [&](const auto& how) {
      const auto sums =
          zm::map_reduce(how, summed<Model>{parameters_}, zm::inputs(zm::named(argument_name.c_str(), data)),
                         zm::outputs(), zm::counted_where(mask));
      return [&]<std::size_t... K>(std::index_sequence<K...>) {
        return values{zm::get<K>(sums).value...};
      }(std::make_index_sequence<Model::count>{});
    });
  };
  // Lanes of T add up 32 terms: at most 31 roundings of them and 8 for a term itself; sums of doubles round as often as
  // there are blocks.
  f.tolerance = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto element = [](const values& p, const values& x) {
    const auto y = Model::outputs(Model::make(p), static_cast<T>(x[0]));
    return values(y.begin(), y.end());
  };
  f.sizes = [element, count](const columns& x, const values& p) {
    values size(count, 0.0);
    for (const double v : x[0]) {
      const values y = element(p, {v});
      for (std::size_t k = 0; k < count; ++k) size[k] += std::abs(y[k]);
    }
    return size;
  };
  f.kernel = pointwise{.outputs = std::move(outputs), .element = element};
  f.kernel->expand = [](const values& p, const values& x, std::size_t) {
    using second = zm::dual<zm::dual<double>>;
    std::vector<std::array<double, 3>> all;
    for (const auto& y : Model::outputs(Model::make(p), second{zm::variable(x[0]), zm::dual<double>(1.0)}))
      all.push_back({y.value.value, y.derivative.value, y.derivative.derivative});
    return all;
  };
  return f;
}

}  // namespace registry
