#!/usr/bin/env python3
"""check.py PROGRAM QUARRY-GDB.PY: runs the program in gdb, asks at each stop, and compares the answers with patterns.

Exits with 77, which ctest takes for skipped, where there is no gdb or it may not run programs.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# A stop, the frame that is asked, and commands with what their output has to match, from its first line to its last.
RESOURCE = r'unsynchronized_slab_resource "orders"'
AT = RESOURCE + r" at 0x[0-9a-f]+"
CHECKED = r'unsynchronized_slab_resource "checked" at 0x[0-9a-f]+'
SLOT = r"0x[0-9a-f]+ is slot {} of {} of {} bytes{}, in the slab at 0x[0-9a-f]+: {}; "
ORDERS = [
    ("print resource", r"\$\d+ = " + RESOURCE + r": 2 slots live \(256 bytes\), 6 cached, 2 slabs, "
     r"1 oversize block \(100,000 bytes\), [0-9,]+ bytes from upstream = "
     r"\{48-byte slots = 1 live, 3 cached, 17 free in 1 slab, 208-byte slots = 1 live, 3 cached, 0 free in 1 slab\}"),
    ("print allocator", r"\$\d+ = slab_allocator<.*order> over " + AT),
    ("quarry info first", SLOT.format(0, 21, 48, "", "live") + AT),
    ("quarry info (char*)first+47 resource", SLOT.format(0, 21, 48, ", 47 bytes into it", "live") + AT),
    ("quarry info (char*)first+48 &resource", SLOT.format(1, 21, 48, "", "free, and cached in the magazine") + AT),
    ("quarry info cached face", SLOT.format(1, 21, 48, "", "free, and cached in the magazine") + AT),
    ("quarry info (char*)first+48*4 resource", SLOT.format(4, 21, 48, "", "free") + AT),
    ("quarry info (char*)first+48*20+47 resource", SLOT.format(20, 21, 48, ", 47 bytes into it", "free") + AT),
    ("quarry info (char*)first+48*21 resource", r"0x[0-9a-f]+ lies in the resource's own parts: .*; " + AT),
    ("quarry info (char*)block+99999", r"0x[0-9a-f]+ lies 99,999 bytes into an oversize block of 100,000 bytes at "
     r"0x[0-9a-f]+: live; " + AT),
    ("quarry info kept allocator", r"0x[0-9a-f]+ lies 0 bytes into an oversize block of 200,000 bytes at 0x[0-9a-f]+: "
     r"freed, and kept for the next request; " + AT),
    ("quarry info last", r"0x[0-9a-f]+ lies 0 bytes into an oversize block of 300,000 bytes at 0x[0-9a-f]+: "
     r"freed, and kept for the next request; " + AT),
    ("quarry info global", SLOT.format(0, 16, 64, "", "live") + r'unsynchronized_slab_resource "global" at 0x[0-9a-f]+'),
    ("quarry info foreign", r"0x[0-9a-f]+ lies in none of unsynchronized_slab_resource .*"),
    ("quarry info &resource", r"0x[0-9a-f]+ lies in the resource itself; " + AT),
    ("quarry slabs face", AT + r"\n +slab +slot_bytes +slots +live +cached +free\n"
     r" +0x[0-9a-f]+ +48 +21 +1 +3 +17\n +0x[0-9a-f]+ +208 +4 +1 +3 +0"),
    ("quarry info checked_live", SLOT.format(r"\d+", r"\d+", r"\d+", "", "live") + CHECKED),
    ("quarry info checked_gone", SLOT.format(r"\d+", r"\d+", r"\d+", "", "free, and cached in the magazine") + CHECKED),
    ("quarry resources", r'unsynchronized_slab_resource "global" at .*: 1 slot live .*\n' + AT + r": 2 slots live .*\n" + CHECKED +
     ": 1 slot live .*"),
    ("quarry slabs foreign", r".*foreign is no resource, view, allocator or typed cache of Quarry's"),
    ("quarry info", r".*usage: quarry info ADDRESS \[RESOURCE\]"),
    ("frame", r"#1 .*ask_about_resources.*(\n.*)?"),  # nothing has chosen another frame
]
SHARED = r'synchronized_slab_resource "shared" at 0x[0-9a-f]+'
THREADS = [
    ("print resource", r'\$\d+ = synchronized_slab_resource "shared": 400 slots live \(25,600 bytes\), [0-9,]+ cached, '
     r"\d+ slabs, 1 oversize block \(100,000 bytes\), [0-9,]+ bytes from upstream = "
     r"\{32-byte slots = 0 live, [0-9,]+ cached, \d+ free in \d+ slabs, 64-byte slots = 400 live, [0-9,]+ cached, \d+ free in \d+ slabs\}"),
    ("quarry info in_shard", r"0x[0-9a-f]+ lies 0 bytes into an oversize block of 100,000 bytes at 0x[0-9a-f]+: live.*"),
    ("print view", r"\$\d+ = slab_thread_view of " + SHARED + r": \d+ slots cached"),
    ("quarry info in_view", SLOT.format(r"\d+", r"\d+", 64, "", "free, and cached in a magazine of a view") + SHARED),
    ("quarry info in_depot", SLOT.format(r"\d+", r"\d+", 32, "", "free, and cached in the depot") + SHARED),
    ("quarry info in_thread view",
     SLOT.format(r"\d+", r"\d+", 64, "", r"free, and cached in a magazine of thread 0x[0-9a-f]+ \(gdb's thread 2\)") + SHARED),
    ("quarry info live[3]", SLOT.format(r"\d+", r"\d+", 64, "", "live") + SHARED),
    ("quarry info live[399]", SLOT.format(r"\d+", r"\d+", 64, "", "live") + SHARED),
    ("quarry resources", r'unsynchronized_slab_resource "global" at .*\n' + SHARED + r": 400 slots live .*"),
    ("thread", r".*Current thread is 1 .*"),
]
CACHES = [
    ("print unopened", r"\$\d+ = slab_cache<.*order> without a slab yet"),
    ("print orders", r"\$\d+ = slab_cache<.*order>: 1 slot live \(16 bytes\), \d+ cached, 1 slab = "
     r"\{16-byte slots = 1 live, \d+ cached, [0-9,]+ free in 1 slab\}"),
    ("print locked", r"\$\d+ = slab_cache<.*order>: 1 slot live .*"),
    ("print owner", r"\$\d+ = slab_ptr<.*order> = \{get\(\) = 0x[0-9a-f]+, \*get\(\) = \{number = 42, price = 3.5\}\}"),
    ("print other", r"\$\d+ = slab_ptr<.*order> = \{get\(\) = 0x[0-9a-f]+, \*get\(\) = \{number = 7, price = 0.25\}\}"),
    ("print empty", r"\$\d+ = empty slab_ptr<.*order>"),
    ("quarry info owner.object_", SLOT.format(0, r"\d+", 16, "", "live") + "slab_cache<.*order> with its root at .*"),
    ("quarry info gone orders", SLOT.format(1, r"\d+", 16, "", "free, and cached in the magazine") + "slab_cache<.*"),
    ("quarry slabs locked", r"slab_cache<.*\n +slab .*\n +0x[0-9a-f]+ +16 +\d+ +1 +\d+ +\d+"),
    ("quarry info gone locked", r"0x[0-9a-f]+ lies in none of slab_cache<.*"),
]
STOPS = [("ask_about_resources", ORDERS), ("ask_about_threads", THREADS), ("ask_about_typed_caches", CACHES)]
MARK = "----- "


def main():
    program, script = sys.argv[1:]
    gdb = shutil.which("gdb")
    if gdb is None:
        print("skipped: there is no gdb")
        return 77
    commands = ["set confirm off", "set pagination off", "set width 0", "set height 0", "set auto-load no", "set style enabled off",
                "source " + script, "break stop_here", "run"]
    for _, questions in STOPS:
        commands.append("up")
        for question, _ in questions:
            # gdb ends its batch at an error, so questions go through Python.
            commands += ["echo \\n" + MARK + question + "\\n",
                         "python\ntry:\n  gdb.execute({!r})\nexcept gdb.error as error:\n  print(error)\nend".format(question)]
        commands += ["echo \\n" + MARK + "\\n", "continue"]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBUGINFOD_URLS": "", "ASAN_OPTIONS": "detect_leaks=0",
                   "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.NamedTemporaryFile("w", suffix=".gdb") as asked_file:
        asked_file.write("\n".join(commands) + "\n")
        asked_file.flush()
        done = subprocess.run([gdb, "-nx", "-q", "-batch", "-x", asked_file.name, program], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, env=environment, timeout=100, check=False)
    out = done.stdout
    if "Breakpoint 1, " not in out and re.search("ptrace|Operation not permitted|Could not trace|disable address space",
                                                 out + done.stderr):
        print("skipped: gdb may not run a program here:", (done.stderr or out).strip().splitlines()[-1])
        return 77
    answers = [part.partition("\n") for part in out.split("\n" + MARK)[1:]]
    wanted = [pair for _, questions in STOPS for pair in questions + [("", r"[\s\S]*")]]
    failures = 0
    for i, (question, pattern) in enumerate(wanted):
        asked, _, answer = answers[i] if i < len(answers) else ("nothing", "", "")
        if asked != question or re.fullmatch(pattern, answer.strip()) is None:
            failures += 1
            print("not ok: {}\n  answer: {}\n  wanted: {}".format(question, answer.strip(), pattern))
    print("{} questions, {} wrong".format(len(wanted), failures))
    if failures:
        print(done.stderr[-3000:])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
