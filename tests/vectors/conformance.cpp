// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "conformance.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <limits>
#include <zermelo/core/error.hpp>

namespace conformance {
namespace {

using zermelo::domain_error;
using zermelo::shape_error;

/// A number, or a string that stands for one.
std::optional<double> as_number(const json& x) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (x.is_number()) return x.get<double>();
  if (!x.is_string()) return {};
  std::string text = x.get<std::string>();
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf" || text == "+inf" || text == "infinity") return infinity;
  if (text == "-inf" || text == "-infinity") return -infinity;
  return {};
}

double number_at(const std::string& argument, std::int64_t index, const json& x) {
  if (x.is_null()) return std::numeric_limits<double>::quiet_NaN();
  if (x.is_boolean()) return x.get<bool>() ? 1 : 0;
  if (const auto number = as_number(x)) return *number;
  throw domain_error(argument, index, "expected a number, got " + x.dump());
}

/// Exact for whole numbers of 64 bits.
std::int64_t integer_at(const std::string& argument, std::int64_t index, const json& x) {
  if (x.is_number_integer() && !(x.is_number_unsigned() && x.get<std::uint64_t>() >> 63)) return x.get<std::int64_t>();
  const double number = number_at(argument, index, x);
  if (!(std::abs(number) <= 0x1p53) || number != std::floor(number))
    throw domain_error(argument, index, "expected a whole number, got " + x.dump());
  return static_cast<std::int64_t>(number);
}

const json& list(const std::string& argument, const json& x) {
  if (!x.is_array()) throw shape_error(argument, "expected a list");
  return x;
}

std::string shown(const json& x) {
  if (x.is_number_float()) return zermelo::detail::text(x.get<double>());
  std::string text = x.dump();
  if (text.size() > 160) text = text.substr(0, 160) + "…";
  return text;
}

/// Information, never asserted: what peers got, notes, and exact values or many digits as text.
bool is_commentary(const std::string& key, const json& value) {
  const bool text = value.is_string() || (value.is_array() && !value.empty() && value.front().is_string());
  return key.starts_with("peer_") || key == "note" || (text && (key.ends_with("_exact") || key.ends_with("_digits")));
}

/// What error a case expects, if it does: {"error": "its name"}, {"error": true} or "error".
std::optional<std::string> expected_error(const json& expected) {
  if (expected == "error") return "error";
  if (!expected.is_object()) return {};
  for (const char* key : {"error", "throws"}) {
    const auto found = expected.find(key);
    if (found == expected.end()) continue;
    if (found->is_string()) return found->get<std::string>();
    if (*found == true || found->is_object()) return "error";
  }
  return {};
}

bool agree(double got, double expected, tolerance allowed) {
  if (std::isnan(expected)) return std::isnan(got);
  if (std::isinf(expected)) return got == expected;
  return std::abs(got - expected) <= allowed.absolute + allowed.relative * std::abs(expected);
}

void compare_at(const std::string& path, const json& got, const json& expected, tolerance allowed, comparison& found) {
  const auto differ = [&](const json& a, const json& b) { found.differences.push_back({path, shown(a), shown(b)}); };
  if (got.is_object() && got.contains("one_of_several")) {
    if (!agree(got["one_of_several"].get<double>(), 0, allowed)) differ(got, expected);
  } else if (expected.is_object()) {
    if (!got.is_object()) return differ(got, expected);
    for (const auto& [key, value] : expected.items()) {
      if (is_commentary(key, value)) continue;
      const std::string below = path.empty() ? key : path + "." + key;
      if (const auto at = got.find(key); at != got.end())
        compare_at(below, *at, value, allowed, found);
      else
        found.unknown.push_back(below);
    }
  } else if (expected.is_array()) {
    if (!got.is_array()) return differ(got, expected);
    if (got.size() != expected.size())
      return found.differences.push_back({path, std::to_string(got.size()) + " elements " + shown(got),
                                          std::to_string(expected.size()) + " elements " + shown(expected)});
    for (std::size_t k = 0; k < expected.size(); ++k)
      compare_at(path + "[" + std::to_string(k) + "]", got[k], expected[k], allowed, found);
  } else if (expected.is_number_integer() && got.is_number_integer()) {
    if (got != expected) differ(got, expected);
  } else if (expected.is_null()) {
    const auto number = as_number(got);
    if (!got.is_null() && !(number && std::isnan(*number))) differ(got, expected);
  } else if (const auto e = as_number(expected); e && (got.is_number() || got.is_null())) {
    const double x = got.is_null() ? std::numeric_limits<double>::quiet_NaN() : got.get<double>();
    if (!agree(x, *e, allowed)) differ(got, expected);
  } else if (got != expected) {
    differ(got, expected);
  }
}

/// The name that a case may give to an error whose kind is mathematics, or nothing.
std::string_view kind(const zermelo::error& e) {
  if (dynamic_cast<const zermelo::not_identifiable*>(&e)) return "not_identifiable";
  if (dynamic_cast<const zermelo::no_maximum*>(&e)) return "no_maximum";
  return {};
}

}  // namespace

