// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "schedulers.hpp"
#include "zermelo/core/error.hpp"
#include "zermelo/core/execution/threads.hpp"
#include "zermelo/core/random.hpp"
#include "zermelo/core/value.hpp"

/// What every function of the library tells about itself once, so that one generic test for each class of bugs runs over
/// all of them. To add a function is to add one registration; no test has to be written, and none can be avoided.
namespace registry {

namespace zm = zermelo;

/// How results of parts relate to the result of the whole.
enum class trait {
  separable,      ///< sums of parts add up to the sum of the whole
  batch_coupled,  ///< every term depends on all of them
};

enum class content {
  numbers,  ///< floats
  ids,      ///< integers in [0, items)
  scores,   ///< outcomes as 1, 0 and 0.5
};

struct argument {
  std::string name;  ///< what errors call it
  content holds = content::numbers;
  double least = -std::numeric_limits<double>::infinity();  ///< the smallest number of its domain
  bool finite = false;                                      ///< whether ±∞ is outside of it
  bool below_infinity = false;                              ///< whether +∞ alone is
};

/// A parameter with two values, both valid, that must make a difference.
struct parameter {
  std::string name;
  double usual, other;
  bool whole = false;  ///< an integer
};

using values = std::vector<double>;
using columns = std::vector<values>;  ///< one for each argument, all of one length
using policy =
    std::variant<zm::serial, zm::simd, schedulers::scheduler>;  ///< any scheduler of tiles stands in the third

/// output `of`, differentiated by an argument, is sign · output `is`.
struct derivative {
  std::size_t argument, of, is;
  double sign;
};

/// Results at a point where they are known.
struct limit {
  values at, expected;
};

/// left(x) = right(x) for all x, where `size` bounds the terms that are added up on the way.
struct identity {
  std::string name;
  std::function<double(const values& parameters, double x)> left, right, size;
};

/// A kernel, evaluated for one element.
struct pointwise {
  std::vector<std::string> outputs = {};
  std::function<values(const values& parameters, const values& x)> element = {};
  /// Value, first and second derivative of every output by argument k, from nested dual numbers.
  std::function<std::vector<std::array<double, 3>>(const values& parameters, const values& x, std::size_t k)> expand =
      {};
  std::vector<derivative> derivatives = {};
  std::vector<identity> identities = {};
  std::vector<limit> limits = {};  ///< with the usual parameters
};

struct function {
  std::string name;
  trait is = trait::separable;
  std::vector<argument> arguments = {};
  std::vector<parameter> parameters = {};
  /// n valid elements of every argument, a pure function of the seed.
  std::function<columns(std::uint64_t seed, std::size_t n)> sample = {};
  std::function<values(const policy&, const columns&, const values& parameters)> call = {};
  /// The same where a mask, one number an element, says which elements count; absent where nothing may be masked.
  std::function<values(const policy&, const columns&, const values& mask, const values& parameters)> call_masked = {};
  /// Largest |difference| between policies, and between parts and the whole, relative to the results' terms. Zero: same bits.
  double tolerance = 0;
  /// Sums of the absolute terms of every result; where absent, the results themselves.
  std::function<values(const columns&, const values& parameters)> sizes = {};
  std::optional<pointwise> kernel = std::nullopt;
  /// A primitive's count of the elements of stride-0 inputs of length n, which take no memory.
  std::function<double(std::int64_t n)> count_repeated = {};
};

inline std::ostream& operator<<(std::ostream& out, const function& f) { return out << f.name; }

inline std::vector<function>& all() {
  static std::vector<function> functions;
  return functions;
}

/// Define one of these at namespace scope for every function.
struct registration {
  explicit registration(function f) { all().push_back(std::move(f)); }
};

inline values usual(const function& f) {
  values p;
  for (const parameter& x : f.parameters) p.push_back(x.usual);
  return p;
}

inline values sizes_of(const function& f, const columns& x, const values& parameters) {
  if (f.sizes) return f.sizes(x, parameters);
  values size = f.call(zm::simd{}, x, parameters);
  for (double& s : size) s = s < 0 ? -s : s;
  return size;
}

/// f(policy) with the policy as the library takes it.
template <class F>
auto with(const policy& p, F&& f) {
  return std::visit([&](const auto& one) { return f(one); }, p);
}

struct named_policy {
  std::string name;
  policy how;
};

/// Every way to run on the host. Those behind the first have the same bits.
inline std::vector<named_policy> all_policies() {
  std::vector<named_policy> list{{"serial", zm::serial{}}, {"simd", zm::simd{}}};
  for (const auto& [name, scheduler] : schedulers::all()) list.push_back({name, scheduler});
  return list;
}

/// Numbers between low and high.
inline values uniforms(std::uint64_t seed, std::uint64_t stream, std::size_t n, double low, double high) {
  values x(n);
  zm::fill_uniform(seed, stream, x);
  for (double& v : x) v = low + (high - low) * v;
  return x;
}

/// The usual sample of kernels: each argument between −8 and 8.
inline columns moderate(std::size_t arguments, std::uint64_t seed, std::size_t n) {
  columns x;
  for (std::size_t k = 0; k < arguments; ++k) x.push_back(uniforms(seed, k, n, -8, 8));
  return x;
}

}  // namespace registry
