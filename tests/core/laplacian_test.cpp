// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "zermelo/core/laplacian.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "../catch.hpp"
#include "zermelo/core/detail/dense_factor.hpp"
#include "zermelo/core/execution/threads.hpp"

namespace {

using std::int64_t;
using numbers = std::vector<double>;

std::size_t z(int64_t i) { return static_cast<std::size_t>(i); }

/// A graph from a list of weighted pairs, with the rows that a laplacian_view looks at.
struct graph {
  std::vector<int64_t> offsets{0};
  std::vector<std::int32_t> columns;
  numbers weights, shift;

  graph(int64_t n, const std::map<std::pair<int64_t, int64_t>, double>& pairs) {
    std::vector<std::vector<std::pair<int64_t, double>>> rows(z(n));
    for (const auto& [ij, v] : pairs) {
      rows[z(ij.first)].emplace_back(ij.second, v);
      rows[z(ij.second)].emplace_back(ij.first, v);
    }
    for (const auto& row : rows) {
      for (const auto& [j, v] : row) {
        columns.push_back(static_cast<std::int32_t>(j));
        weights.push_back(v);
      }
      offsets.push_back(static_cast<int64_t>(columns.size()));
    }
  }
  int64_t size() const { return static_cast<int64_t>(offsets.size()) - 1; }
  zermelo::laplacian_view view() const { return {offsets, columns, weights, shift}; }
};

using pairs = std::map<std::pair<int64_t, int64_t>, double>;

/// d random partners for each vertex, among the next `band` ones (all for 0); a ring joins everything.
graph random_graph(int64_t n, int64_t d, int64_t band, std::mt19937_64& random, double smallest = 0.05,
                   double largest = 1) {
  pairs p;
  std::uniform_real_distribution<double> log_weight(std::log(smallest), std::log(largest));
  const auto join = [&](int64_t i, int64_t j) {
    if (i != j) p[{(std::min)(i, j), (std::max)(i, j)}] = std::exp(log_weight(random));
  };
  for (int64_t i = 0; i < n; ++i) {
    if (i + 1 < n) join(i, i + 1);
    for (int64_t k = 0; k < d; ++k) {
      const int64_t step = 1 + static_cast<int64_t>(random() % static_cast<std::uint64_t>(band > 0 ? band : n));
      if (band == 0 || i + step < n) join(i, (i + step) % n);
    }
  }
  return {n, p};
}

graph path(int64_t n) {
  pairs p;
  for (int64_t i = 0; i + 1 < n; ++i) p[{i, i + 1}] = 1;
  return {n, p};
}

graph star(int64_t n) {
  pairs p;
  for (int64_t i = 1; i < n; ++i) p[{0, i}] = static_cast<double>(i % 7) + 0.5;
  return {n, p};
}

graph complete(int64_t n) {
  pairs p;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j) p[{j, i}] = 1 + static_cast<double>((i + j) % 3);
  return {n, p};
}

graph grid(int64_t side) {
  pairs p;
  for (int64_t i = 0; i < side; ++i)
    for (int64_t j = 0; j < side; ++j) {
      if (i + 1 < side) p[{i * side + j, (i + 1) * side + j}] = 1;
      if (j + 1 < side) p[{i * side + j, i * side + j + 1}] = 1;
    }
  return {side * side, p};
}

numbers random_vector(int64_t n, std::mt19937_64& random, bool centred = true) {
  std::uniform_real_distribution<double> u(-1, 1);
  numbers v(z(n));
  double sum = 0;
  for (double& x : v) sum += x = u(random);
  if (centred)
    for (double& x : v) x -= sum / static_cast<double>(n);
  return v;
}

double norm(const numbers& v) {
  double s = 0;
  for (const double x : v) s += x * x;
  return std::sqrt(s);
}

double distance(const numbers& a, const numbers& b) {
  double s = 0;
  for (std::size_t i = 0; i < a.size(); ++i) s += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(s);
}

std::vector<std::vector<long double>> dense(const graph& g) {
  const auto n = z(g.size());
  std::vector<std::vector<long double>> a(n, std::vector<long double>(n, 0));
  for (std::size_t i = 0; i < n; ++i) {
    if (!g.shift.empty()) a[i][i] += g.shift[i];
    for (auto e = z(g.offsets[i]); e < z(g.offsets[i + 1]); ++e) {
      a[i][z(g.columns[e])] -= g.weights[e];
      a[i][i] += g.weights[e];
    }
  }
  return a;
}

