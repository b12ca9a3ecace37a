"""Holds the report to its word: ratios the right way round, bounds on the right side, a page that needs nothing else."""
import unittest

import page
import table
import targets


def run_of(ns, memory=None):
    """A run in which each workload took each rival so many ns."""
    kinds = {"quarry": "quarry", "std_pool": "pool", "boost_pool": "pool", "malloc": "malloc", "monotonic": "floor"}
    workloads = {name: {"operation": "one", "real_input": False, "program": name, "ns": {}, "memory": {}, "best_ns": best,
                        "spread": dict.fromkeys(best, 0.0)} for name, best in ns.items()}
    results = {"rivals": kinds, "workloads": workloads, "memory": memory or {}, "fresh": {}, "worst_call": {},
               "instructions": {}, "real_input": ["words: 1 file"], "absent_rivals": "", "notes": ["a <note>"],
               "machine": "a machine", "date": "today", "command": "benchmarks/run", "versions": {"g++": "12"}}
    results["targets"] = targets.judge(results)
    return results


def target(results, target_name, part):
    found = [row for row in results["targets"] if row["target"] == target_name and part in row["what"]]
    assert len(found) == 1, f"{target_name} {part}: {len(found)} rows"
    return found[0]


class Judgement(unittest.TestCase):
    def test_a_speedup_is_the_rivals_time_over_quarrys(self):
        results = run_of({"pair64": {"quarry": 4, "std_pool": 28, "boost_pool": 6, "monotonic": 5}})
        self.assertEqual(target(results, "P1", "std")["measured"], 7)
        self.assertTrue(target(results, "P1", "std")["pass"])
        self.assertFalse(target(results, "P1", "Boost")["pass"])
        self.assertTrue(target(results, "P1", "monotonic")["stretch_pass"])

    def test_monotonic_is_no_peer(self):
        results = run_of({"map_churn": {"quarry": 4, "std_pool": 5, "malloc": 6, "monotonic": 1}})
        row = target(results, "P5", "map churn")
        self.assertEqual((row["against"], row["pass"]), ("std_pool", True))

    def test_a_slower_quarry_is_a_miss(self):
        results = run_of({"mix10k": {"quarry": 5, "malloc": 4}})
        self.assertEqual(table.verdict(target(results, "P6", "10k")), "MISS")

    def test_what_was_not_measured_is_not_passed(self):
        self.assertEqual(table.verdict(target(run_of({}), "P3", "std")), "not measured")

    def test_peak_memory_is_the_worse_of_full_and_churned(self):
        def sample(resident):
            return {"live_bytes": 100, "resident_bytes": resident, "upstream_bytes": 0}

        memory = {"10k_of_8_to_507": {"quarry": {"full": sample(110), "churned": sample(120), "emptied": sample(1)},
                                      "malloc": {"full": sample(150), "churned": sample(140), "emptied": sample(1)}}}
        results = run_of({}, memory)
        self.assertEqual(target(results, "P7", "10k of 8 to 507: peak")["measured"], 1.2)
        self.assertAlmostEqual(target(results, "P7", "10k of 8 to 507: Quarry's")["measured"], 0.8)


class Page(unittest.TestCase):
    def test_the_page_needs_no_other_file_and_escapes_text(self):
        text = page.render(run_of({"pair64": {"quarry": 4, "std_pool": 28, "monotonic": 5}}))
        for outside in ("http:", "https:", "<script", "<link", "url(", "@import", "src="):
            self.assertNotIn(outside, text)
        self.assertIn("a &lt;note&gt;", text)
        self.assertIn("fastest of all that free memory on 1 of 1", text)


if __name__ == "__main__":
    unittest.main()
