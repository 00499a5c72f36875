# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Dueling bandits by duelpy and zermelo in the same worlds; ./run bench --peers starts it.

CPU time a round, decision, duel and observation, of one core, and the mean strong regret after all rounds. duelpy is
Python over NumPy; its algorithms are those of the same papers, with defaults.
"""

import json
import os
import pathlib
import subprocess
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy

numpy.float = float  # which duelpy 1.0.0 still asks for

from duelpy import algorithms
from duelpy.feedback import MatrixFeedback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "peers"
SAME = {
    "rucb": algorithms.RelativeUCB,
    "rcs": algorithms.RelativeConfidenceSampling,
    "double_thompson": algorithms.DoubleThompsonSampling,
    "rmed1": algorithms.Rmed1,
    "interleaved_filter": algorithms.InterleavedFiltering,
    "beat_the_mean": algorithms.BeatTheMeanBandit,
}


class counted(MatrixFeedback):
    """Sums what duels cost."""

    def __init__(self, preferences, seed):
        super().__init__(preferences, random_state=numpy.random.RandomState(seed))
        winner = int(numpy.argmin((preferences < 0.5).sum(axis=1)))
        self.gap, self.regret, self.rounds = preferences[winner] - 0.5, 0.0, 0

    def duel(self, i, j):
        self.regret += (self.gap[i] + self.gap[j]) / 2
        self.rounds += 1
        return super().duel(i, j)


def compile_driver():
    BUILD.mkdir(parents=True, exist_ok=True)
    program = BUILD / "zermelo_dueling_bandits"
    source = pathlib.Path(__file__).parent / "zermelo_dueling_bandits.cpp"
    subprocess.run(["c++", "-std=c++20", "-O2", "-march=native", "-I", ROOT / "include", source, "-o", program],
                   check=True)
    return program


def compare(program, arms, rounds, repetitions):
    strength = numpy.random.default_rng(1929).normal(size=arms)
    preferences = 1 / (1 + numpy.exp(strength[None, :] - strength[:, None]))
    text = f"{arms}\n" + "\n".join(" ".join(repr(float(x)) for x in row) for row in preferences)
    ours = json.loads(subprocess.run([program, str(rounds), "50"], input=text, text=True, check=True,
                                     stdout=subprocess.PIPE).stdout)
    print(f"\n{arms} arms, {rounds} rounds")
    print(f"{'':20} {'zermelo':>12} {'duelpy':>12} {'ratio':>8} {'regret':>10} {'duelpy’s':>10}")
    for name, algorithm in SAME.items():
        seconds = regret = played = 0.0
        for seed in range(repetitions):
            feedback = counted(preferences, seed)
            player = algorithm(feedback_mechanism=feedback, time_horizon=rounds,
                               random_state=numpy.random.RandomState(seed + 1))
            start = time.process_time()
            player.run()
            seconds += time.process_time() - start
            regret += feedback.regret / repetitions
            played += feedback.rounds
        mine, own_regret = ours[name]
        peer = seconds / played
        print(f"{name:20} {1e6 * mine:9.3f} µs {1e6 * peer:9.1f} µs {peer / mine:8.0f} {own_regret:10.1f} {regret:10.1f}")


def main():
    program = compile_driver()
    compare(program, 5, 2000, 3)
    compare(program, 20, 2000, 2)
    compare(program, 100, 500, 1)


if __name__ == "__main__":
    main()