/// Gaussian elimination with pivoting in long double; without shift, 11ᵀ·scale takes care of the kernel.
numbers dense_solve(const graph& g, const numbers& b) {
  auto a = dense(g);
  const std::size_t n = b.size();
  if (g.shift.empty())
    for (auto& row : a)
      for (auto& x : row) x += 1 / static_cast<long double>(n);
  std::vector<long double> x(b.begin(), b.end());
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t best = k;
    for (std::size_t i = k; i < n; ++i)
      if (std::abs(a[i][k]) > std::abs(a[best][k])) best = i;
    std::swap(a[k], a[best]);
    std::swap(x[k], x[best]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const long double f = a[i][k] / a[k][k];
      for (std::size_t j = k; j < n; ++j) a[i][j] -= f * a[k][j];
      x[i] -= f * x[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) x[k] -= a[k][j] * x[j];
    x[k] /= a[k][k];
  }
  return {x.begin(), x.end()};
}

/// ‖b − L x‖ / ‖b‖, recomputed
double residual(const graph& g, const numbers& b, const numbers& x) {
  numbers y(x.size());
  zermelo::multiply(zermelo::serial{}, g.view(), x, y);
  return distance(b, y) / norm(b);
}

using method = zermelo::laplacian_preconditioner;
using zermelo::status;

}  // namespace

TEST_CASE("A Laplacian times a vector is the dense product, and the energy is x times it") {
  std::mt19937_64 random(1);
  for (const int64_t n : {1, 2, 3, 17, 60}) {
    for (const bool shifted : {false, true}) {
      graph g = random_graph(n, 3, 0, random);
      if (shifted) g.shift = numbers(z(n), 0.25);
      const numbers x = random_vector(n, random, false);
      numbers y(z(n));
      const double energy = zermelo::multiply(g.view(), x, y);
      const auto a = dense(g);
      long double expected_energy = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        long double expected = 0;
        for (std::size_t j = 0; j < x.size(); ++j) expected += a[i][j] * x[j];
        expected_energy += expected * x[i];
        CHECK(y[i] == Approx(static_cast<double>(expected)).margin(1e-14 * static_cast<double>(a[i][i]) * 10));
      }
      CHECK(energy == Approx(static_cast<double>(expected_energy)).epsilon(1e-12).margin(1e-15));
    }
  }
}

TEST_CASE("All preconditioners reach the dense solution") {
  std::mt19937_64 random(2);
  std::vector<graph> graphs{path(2), path(30), star(25), complete(12), grid(6)};
  for (const int64_t n : {3, 8, 40}) graphs.push_back(random_graph(n, 2, 0, random));
  for (graph& g : graphs) {
    for (const bool shifted : {false, true}) {
      if (shifted) {
        g.shift = numbers(z(g.size()), 0);
        for (double& s : g.shift) s = random() % 2 ? 0.5 : 0;
        g.shift[0] = 1;
      }
      const numbers b = random_vector(g.size(), random, !shifted), expected = dense_solve(g, b);
      for (const method m : {method::automatic, method::jacobi, method::multigrid}) {
        numbers x(b.size(), 0.0);
        const auto solution = zermelo::solve_laplacian(g.view(), b, x, {.tolerance = 1e-13, .preconditioner = m});
        // condition numbers here stay below 1e3: a residual of 1e-13, or where rounding stops it, leaves 1e-10
        CHECK(distance(x, expected) <= 1e-10 * norm(expected));
        CHECK(solution.convergence.residual <= 1e-12);
        CHECK(residual(g, b, x) <= 1e-12);
      }
    }
  }
}

TEST_CASE("Without a shift, right-hand sides are centred and solutions sum to zero") {
  std::mt19937_64 random(3);
  const graph g = random_graph(50, 3, 0, random);
  const numbers b = random_vector(50, random);
  numbers lifted = b, x(50, 0.0), y(50, 3.0);
  for (double& v : lifted) v += 5;
  zermelo::solve_laplacian(g.view(), b, x);
  zermelo::solve_laplacian(g.view(), lifted, y);
  double sum = 0;
  for (const double v : y) sum += v;
  CHECK(std::abs(sum) <= 1e-12);
  CHECK(distance(x, y) <= 1e-8 * norm(x));
}

