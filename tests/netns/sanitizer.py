# SPDX-License-Identifier: BSD-3-Clause
"""Namespace tests with daemons that were built with sanitizers: where their reports go, and who reads them.

A report is a file of its own beside nobody's output, so that what a daemon says in a test that
kills it, ignores its exit code or starts it anew is not lost."""

import json
import os
import pathlib
import shutil
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[2]

# What a build with sanitizers cannot pass, and why.
LEFT_OUT = {
    "test_flood.test_a_million_forged_networks_move_no_memory":
        "counts bytes of memory, and the sanitizer's own grows",
    "test_flood.test_real_clients_allocate_at_the_first_try_meanwhile":
        "an answer within 0.45 s beside a flood of half of what the port takes",
    "test_flood.test_made_up_credentials_cannot_starve_real_ones":
        "an answer within 0.45 s beside a flood of half of what the port takes",
    "test_dtls.test_floods":
        "counts bytes of memory, and the sanitizer's own grows",
    "test_stream_load.test_slow_readers":
        "counts bytes of memory, and the sanitizer's own grows",
    "test_privilege.test_filter_can_be_switched_off_and_memory_opened":
        "there is no filter, and the sanitizer has to look at the memory of its process",
    "test_overload.test_floods_of_every_kind":
        "counts bytes of memory, and the sanitizer's own grows",
    "test_over_tcp.test_who_does_not_read_slows_down_the_other":
        "counts bytes of memory, and the sanitizer's own grows",
    "test_weeks.test_nothing_grows_over_eight_thousand_cycles":
        "counts bytes of memory, and the sanitizer's own grows",
    "test_survival.test_control_dead_under_load":
        "the load does not reach its rate beside daemons that take four times the CPU",
    "test_survival.test_control_dead_for_a_minute_under_load":
        "the load does not reach its rate beside daemons that take four times the CPU",
    "test_survival.test_adopted_flows_stop_at_their_own_deadline":
        "silence to the second, of a load that does not reach its rate",
    "test_random_moments.test_control_at_random_moments":
        "the load does not reach its rate beside daemons that take four times the CPU",
}


def kind_of(build):
    """What meson's b_sanitize of that build directory says: "none", "address,undefined", "thread"."""
    try:
        options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
    except FileNotFoundError:
        return "none"
    value = next((o["value"] for o in options if o["name"] == "b_sanitize"), "none")
    return value if isinstance(value, str) else ",".join(value)


class Reports:
    """The directory of reports of one run; nothing at all for a build without sanitizers."""

    def __init__(self, build):
        self.kind = kind_of(build)
        self.directory = None

    def open(self):
        """Sets the environment that every daemon inherits."""
        if self.kind == "none":
            return
        # Written by daemons that have become another user by then.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="turnpike-sanitizer-"))
        self.directory.chmod(0o1777)
        here = TOP / "tests" / "sanitizers"
        common = f"log_path={self.directory}/report:print_stacktrace=1"
        # Whole stacks, or the suppressions could not say whose a leak is.
        os.environ["ASAN_OPTIONS"] = (f"{common}:detect_leaks=1:detect_stack_use_after_return=1:"
                                      "fast_unwind_on_malloc=0")
        os.environ["UBSAN_OPTIONS"] = f"{common}:halt_on_error=1"
        os.environ["LSAN_OPTIONS"] = f"suppressions={here}/lsan.txt:print_suppressions=0"
        os.environ["TSAN_OPTIONS"] = f"{common}:suppressions={here}/tsan.txt:history_size=4"

    def take(self):
        """The text of all reports since the last call."""
        if self.directory is None:
            return ""
        text = ""
        for path in sorted(self.directory.iterdir()):
            text += f"--- {path.name}\n{path.read_text(errors='replace')[:20000]}\n"
            path.unlink()
        return text

    def close(self):
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
