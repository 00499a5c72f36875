# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Nash policies of random preference games by OpenSpiel, Nashpy and zermelo; ./run bench --peers starts it.

Every time is the least of the repetitions, in milliseconds of one core (CPU time, so that other work on the machine does not
count), one process at a time. "exploitability" is the most that an item wins against the policy returned, above a half, worked
out here from what each package returns. Packages are asked as their documentation does, with defaults: Nashpy's linear
programme goes to SciPy's HiGHS, OpenSpiel's to ECOS through CVXPY.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import nashpy
import numpy
import pyspiel
from open_spiel.python.algorithms import lp_solver, nash_averaging

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "peers"


def preferences(items):
    """The lower triangle of P is uniform on [0, 1]."""
    lower = numpy.tril(numpy.random.default_rng(1913).random((items, items)), -1)
    return lower + numpy.triu(1 - lower.T, 1) + numpy.eye(items) / 2


def least(work, budget=1.0):
    seconds, spent = float("inf"), 0.0
    for _ in range(50):
        start = time.process_time()
        result = work()
        taken = time.process_time() - start
        seconds, spent = min(seconds, taken), spent + taken
        if spent > budget:
            break
    return seconds, result


def compile_driver():
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "zermelo_games"
    eigen = ["-isystem", "/usr/include/eigen3", "-isystem", "/usr/local/include/eigen3"]
    source = pathlib.Path(__file__).with_name("zermelo_games.cpp")
    subprocess.run(
        ["c++", "-std=c++20", "-O2", "-march=native", "-pthread", "-I", ROOT / "include", *eigen, source, "-o", program],
        check=True,
    )
    return program


def compare(program, items):
    p = preferences(items)
    path = BUILD / f"preferences_{items}.txt"
    numpy.savetxt(path, p, fmt="%.17g")
    ours = json.loads(subprocess.run([program, str(items), path], check=True, capture_output=True).stdout)
    print(f"\n{items} items\n{'':52}{'ms':>12}{'ratio':>12}{'exploitability':>18}")

    def row(name, seconds, policy, ratio_to):
        gained = (p @ numpy.asarray(policy, dtype=float)).max() - 0.5
        ratio = f"{seconds / ratio_to:,.0f}" if ratio_to else ""
        print(f"{name:52}{1e3 * seconds:12.4f}{ratio:>12}{gained:18.0e}", flush=True)

    def peer(name, work, ratio_to):
        try:
            seconds, policy = least(work)
        except Exception as failure:  # what a package does not manage is a row as well
            print(f"{name:52}{'failed: ' + type(failure).__name__:>24}", flush=True)
            return
        row(name, seconds, policy, ratio_to)

    exact, average, entropy = (ours[k]["seconds"] for k in ("nash_policy", "fictitious_play", "max_entropy_nash"))
    row("zermelo nash_policy", exact, ours["nash_policy"]["policy"], exact)
    margins = p - 0.5
    peer("nashpy linear_program", lambda: nashpy.Game(margins, -margins).linear_program()[0], exact)
    matrix_game = pyspiel.create_matrix_game(margins, -margins)
    peer("open_spiel solve_zero_sum_matrix_game",
         lambda: numpy.ravel(lp_solver.solve_zero_sum_matrix_game(matrix_game)[0]), exact)
    row("zermelo max_entropy_nash", entropy, ours["max_entropy_nash"]["policy"], entropy)
    peer("open_spiel nash_averaging", lambda: numpy.ravel(nash_averaging.nash_averaging(matrix_game)[0]), entropy)
    row("zermelo extragradient, to 1e-6", ours["extragradient"]["seconds"], ours["extragradient"]["policy"], None)
    row("zermelo fictitious_play, 1000 rounds", average, ours["fictitious_play"]["policy"], average)

    def fictitious_play():
        numpy.random.seed(0)
        *_, counts = nashpy.Game(margins, -margins).fictitious_play(iterations=1000)
        return counts[0] / counts[0].sum()

    peer("nashpy fictitious_play, 1000 rounds", fictitious_play, average)


def main():
    program = compile_driver()
    print(f"nashpy {nashpy.__version__}, open_spiel 2.0.2, numpy {numpy.__version__}, Python {sys.version.split()[0]}")
    print("ratio: to zermelo's time for the same work")
    for items in (5, 20, 50, 100):
        compare(program, items)


if __name__ == "__main__":
    main()