TEST_CASE("The smallest systems, and those without a right-hand side, are solved") {
  for (const method m : {method::automatic, method::jacobi, method::multigrid}) {
    const zermelo::laplacian_parameters p{.preconditioner = m};
    CHECK(zermelo::solve_laplacian(zermelo::laplacian_view{}, {}, {}, p).convergence.status == status::converged);
    numbers one{4};
    CHECK(zermelo::solve_laplacian(path(1).view(), numbers{0}, one, p).convergence.status == status::converged);
    CHECK(one[0] == 0);
    graph lone = path(1);
    lone.shift = {4};
    CHECK(zermelo::solve_laplacian(lone.view(), numbers{2}, one, p).convergence.status == status::converged);
    CHECK(one[0] == 0.5);
    numbers two{7, 7};
    graph pair = path(2);
    pair.weights = {0.25, 0.25};
    zermelo::solve_laplacian(pair.view(), numbers{1, -1}, two, p);
    CHECK(two[0] == Approx(2).epsilon(1e-15));
    CHECK(two[1] == Approx(-2).epsilon(1e-15));
    pair.weights = {1e-310, 1e-310};  // as good as no edge
    CHECK(zermelo::solve_laplacian(pair.view(), numbers{1, -1}, two, p).convergence.status == status::stalled);
    numbers nothing{7, 7};
    CHECK(zermelo::solve_laplacian(pair.view(), numbers{0, 0}, nothing, p).convergence.iterations == 0);
    CHECK(nothing == numbers{0, 0});
  }
}

TEST_CASE("Islands that a shift holds are solved each, and islands without one stall or converge, but never blow up") {
  std::mt19937_64 random(4);
  pairs p;
  for (int64_t i = 0; i < 450; ++i)
    if (i % 30 != 29) p[{i, i + 1}] = 1;
  graph g(451, p);  // fifteen paths and a vertex without edges
  g.shift = numbers(451, 0.01);
  const numbers b = random_vector(451, random, false), expected = dense_solve(g, b);
  for (const method m : {method::automatic, method::jacobi, method::multigrid}) {
    numbers x(451, 0.0);
    const auto s = zermelo::solve_laplacian(g.view(), b, x, {.tolerance = 1e-12, .preconditioner = m});
    CHECK(s.convergence.status == status::converged);
    CHECK(distance(x, expected) <= 1e-9 * norm(expected));
  }
  g.shift.clear();
  const graph islands(451, p);
  numbers consistent(451);
  zermelo::multiply(islands.view(), random_vector(451, random), consistent);
  for (const method m : {method::jacobi, method::multigrid}) {
    numbers x(451, 0.0);
    const auto s = zermelo::solve_laplacian(islands.view(), consistent, x, {.tolerance = 1e-9, .preconditioner = m});
    CHECK(s.convergence.status == status::converged);
    CHECK(residual(islands, consistent, x) <= 2e-9);
    const auto no = zermelo::solve_laplacian(islands.view(), b, x, {.max_iterations = 200, .preconditioner = m});
    CHECK(no.convergence.status != status::converged);
    CHECK(std::isfinite(norm(x)));
  }
}

TEST_CASE("Multigrid copes with weights between 1e-12 and 1e6") {
  std::mt19937_64 random(5);
  for (const int64_t n : {50, 3000}) {
    const graph g = random_graph(n, 3, n / 10, random, 1e-12, 1e6);
    const numbers wanted = random_vector(n, random);
    numbers b(z(n)), x(z(n), 0.0);
    zermelo::multiply(g.view(), wanted, b);
    const auto s = zermelo::solve_laplacian(g.view(), b, x, {.tolerance = 1e-9, .preconditioner = method::multigrid});
    CHECK(s.convergence.status == status::converged);
    CHECK(residual(g, b, x) <= 2e-9);
    CHECK(s.convergence.iterations <= 40);  // measured: 19 to 25
  }
}

TEST_CASE("Multigrid's iterations do not grow with the size on paths, grids, bands and stars") {
  std::mt19937_64 random(6);
  const auto iterations = [&](const graph& g) {
    const numbers b = random_vector(g.size(), random);
    numbers x(b.size(), 0.0);
    const auto s = zermelo::solve_laplacian(g.view(), b, x, {.tolerance = 1e-8, .preconditioner = method::multigrid});
    CHECK(s.convergence.status == status::converged);
    CHECK(residual(g, b, x) <= 1.01e-8);
    return s.convergence.iterations;
  };
  // measured: 2 for the star, 12 to 19 for the others
  CHECK(iterations(path(1000)) <= 25);
  CHECK(iterations(path(30000)) <= 25);
  CHECK(iterations(grid(40)) <= 25);
  CHECK(iterations(grid(160)) <= 25);
  CHECK(iterations(random_graph(3000, 6, 50, random)) <= 25);
  CHECK(iterations(random_graph(30000, 6, 50, random)) <= 25);
  CHECK(iterations(star(20000)) <= 25);
  CHECK(iterations(random_graph(20000, 3, 0, random)) <= 25);
}

