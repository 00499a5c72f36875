// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "conformance.hpp"

#include <fstream>
#include <limits>
#include <zermelo/core/error.hpp>

#include "catch.hpp"

using namespace conformance;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

/// How many differences, and how many unknown keys.
std::pair<std::size_t, std::size_t> count(const json& got, const json& expected) {
  const comparison c = compare(got, expected, {.relative = 1e-3, .absolute = 1e-6});
  return {c.differences.size(), c.unknown.size()};
}

verdict outcome_of(std::function<results(const inputs&)> f, const json& expected, const json& given = json::object()) {
  return check({{"host", std::move(f)}}, {{"name", "a case"}, {"inputs", given}, {"expected", expected}}, "").outcome;
}

using differences_and_unknown = std::pair<std::size_t, std::size_t>;
constexpr differences_and_unknown agree{0, 0}, differ{1, 0}, unknown{0, 1};

}  // namespace

TEST_CASE("a number passes within absolute plus relative tolerance, and not beyond") {
  CHECK(count({{"x", 1000.9}}, {{"x", 1000}}) == agree);
  CHECK(count({{"x", 1001.1}}, {{"x", 1000}}) == differ);
  CHECK(count({{"x", 9e-7}}, {{"x", 0.0}}) == agree);
  CHECK(count({{"x", 2e-6}}, {{"x", 0.0}}) == differ);
  CHECK(count({{"x", not_a_number}}, {{"x", 0.0}}) == differ);
  CHECK(count({{"x", infinity}}, {{"x", 1e300}}) == differ);
}

TEST_CASE("whole numbers on both sides must be equal") {
  CHECK(count({{"x", 100000}}, {{"x", 100001}}) == differ);
  CHECK(count({{"x", 100000.0}}, {{"x", 100001}}) == agree);
}

TEST_CASE("infinities and NaN are texts, and null is NaN") {
  CHECK(count({{"x", infinity}}, {{"x", "inf"}}) == agree);
  CHECK(count({{"x", -infinity}}, {{"x", "inf"}}) == differ);
  CHECK(count({{"x", 1e308}}, {{"x", "inf"}}) == differ);
  CHECK(count({{"x", not_a_number}}, {{"x", "nan"}}) == agree);
  CHECK(count({{"x", not_a_number}}, {{"x", nullptr}}) == agree);
  CHECK(count({{"x", nullptr}}, {{"x", nullptr}}) == agree);
  CHECK(count({{"x", 0.0}}, {{"x", nullptr}}) == differ);
  CHECK(count({{"x", nullptr}}, {{"x", 0.0}}) == differ);
}

TEST_CASE("kinds, texts and lengths must be the same") {
  CHECK(count({{"x", "ant"}}, {{"x", "bee"}}) == differ);
  CHECK(count({{"x", true}}, {{"x", false}}) == differ);
  CHECK(count({{"x", true}}, {{"x", 1}}) == differ);
  CHECK(count({{"x", {1.0, 2.0}}}, {{"x", {1.0, 2.0, 3.0}}}) == differ);
  CHECK(count({{"x", json::array()}}, {{"x", 1.0}}) == differ);
  CHECK(count({{"x", 1.0}}, {{"x", {1.0}}}) == differ);
  const auto found = compare({{"x", {{1.0, 2.0}, {3.0, 4.0}}}}, {{"x", {{1.0, 2.0}, {3.5, 4.0}}}}, {});
  REQUIRE(found.differences.size() == 1);
  CHECK(found.differences[0].path == "x[1][0]");
}

TEST_CASE("what nobody asked for is ignored, what is not computed is unknown, what peers printed is never asserted") {
  CHECK(count({{"x", 1.0}, {"y", 2.0}}, {{"x", 1.0}}) == agree);
  CHECK(count({{"x", 1.0}}, {{"x", 1.0}, {"y", 2.0}}) == unknown);
  CHECK(count({{"x", {{"y", 1.0}}}}, {{"x", {{"y", 1.0}, {"z", 2.0}}}}) == unknown);
  CHECK(count({{"x", 1.0}}, {{"x", 1.0}, {"peer_choix", {1.0, 2.0}}}) == agree);
  CHECK(count({{"x", 1.0}}, {{"x", 1.0}, {"note", "by hand"}, {"x_exact", "1"}, {"y_exact", {"1/2", "1/3"}}}) == agree);
}

