// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "../../core/config.hpp"
#include "scan.hpp"

namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA {

/// Reads JSON (RFC 8259) from one line, strictly, without building a tree. Every function returns false where the text
/// breaks the grammar; `why` then says what was expected and `at` is where.
class json_cursor {
 public:
  static constexpr int deepest = 256;

  json_cursor(const char* begin, const char* end) : at(begin), end_(end) {}

  const char* at;
  const char* why = nullptr;

  bool done() const { return at == end_; }
  char peek() const { return at == end_ ? '\0' : *at; }

  void blanks() {
    while (at != end_ && (*at == ' ' || *at == '\t' || *at == '\r')) ++at;
  }

  bool expect(char c, const char* otherwise) {
    if (peek() != c) return fail(otherwise);
    ++at;
    return true;
  }

  /// A string at `at`: `text` views the line where nothing is escaped, `scratch` otherwise.
  bool string(std::string& scratch, std::string_view& text) {
    const char* opening = at;
    if (!expect('"', "expected a string")) return false;
    const char* begin = at;
    at = plain_end(at, end_);
    if (peek() == '"') [[likely]] {
      text = {begin, static_cast<std::size_t>(at - begin)};
      ++at;
      return true;
    }
    scratch.clear();
    for (;;) {
      scratch.append(begin, at);
      if (done()) {
        at = opening;
        return fail("string is never closed");
      }
      if (*at == '"') break;
      if (*at != '\\') return fail("control character in a string: expected it escaped");
      if (!escape(scratch)) return false;
      begin = at;
      at = plain_end(at, end_);
    }
    ++at;
    text = scratch;
    return true;
  }

  bool number(std::string_view& text) {
    const char* begin = at;
    if (peek() == '-') ++at;
    if (peek() == '0')
      ++at;
    else if (!digits())
      return false;
    if (peek() == '.') {
      ++at;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at;
      if (peek() == '+' || peek() == '-') ++at;
      if (!digits()) return false;
    }
    text = {begin, static_cast<std::size_t>(at - begin)};
    return true;
  }

  /// Any value, checked and passed over.
  bool skip(int depth = 1) {
    std::string_view ignored;
    switch (peek()) {
      case '"':
        return string(skipped_, ignored);
      case '{':
      case '[':
        return skip_nested(depth);
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      case '-':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9':
        return number(ignored);
      default:
        return fail("expected a value");
    }
  }

  bool fail(const char* what) {
    why = what;
    return false;
  }

 private:
  bool digits() {
    if (peek() < '0' || peek() > '9') return fail("expected a digit");
    while (peek() >= '0' && peek() <= '9') ++at;
    return true;
  }

  bool word(std::string_view w) {
    if (std::string_view(at, static_cast<std::size_t>(end_ - at)).substr(0, w.size()) != w)
      return fail("expected a value");
    at += w.size();
    return true;
  }

  bool skip_nested(int depth) {
    if (depth > deepest) return fail("values nested deeper than 256");
    const bool object = *at == '{';
    const char close = object ? '}' : ']';
    ++at;
    blanks();
    if (peek() == close) {
      ++at;
      return true;
    }
    for (;;) {
      if (object) {
        std::string_view ignored;
        if (!string(skipped_, ignored)) return false;
        blanks();
        if (!expect(':', "expected ':' after the key")) return false;
        blanks();
      }
      if (!skip(depth + 1)) return false;
      blanks();
      if (peek() == close) {
        ++at;
        return true;
      }
      if (!expect(',', object ? "expected ',' or '}'" : "expected ',' or ']'")) return false;
      blanks();
    }
  }

  bool four_hex(std::uint32_t& unit) {
    unit = 0;
    for (int k = 0; k < 4; ++k) {
      const char c = peek();
      std::uint32_t digit;
      if (c >= '0' && c <= '9')
        digit = static_cast<std::uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        digit = static_cast<std::uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F')
        digit = static_cast<std::uint32_t>(c - 'A' + 10);
      else
        return fail("expected four hexadecimal digits after \\u");
      unit = unit << 4 | digit;
      ++at;
    }
    return true;
  }

  bool escape(std::string& out) {
    const char* begin = at;
    ++at;
    const char c = peek();
    if (!done()) ++at;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return true;
      case 'b':
        out += '\b';
        return true;
      case 'f':
        out += '\f';
        return true;
      case 'n':
        out += '\n';
        return true;
      case 'r':
        out += '\r';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'u':
        break;
      default:
        at = begin;
        return fail("unknown escape");
    }
    std::uint32_t code;
    if (!four_hex(code)) return false;
    if (code >= 0xd800 && code <= 0xdfff) {
      std::uint32_t low = 0;
      const bool pair = code <= 0xdbff && end_ - at >= 2 && at[0] == '\\' && at[1] == 'u';
      if (pair) {
        at += 2;
        if (!four_hex(low)) return false;
      }
      if (low < 0xdc00 || low > 0xdfff) {
        at = begin;
        return fail("a surrogate without its other half");
      }
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | code >> 6);
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xe0 | code >> 12);
      out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      out += static_cast<char>(0xf0 | code >> 18);
      out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
      out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
    return true;
  }

  const char* end_;
  std::string skipped_;
};

}  // namespace zermelo::inline v1::io::detail::inline ZERMELO_ISA