bool inputs::has(const std::string& name) const {
  const auto found = values_.find(name);
  return found != values_.end() && !found->is_null();
}

const json& inputs::raw(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::runtime_error("the case has no input '" + name + "'");
  return *found;
}

double inputs::number(const std::string& name) const { return number_at(name, domain_error::whole, raw(name)); }

std::int64_t inputs::integer(const std::string& name) const { return integer_at(name, domain_error::whole, raw(name)); }

std::uint64_t inputs::seed(const std::string& name) const {
  const json& x = raw(name);
  return x.is_number_unsigned() ? x.get<std::uint64_t>() : static_cast<std::uint64_t>(integer(name));
}

bool inputs::flag(const std::string& name) const {
  const json& x = raw(name);
  if (!x.is_boolean()) throw domain_error(name, domain_error::whole, "expected true or false, got " + x.dump());
  return x.get<bool>();
}

std::string inputs::text(const std::string& name) const {
  const json& x = raw(name);
  if (!x.is_string()) throw domain_error(name, domain_error::whole, "expected a text, got " + x.dump());
  return x.get<std::string>();
}

std::vector<double> inputs::vector(const std::string& name) const {
  std::vector<double> out;
  for (const json& x : list(name, raw(name))) out.push_back(number_at(name, static_cast<std::int64_t>(out.size()), x));
  return out;
}

std::vector<std::int64_t> inputs::integers(const std::string& name) const {
  std::vector<std::int64_t> out;
  for (const json& x : list(name, raw(name))) out.push_back(integer_at(name, static_cast<std::int64_t>(out.size()), x));
  return out;
}

std::vector<std::string> inputs::texts(const std::string& name) const {
  std::vector<std::string> out;
  for (const json& x : list(name, raw(name))) {
    if (!x.is_string())
      throw domain_error(name, static_cast<std::int64_t>(out.size()), "expected a text, got " + x.dump());
    out.push_back(x.get<std::string>());
  }
  return out;
}

matrix inputs::matrix(const std::string& name, std::optional<std::int64_t> rows,
                      std::optional<std::int64_t> columns) const {
  const json& given = list(name, raw(name));
  conformance::matrix m{.rows = static_cast<std::int64_t>(given.size()), .columns = columns.value_or(0)};
  if (rows && m.rows != *rows)
    throw shape_error(name, std::to_string(m.rows) + " rows, expected " + std::to_string(*rows));
  if (!columns && !given.empty()) m.columns = static_cast<std::int64_t>(list(name, given[0]).size());
  for (const json& row : given) {
    if (const auto length = static_cast<std::int64_t>(list(name, row).size()); length != m.columns)
      throw shape_error(name, "a row of " + std::to_string(length) + " columns, expected " + std::to_string(m.columns));
    for (const json& x : row) m.values.push_back(number_at(name, static_cast<std::int64_t>(m.values.size()), x));
  }
  return m;
}

std::filesystem::path inputs::file(const std::string& name) const {
  const std::filesystem::path wanted = text(name);
  const auto beside_vectors = folder_.parent_path().parent_path() / wanted;
  for (const auto& candidate : {beside_vectors, std::filesystem::path(EXAMPLE_DATA) / wanted.filename()})
    if (std::filesystem::exists(candidate)) return candidate;
  throw unsupported("there is no file " + beside_vectors.string());
}

bool inputs::asks_for(const std::string& key) const {
  return expected_error(expected_) || (expected_.is_object() && expected_.contains(key));
}

std::vector<std::string> inputs::keys(const std::string& below) const {
  std::vector<std::string> out;
  if (expected_error(expected_)) return out;
  const json& within = below.empty() ? expected_ : expected_.at(below);
  if (!within.is_object()) return out;
  for (const auto& [key, value] : within.items()) out.push_back(key);
  return out;
}

std::vector<double> column(const matrix& m, std::int64_t k) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < m.rows; ++i) out.push_back(m.values[static_cast<std::size_t>(i * m.columns + k)]);
  return out;
}