TEST_CASE("a case fails if anything known does, and is unknown only if nothing does") {
  const auto one = [](const inputs&) { return results{{"x", 1.0}}; };
  CHECK(outcome_of(one, {{"x", 1.0}}) == verdict::passed);
  CHECK(outcome_of(one, {{"x", 1.0}, {"y", 1.0}}) == verdict::unknown);
  CHECK(outcome_of(one, {{"x", 2.0}, {"y", 1.0}}) == verdict::failed);
  CHECK(outcome_of([](const inputs&) -> results { throw unsupported("not yet"); }, {{"x", 1.0}}) == verdict::unknown);
  CHECK(outcome_of([](const inputs&) -> results { throw std::runtime_error("oh"); }, {{"x", 1.0}}) == verdict::failed);
  CHECK(outcome_of([](const inputs& in) { return results{{"x", in.number("x")}}; }, {{"x", 1.0}}) == verdict::failed);
}

TEST_CASE("an expected error must be one of the library's") {
  const json error{{"error", "bad_input"}};
  CHECK(outcome_of([](const inputs&) -> results { throw zermelo::error("no"); }, error) == verdict::passed);
  CHECK(outcome_of([](const inputs&) -> results { throw zermelo::error("no"); }, {{"x", 1}}) == verdict::failed);
  CHECK(outcome_of([](const inputs&) -> results { throw std::runtime_error("no"); }, error) == verdict::failed);
  CHECK(outcome_of([](const inputs&) { return results{{"error", "bad_input"}}; }, error) == verdict::failed);
  CHECK(outcome_of([](const inputs&) { return results{{"error", 0.5}}; }, {{"error", 0.5}}) == verdict::passed);
}

TEST_CASE("an error that names its mathematics must be of that kind") {
  const auto islands = [](const inputs&) -> results { throw zermelo::not_identifiable("islands", {{0}, {1}}); };
  CHECK(outcome_of(islands, {{"error", "not_identifiable"}}) == verdict::passed);
  CHECK(outcome_of(islands, {{"error", "mle_does_not_exist"}}) == verdict::failed);
  CHECK(outcome_of(islands, {{"error", true}}) == verdict::passed);
}

TEST_CASE("inputs that cannot be passed on are refused as the library would") {
  const auto reads = [](const char* name) {
    return [=](const inputs& in) {
      in.matrix(name, 2, 2);
      return results{};
    };
  };
  const json error{{"error", "bad_input"}};
  CHECK(outcome_of(reads("x"), json::object(), {{"x", {{1, 2}, {3, "inf"}}}}) == verdict::passed);
  CHECK(outcome_of(reads("x"), error, {{"x", {{1, 2}, {3}}}}) == verdict::passed);
  CHECK(outcome_of(reads("x"), error, {{"x", {{1, 2}}}}) == verdict::passed);
  CHECK(outcome_of(reads("x"), error, {{"x", {{1, 2}, {3, "four"}}}}) == verdict::passed);
  CHECK(outcome_of(
            [](const inputs& in) {
              return results{{"x", in.integers("x")}};
            },
            error, {{"x", {0.5}}}) == verdict::passed);
}

TEST_CASE("a method with a policy runs on every backend of the host, one without on one") {
  const std::pair<std::string, std::string> with{"test", "with"}, without{"test", "without"};
  const method first(with.first, with.second, [](const inputs&, auto&&) { return results{}; });
  const method second(without.first, without.second, [](const inputs&) { return results{}; });
  CHECK(known_methods().at(with).size() == 2 + schedulers::all().size());
  CHECK(known_methods().at(without).size() == 1);
}

TEST_CASE("numbers in keys are found by pattern") {
  CHECK(numbers_in("gamma_shape_2.0_rate_0.5", "gamma_shape_#_rate_#") == std::vector<double>{2, 0.5});
  CHECK(numbers_in("precision_1e-3", "precision_#") == std::vector<double>{1e-3});
  CHECK(!numbers_in("precision_", "precision_#"));
  CHECK(!numbers_in("precision_1_", "precision_#"));
  CHECK(!numbers_in("shape_1", "precision_#"));
}

TEST_CASE("where several results are right, the certificate is compared") {
  const json got = {{"nash", one_of_several(1e-13)}}, wrong = {{"nash", one_of_several(1e-3)}};
  const json expected = {{"nash", {0.0, 1.0}}};
  CHECK(compare(got, expected, {}).differences.empty());
  CHECK(compare(wrong, expected, {}).differences.size() == 1);
}

TEST_CASE("files may hold the NaN and Infinity that Python writes") {
  const auto file = std::filesystem::temp_directory_path() / "zermelo_conformance_test.json";
  std::ofstream(file) << R"({"x": [NaN, -Infinity, Infinity], "text": "say \"NaN\" or \\", "y": NaN})";
  const json read = read_cases(file);
  std::filesystem::remove(file);
  CHECK(read == json{{"x", {"NaN", "-Infinity", "Infinity"}}, {"text", "say \"NaN\" or \\"}, {"y", "NaN"}});
}
