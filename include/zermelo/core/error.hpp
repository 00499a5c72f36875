// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config.hpp"

/// Errors name the mathematics: what was wrong, where, and what was expected.
namespace zermelo::inline v1 {

/// The base of every exception thrown by this library.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Lengths or ranks do not fit together.
class shape_error : public error {
 public:
  shape_error(std::string argument, const std::string& what)
      : error(argument + ": " + what), argument_(std::move(argument)) {}
  const std::string& argument() const noexcept { return argument_; }

 private:
  std::string argument_;
};

/// A value outside the domain of the function: NaN, a negative weight, an id out of range, a parameter.
class domain_error : public error {
 public:
  static constexpr std::int64_t whole = -1;  ///< the index of an error that concerns the whole argument

  domain_error(std::string argument, std::int64_t index, const std::string& what)
      : error(argument + (index == whole ? "" : "[" + std::to_string(index) + "]") + ": " + what),
        argument_(std::move(argument)),
        index_(index) {}
  const std::string& argument() const noexcept { return argument_; }
  std::int64_t index() const noexcept { return index_; }

 private:
  std::string argument_;
  std::int64_t index_;
};

using item_sets = std::vector<std::vector<std::int64_t>>;

/// The comparison graph falls into separate islands: differences between them are not determined by the data.
class not_identifiable : public error {
 public:
  not_identifiable(const std::string& what, item_sets islands) : error(what), islands_(std::move(islands)) {}
  /// Connected components, ascending by smallest item.
  const item_sets& components() const noexcept { return islands_; }

 private:
  item_sets islands_;
};

/// The likelihood has no maximum: it rises for ever along some direction. Carries the strong components, winners first.
class no_maximum : public error {
 public:
  no_maximum(const std::string& what, item_sets components) : error(what), components_(std::move(components)) {}
  /// Strongly connected components, winners first.
  const item_sets& components() const noexcept { return components_; }

 private:
  item_sets components_;
};

/// Text that does not follow its format. Lines and columns count from one; a column counts bytes.
class parse_error : public error {
 public:
  parse_error(std::string file, std::int64_t line, std::int64_t column, const std::string& what)
      : error(file + ":" + std::to_string(line) + ":" + std::to_string(column) + ": " + what),
        file_(std::move(file)),
        reason_(what),
        line_(line),
        column_(column) {}
  const std::string& file() const noexcept { return file_; }
  const std::string& reason() const noexcept { return reason_; }
  std::int64_t line() const noexcept { return line_; }
  std::int64_t column() const noexcept { return column_; }

 private:
  std::string file_, reason_;
  std::int64_t line_, column_;
};

namespace detail::inline ZERMELO_ISA {

/// The shortest text that reads back as x.
inline std::string text(double x) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, x).ptr;
  return {buffer, end};
}

}  // namespace detail::inline ZERMELO_ISA
}  // namespace zermelo::inline v1