std::vector<std::int64_t> id_column(const matrix& m, std::int64_t k) {
  std::vector<std::int64_t> out;
  for (const double x : column(m, k))
    out.push_back(integer_at("column " + std::to_string(k), static_cast<std::int64_t>(out.size()), x));
  return out;
}

json rows(std::span<const double> values, std::int64_t columns) {
  json out = json::array();
  for (std::size_t k = 0; k < values.size(); k += static_cast<std::size_t>(columns)) {
    const auto row = values.subspan(k, static_cast<std::size_t>(columns));
    out.push_back(std::vector<double>(row.begin(), row.end()));
  }
  return out;
}

std::optional<std::vector<double>> numbers_in(std::string_view key, std::string_view pattern) {
  std::vector<double> numbers;
  for (; !pattern.empty(); pattern.remove_prefix(1)) {
    if (pattern.front() == '#') {
      double x = 0;
      const auto [end, problem] = std::from_chars(key.data(), key.data() + key.size(), x);
      if (problem != std::errc()) return {};
      numbers.push_back(x);
      key.remove_prefix(static_cast<std::size_t>(end - key.data()));
    } else {
      if (key.empty() || key.front() != pattern.front()) return {};
      key.remove_prefix(1);
    }
  }
  if (!key.empty()) return {};
  return numbers;
}

registry& known_methods() {
  static registry methods;
  return methods;
}

json one_of_several(double certificate) { return {{"one_of_several", certificate}}; }

comparison compare(const json& got, const json& expected, tolerance allowed) {
  comparison found;
  compare_at("", got, expected, allowed, found);
  return found;
}

report check(const std::vector<backend>& backends, const json& one_case, const std::filesystem::path& folder) {
  report out;
  const std::string name = one_case.value("name", "(without a name)");
  const auto remark = [&](verdict v, const std::string& text) {
    if (out.outcome != verdict::failed) out.outcome = v;
    if (std::find(out.remarks.begin(), out.remarks.end(), text) == out.remarks.end()) out.remarks.push_back(text);
  };
  for (const backend& on : backends) {
    const auto fail = [&](const std::string& text) {
      remark(verdict::failed, "failed: " + name + " [" + on.name + "]: " + text);
    };
    try {
      const json& expected = one_case.at("expected");
      const inputs in(one_case.at("inputs"), expected, folder);
      const auto error = expected_error(expected);
      try {
        const json got = on.run(in);
        if (error) {
          fail("expected an error (" + *error + "), got " + shown(got));
          continue;
        }
        const comparison found = compare(
            got, expected, {.relative = one_case.value("rtol", 1e-9), .absolute = one_case.value("atol", 1e-12)});
        constexpr std::size_t shown_at_most = 8;
        for (std::size_t k = 0; k < found.differences.size() && k < shown_at_most; ++k) {
          const auto& d = found.differences[k];
          fail(d.path + ": got " + d.got + ", expected " + d.expected);
        }
        if (found.differences.size() > shown_at_most)
          fail("and " + std::to_string(found.differences.size() - shown_at_most) + " more");
        std::string unknown;
        for (const std::string& path : found.unknown) unknown += (unknown.empty() ? "" : ", ") + path;
        if (!unknown.empty()) remark(verdict::unknown, "unknown: " + name + ": " + unknown);
      } catch (const zermelo::error& e) {
        if (!error) {
          fail(std::string("error: ") + e.what());
        } else {
          const std::string_view wanted = *error == "mle_does_not_exist" ? "no_maximum" : std::string_view(*error);
          const bool mathematics = wanted == "not_identifiable" || wanted == "no_maximum";
          if (mathematics && kind(e) != wanted) fail("expected the error " + *error + ", got another: " + e.what());
        }
      }
    } catch (const unsupported& e) {
      remark(verdict::unknown, "unknown: " + name + ": " + e.what());
    } catch (const std::exception& e) {
      fail(std::string("the case cannot be run: ") + e.what());
    }
  }
  return out;
}

json read_cases(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot be opened");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  std::string strict;
  bool quoted = false;
  for (std::size_t k = 0; k < text.size();) {
    const auto word_here = [&](std::string_view word) { return text.compare(k, word.size(), word) == 0; };
    std::size_t length = 1;
    if (!quoted)
      for (const std::string_view word : {"NaN", "Infinity", "-Infinity"})
        if (word_here(word)) length = word.size();
    if (quoted && text[k] == '\\') length = 2;
    if (text[k] == '"') quoted = !quoted;
    const std::string piece = text.substr(k, length);
    strict += !quoted && length > 1 ? '"' + piece + '"' : piece;
    k += length;
  }
  return json::parse(strict);
}

}  // namespace conformance
