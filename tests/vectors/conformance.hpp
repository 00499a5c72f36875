// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#include <zermelo/core/execution/policy.hpp>
#include <zermelo/core/tensor.hpp>

#include "schedulers.hpp"

/// Reference vectors: files of cases, each with inputs and what is expected of a method.
///
/// A method is made known by one adaptor, which takes the inputs by name, calls the library, and names the results:
///
///     const method logistic{"cluster", "logistic", [](const inputs& in, auto&& policy) {
///       const auto x = in.vector("x");
///       std::vector<double> y(x.size());
///       zermelo::sigmoid(policy, x, y);
///       return results{{"y", y}};
///     }};
///
/// With a policy it runs on every backend of the host: scalar code, vector units, and all schedulers that are there, for which
/// it is compiled once. Without one it runs on the default. An adaptor says nothing of tolerances,
/// of subsets of keys or of errors: keys that nobody asked for are ignored, keys that it does not name are counted as
/// unknown, and where a case expects an error the library must throw one.
namespace conformance {

using json = nlohmann::json;
using results = std::map<std::string, json>;

/// Thrown by an adaptor for a form of the method that the library does not have yet: the case counts as unknown.
struct unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A list of rows; a tensor of the library.
struct matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values = {};
};

/// The inputs of one case. Numbers may be given as the strings "inf", "-inf" and "nan"; null among numbers is NaN.
/// What cannot even be passed to the library (ragged rows, text for a number, ids that are not whole) throws the error
/// that the library would throw for it.
class inputs {
 public:
  inputs(const json& values, const json& expected, std::filesystem::path folder)
      : values_(values), expected_(expected), folder_(std::move(folder)) {}

  /// Whether the input is there, and not null.
  bool has(const std::string& name) const;
  /// Errors: std::runtime_error if it is not there.
  const json& raw(const std::string& name) const;

  double number(const std::string& name) const;
  double number(const std::string& name, double otherwise) const { return has(name) ? number(name) : otherwise; }
  std::int64_t integer(const std::string& name) const;
  std::uint64_t seed(const std::string& name) const;
  bool flag(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::vector<double> vector(const std::string& name) const;
  std::vector<std::int64_t> integers(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;
  /// Rows of equal length; of `rows` × `columns` where those are given.
  conformance::matrix matrix(const std::string& name, std::optional<std::int64_t> rows = {},
                             std::optional<std::int64_t> columns = {}) const;

  /// The file that an input names, looked for beside the folder of the clusters. Throws `unsupported` if it is missing.
  std::filesystem::path file(const std::string& name) const;

  /// Whether the case asks for this result, or expects an error, to which end everything is asked for. Results that cost
  /// much, or that need not exist, are worth the question.
  bool asks_for(const std::string& key) const;
  /// The keys of the results asked for, for methods whose keys carry parameters; of those below a key, if one is named.
  std::vector<std::string> keys(const std::string& below = {}) const;

 private:
  const json& values_;
  const json& expected_;
  std::filesystem::path folder_;
};

/// Column k of the rows; as ids, whole numbers only.
std::vector<double> column(const matrix& m, std::int64_t k);
std::vector<std::int64_t> id_column(const matrix& m, std::int64_t k);

/// A list of rows from numbers that lie row after row.
json rows(std::span<const double> values, std::int64_t columns);

/// The numbers in a key such as gamma_shape_2.0_rate_1.0 by a pattern such as gamma_shape_#_rate_#.
std::optional<std::vector<double>> numbers_in(std::string_view key, std::string_view pattern);

/// A way to run a method.
struct backend {
  std::string name;
  std::function<results(const inputs&)> run;
};

/// The methods known, by cluster and name.
using registry = std::map<std::pair<std::string, std::string>, std::vector<backend>>;
registry& known_methods();

class method {
 public:
  template <class F>
  method(std::string cluster, std::string name, F f) {
    std::vector<backend>& backends = known_methods()[{std::move(cluster), std::move(name)}];
    if constexpr (std::is_invocable_v<F, const inputs&, const zermelo::serial&>) {
      backends = {{"serial", [f](const inputs& in) { return f(in, zermelo::serial{}); }},
                  {"simd", [f](const inputs& in) { return f(in, zermelo::simd{}); }}};
      for (const auto& one : schedulers::all())
        backends.push_back({one.name, [f, on = one.policy](const inputs& in) { return f(in, on); }});
    } else {
      backends = {{"host", f}};
    }
  }
};

/// A number x passes for e if |x − e| ≤ absolute + relative·|e|.
struct tolerance {
  double relative = 1e-9, absolute = 1e-12;
};

/// Where results differ from what is expected, by paths such as davidson.theta[3], and what nobody computes yet.
struct comparison {
  struct difference {
    std::string path, got, expected;
  };
  std::vector<difference> differences;
  std::vector<std::string> unknown;
};

/// Stands for a result of which several are right, as Nash policies may be: what is compared is its certificate, with zero.
json one_of_several(double certificate);

/// Looks for all that is expected; what else was computed is ignored, and so are keys that begin with peer_, notes,
/// and exact values given as text.
/// Whole numbers are equal or not if both sides give them as such; a null stands for NaN.
comparison compare(const json& got, const json& expected, tolerance allowed);

enum class verdict { passed, failed, unknown };

struct report {
  verdict outcome = verdict::passed;
  std::vector<std::string> remarks;  ///< one line each: why a case failed, what is not known of it
};

/// Runs one case on all backends. A case fails if anything known fails; it is unknown if nothing does but some key, form
/// or file is not known; otherwise it passes.
report check(const std::vector<backend>& backends, const json& one_case, const std::filesystem::path& folder);

/// Parses a file of cases. NaN, Infinity and -Infinity, which Python writes, are read as the strings of the convention.
/// Errors: std::exception.
json read_cases(const std::filesystem::path& file);

}  // namespace conformance

template <>
struct zermelo::tensor_traits<const conformance::matrix> {
  static constexpr bool enabled = true;
  static auto view(const conformance::matrix& m) { return matrix_view(m.values.data(), m.rows, m.columns); }
};

template <>
struct zermelo::tensor_traits<conformance::matrix> {
  static constexpr bool enabled = true;
  static auto view(conformance::matrix& m) { return matrix_view(m.values.data(), m.rows, m.columns); }
};
