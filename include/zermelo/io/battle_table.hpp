// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../core/config.hpp"
#include "../preference/outcome.hpp"

/// What io/battles.hpp reads, and how it is told to.
namespace zermelo::inline v1::io {

using preference::outcome;

enum class battle_format : std::uint8_t {
  automatic,  ///< JSON lines if the first character that is not blank is '{', CSV otherwise
  csv,
  jsonl
};

/// What to do with a record that cannot be read.
enum class error_policy : std::uint8_t {
  refuse,  ///< throw parse_error at the first one
  collect  ///< list it in `rejected` and go on
};

/// Names of columns or keys. Empty: found as described above. Items come in pairs: name both or none; so do wins.
struct battle_columns {
  std::string first = {}, second = {};            ///< the items
  std::string outcome = {};                       ///< who won
  std::string weight = {};                        ///< a finite number ≥ 0 that multiplies the battle
  std::string first_wins = {}, second_wins = {};  ///< instead of an outcome: whole numbers ≥ 0
  std::string ties = {};
};

/// Texts of the outcome column. All empty: as described above; otherwise exactly these.
struct battle_labels {
  std::vector<std::string> first = {}, second = {}, tie = {}, both_bad = {};
};

struct battle_options {
  battle_format format = battle_format::automatic;
  battle_columns columns = {};
  battle_labels labels = {};
  char delimiter = ',';  ///< CSV only: an ASCII character other than a quotation mark or a line end
  error_policy on_error = error_policy::refuse;
  std::string name = {};                                ///< the file's name in messages; empty: its path, or <memory>
  std::int64_t chunk_bytes = std::int64_t{1} << 20;     ///< read at a time from files and sources
  std::int64_t longest_record = std::int64_t{1} << 26;  ///< bytes; a longer record is a parse_error in any case
};

/// A record that adds no battle and no item.
struct rejected_line {
  std::int64_t line;    ///< counted from 1: where the record begins
  std::int64_t column;  ///< counted from 1, in bytes from the beginning of the record
  std::string reason;   ///< what was found or expected
};

struct battle {
  std::int32_t first, second;  ///< ids of the items
  io::outcome outcome;
  bool both_bad;  ///< a tie in which both were called bad
  double weight;
};

/// What was read: items and rejected lines, and counts that add up: records = accepted + rejected.size().
struct battle_summary {
  std::vector<std::string> items = {};  ///< names by id, in order of first appearance in an accepted record
  std::vector<rejected_line> rejected = {};
  std::int64_t bytes = 0;
  std::int64_t lines = 0;        ///< physical lines, with the header and blank ones
  std::int64_t blank_lines = 0;  ///< outside of records
  std::int64_t records = 0;      ///< without the header
  std::int64_t accepted = 0;     ///< records that were understood
  std::int64_t battles = 0;      ///< = accepted, unless a record counts several outcomes
  /// Records told how often each item won: a weight w stands for w battles of weight one.
  bool counted = false;
};

/// Battles by columns, in the order of the text.
struct battle_table : battle_summary {
  std::vector<std::int32_t> first = {}, second = {};
  std::vector<io::outcome> outcome = {};
  std::vector<double> weight = {};          ///< empty: all one
  std::vector<std::int64_t> both_bad = {};  ///< indices, ascending, of the ties in which both were called bad
};

/// Called with every accepted battle: either sink(battle) or sink(first, second, outcome, weight).
template <class S>
concept battle_sink =
    std::invocable<S&, const battle&> || std::invocable<S&, std::int32_t, std::int32_t, outcome, double>;

/// source(to, room) writes at most `room` > 0 bytes at `to` and returns how many; 0 is the end.
template <class S>
concept byte_source =
    std::is_invocable_r_v<std::size_t, S&, char*, std::size_t> && !std::convertible_to<S, std::string_view>;

}  // namespace zermelo::inline v1::io