TEST_CASE("Automatic stays with the diagonal where that is quick, and changes to multigrid where it crawls") {
  std::mt19937_64 random(7);
  const graph quick = random_graph(5000, 6, 0, random), slow = path(20000);
  numbers b = random_vector(5000, random), x(5000, 0.0);
  CHECK(zermelo::solve_laplacian(quick.view(), b, x).preconditioner == method::jacobi);
  CHECK(residual(quick, b, x) <= 1e-10);
  b = random_vector(20000, random);
  x.assign(20000, 0.0);
  const auto s = zermelo::solve_laplacian(slow.view(), b, x, {.tolerance = 1e-8});
  CHECK(s.preconditioner == method::multigrid);
  CHECK(s.convergence.status == status::converged);
  CHECK(residual(slow, b, x) <= 1.01e-8);
}

TEST_CASE("A tolerance that cannot be met ends in a status") {
  std::mt19937_64 random(12);
  const graph g = path(3000);
  const numbers b = random_vector(3000, random);
  for (const double tolerance : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(), 1e-40}) {
    zermelo::laplacian_solver solver;
    for (int round = 0; round < 2; ++round) {
      numbers x(3000, 0.0);
      const auto s = solver.solve(zermelo::simd{}, g.view(), b, x, {.tolerance = tolerance, .max_iterations = 2000});
      CHECK(s.convergence.status != status::converged);
      CHECK(residual(g, b, x) <= 1e-8);  // eps times the condition number of the path, 4e6
    }
  }
}

TEST_CASE("Every policy gives the same bits") {
  std::mt19937_64 random(8);
  const graph g = random_graph(30000, 4, 40, random);
  const numbers b = random_vector(30000, random);
  const auto solve = [&](auto&& policy, method m) {
    numbers x(30000, 0.0);
    zermelo::solve_laplacian(policy, g.view(), b, x, {.tolerance = 1e-6, .max_iterations = 70, .preconditioner = m});
    numbers y(30000);
    zermelo::multiply(policy, g.view(), x, y);
    x.insert(x.end(), y.begin(), y.end());
    return x;
  };
  for (const method m : {method::jacobi, method::multigrid}) {
    const numbers expected = solve(zermelo::simd{}, m);
    CHECK(solve(zermelo::serial{}, m) == expected);
    for (const int n : {1, 2, 3}) CHECK(solve(zermelo::threads(n), m) == expected);
  }
}

TEST_CASE("A solver that has seen a structure takes new weights without new aggregates") {
  std::mt19937_64 random(9);
  graph g = random_graph(20000, 5, 40, random);
  zermelo::laplacian_solver solver;
  int64_t first = 0;
  for (int round = 0; round < 4; ++round) {
    const numbers b = random_vector(20000, random);
    numbers x(20000, 0.0);
    const auto s = solver.solve(zermelo::simd{}, g.view(), b, x, {.tolerance = 1e-9});
    CHECK(s.preconditioner == method::multigrid);
    CHECK(residual(g, b, x) <= 1.01e-9);
    if (round == 0) first = s.convergence.iterations;
    if (round > 0) CHECK(s.convergence.iterations < first);  // no trial of the diagonal any more
    for (int64_t i = 0; i < g.size(); ++i)                   // new weights, symmetric
      for (auto e = z(g.offsets[z(i)]); e < z(g.offsets[z(i) + 1]); ++e)
        g.weights[e] *= 1 + 0.5 * std::sin(static_cast<double>(i + g.columns[e] + round));
  }
  for (const graph& other : {random_graph(20000, 5, 60, random), path(20000), path(700)}) {  // other graphs may follow
    const numbers b = random_vector(other.size(), random);
    numbers x(b.size(), 0.0);
    const auto s = solver.solve(zermelo::simd{}, other.view(), b, x, {.tolerance = 1e-9});
    CHECK(s.convergence.status == status::converged);
    CHECK(residual(other, b, x) <= 1.01e-9);
    CHECK(s.convergence.iterations <= 100);
  }
}

