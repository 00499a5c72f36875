// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <algorithm>
#include <cstdio>
#include <string_view>
#include <system_error>

#include "conformance.hpp"

namespace {

using namespace conformance;
namespace fs = std::filesystem;

struct tally {
  std::int64_t passed = 0, failed = 0, unknown = 0;
  std::vector<std::string> remarks = {};

  void count(const report& r) {
    ++(r.outcome == verdict::passed ? passed : r.outcome == verdict::failed ? failed : unknown);
    remarks.insert(remarks.end(), r.remarks.begin(), r.remarks.end());
  }
  std::int64_t cases() const { return passed + failed + unknown; }
};

/// Runs the files of one folder, which is a cluster; methods may spread over several files.
std::map<std::string, tally> run_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  const std::string cluster = folder.filename().string();
  std::map<std::string, tally> methods;
  for (const fs::path& file : files) {
    try {
      const json content = read_cases(file);
      tally& t = methods[cluster + "/" + content.at("method").get<std::string>()];
      const auto method = known_methods().find({cluster, content.at("method").get<std::string>()});
      for (const json& one_case : content.at("cases"))
        t.count(method == known_methods().end() ? report{.outcome = verdict::unknown, .remarks = {}}
                                                : check(method->second, one_case, folder));
    } catch (const std::exception& e) {
      methods[cluster + "/" + file.stem().string()].count(
          {.outcome = verdict::failed, .remarks = {"failed: " + file.string() + ": " + e.what()}});
    }
  }
  return methods;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty()) {
    std::fputs("usage: vectors DIR... | --list\n", stderr);
    return 2;
  }
  if (arguments.front() == "--list") {
    for (const auto& [name, backends] : known_methods())
      std::printf("%s/%s\n", name.first.c_str(), name.second.c_str());
    return 0;
  }
  tally total;
  for (const std::string& argument : arguments) {
    std::error_code problem;
    const fs::path folder = fs::canonical(argument, problem);
    if (problem || !fs::is_directory(folder)) {
      std::fprintf(stderr, "vectors: %s is not a folder\n", argument.c_str());
      return 2;
    }
    const auto methods = run_folder(folder);
    if (methods.empty()) std::fprintf(stderr, "vectors: there is no *.json in %s\n", argument.c_str());
    for (const auto& [name, t] : methods) {
      std::printf("%-44s %lld passed, %lld failed, %lld unknown\n", name.c_str(), static_cast<long long>(t.passed),
                  static_cast<long long>(t.failed), static_cast<long long>(t.unknown));
      for (const std::string& remark : t.remarks) std::printf("    %s\n", remark.c_str());
      total.passed += t.passed, total.failed += t.failed, total.unknown += t.unknown;
    }
    std::fflush(stdout);
  }
  std::printf("vectors: %lld passed, %lld failed, %lld unknown\n", static_cast<long long>(total.passed),
              static_cast<long long>(total.failed), static_cast<long long>(total.unknown));
  if (total.cases() == 0) return 2;
  return total.failed > 0 ? 1 : 0;
}