TEST_CASE("With two levels the multigrid cycle is linear, symmetric and positive") {
  std::mt19937_64 random(10);
  const graph g = grid(40);
  zermelo::aggregation_multigrid hierarchy;
  hierarchy.build(zermelo::simd{}, g.view());
  REQUIRE(hierarchy.sizes().size() == 2);
  CHECK(hierarchy.sizes().front() == 1600);
  const numbers u = random_vector(1600, random), v = random_vector(1600, random);
  numbers mu(1600), mv(1600), again(1600);
  hierarchy.apply(zermelo::simd{}, g.view(), u, mu);
  hierarchy.apply(zermelo::simd{}, g.view(), v, mv);
  double umv = 0, vmu = 0, umu = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    umv += u[i] * mv[i];
    vmu += v[i] * mu[i];
    umu += u[i] * mu[i];
  }
  CHECK(umv == Approx(vmu).epsilon(1e-11));
  CHECK(umu > 0);
  hierarchy.rebuild(zermelo::simd{}, g.view());
  hierarchy.apply(zermelo::simd{}, g.view(), u, again);
  CHECK(distance(mu, again) <= 1e-13 * norm(mu));
  CHECK_THROWS_AS(hierarchy.apply(zermelo::simd{}, g.view(), numbers(3), again), zermelo::shape_error);
  CHECK_THROWS_AS(zermelo::aggregation_multigrid{}.apply(zermelo::simd{}, g.view(), u, again), zermelo::shape_error);
  CHECK_THROWS_AS(hierarchy.rebuild(zermelo::simd{}, path(5).view()), zermelo::shape_error);
}

TEST_CASE("Elimination without subtraction keeps every digit where weights are far apart") {
  // On a path the differences of the solution are flow / weight, whatever the weights.
  const numbers weight{1e6, 1e-12, 3, 1e6, 1e-9};
  zermelo::detail::laplacian_factor f;
  f.n = 6;
  f.w.assign(36, 0.0);
  for (std::size_t i = 0; i < 5; ++i) f.w[i * 6 + i + 1] = weight[i];
  numbers shift(6, 0.0), x(6);
  zermelo::detail::eliminate(f, shift);
  CHECK(f.inverse[5] == 0);
  const numbers b{1, 0, 0, 0, 0, -1};
  zermelo::detail::solve(f, b.data(), x.data());
  CHECK(x[5] == 0);
  CHECK(x[4] == Approx(1e9).epsilon(1e-14));
  CHECK(x[0] == Approx(1e-6 + 1e12 + 1.0 / 3 + 1e-6 + 1e9).epsilon(1e-14));
}

TEST_CASE("Dense Cholesky solves, and names the row where a matrix is not positive definite") {
  std::mt19937_64 random(11);
  for (const int64_t n : {1, 2, 5, 40}) {
    const auto size = z(n);
    numbers root = random_vector(n * n, random, false), a(size * size, 0.0);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j < size; ++j) {
        for (std::size_t k = 0; k < size; ++k) a[i * size + j] += root[i * size + k] * root[j * size + k];
        if (i == j) a[i * size + j] += 1;
      }
    const numbers expected = random_vector(n, random, false);
    numbers x(size, 0.0);
    for (std::size_t i = 0; i < size; ++i)
      for (std::size_t j = 0; j < size; ++j) x[i] += a[i * size + j] * expected[j];
    CHECK(zermelo::detail::cholesky_factor(a, n) == -1);
    zermelo::detail::cholesky_solve(a, n, x);
    CHECK(distance(x, expected) <= 1e-12 * (1 + norm(expected)));
  }
  numbers indefinite{4, 0, 2, 1};  // 1 − (2/2)² = 0
  CHECK(zermelo::detail::cholesky_factor(indefinite, 2) == 1);
}

TEST_CASE("Broken Laplacians are refused with the argument and the position") {
  const numbers b{1, -1, 0};
  numbers x(3);
  const auto index_of = [&](graph g, const char* argument) -> int64_t {
    try {
      zermelo::solve_laplacian(g.view(), b, x);
    } catch (const zermelo::domain_error& e) {
      CHECK(e.argument() == argument);
      return e.index();
    }
    return -2;
  };
  const graph good = path(3);
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    graph g = good;
    g.weights[2] = bad;
    CHECK(index_of(g, "weights") == 2);
    g = good;
    g.shift = {0, bad, 0};
    CHECK(index_of(g, "shift") == 1);
  }
  for (const std::int32_t bad : {-1, 3, 2}) {
    graph g = good;
    g.columns[3] = bad;
    CHECK(index_of(g, "columns") == 3);
  }
  graph g = good;
  g.offsets[1] = 4;
  CHECK(index_of(g, "offsets") == 2);
  g = good;
  g.weights.pop_back();
  CHECK_THROWS_AS(zermelo::solve_laplacian(g.view(), b, x), zermelo::shape_error);
  g = good;
  g.shift = {1};
  CHECK_THROWS_AS(zermelo::solve_laplacian(g.view(), b, x), zermelo::shape_error);
  CHECK_THROWS_AS(zermelo::solve_laplacian(good.view(), numbers{1}, x), zermelo::shape_error);
  numbers two(2);
  CHECK_THROWS_AS(zermelo::solve_laplacian(good.view(), b, two), zermelo::shape_error);
}
