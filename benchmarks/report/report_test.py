"""Holds the report to its word: ratios the right way round, bounds on the right side, a page that needs nothing else."""
import unittest

import measure
import page
import readme
import table
import targets


def run_of(ns, memory=None, spread=0.0, fresh_resource=None, pinned=None):
    """A run in which each workload took each rival so many ns."""
    kinds = {"quarry": "quarry", "quarry_sync": "quarry", "std_pool": "pool", "boost_pool": "pool", "malloc": "malloc",
             "monotonic": "floor", "one_block": "floor"}
    workloads = {name: {"operation": "one", "real_input": False, "program": name, "section": "One thread", "ns": {},
                        "memory": {}, "best_ns": best, "best_faults": {}, "spread": dict.fromkeys(best, spread)}
                 for name, best in ns.items()}
    results = {"rivals": kinds, "workloads": workloads, "memory": memory or {}, "fresh": {},
               "fresh_times": {}, "fresh_resource": fresh_resource or {}, "pinned": pinned or {}, "worst_call": {},
               "instructions": {}, "real_input": ["words: 1 file"], "absent_rivals": "", "notes": ["a <note>"],
               "machine": "a machine", "date": "today", "command": "benchmarks/run", "versions": {"g++": "12"}}
    results["targets"] = targets.judge(results)
    results["verdicts"] = targets.verdicts(results)
    return results


def target(results, target_name, part):
    found = [row for row in results["targets"] if row["target"] == target_name and part in row["what"]]
    assert len(found) == 1, f"{target_name} {part}: {len(found)} rows"
    return found[0]


class Judgement(unittest.TestCase):
    def test_a_speedup_is_the_rivals_time_over_quarrys(self):
        results = run_of({"pair64": {"quarry": 4, "boost_pool": 8, "monotonic": 5, "one_block": 2}})
        self.assertEqual(target(results, "P1", "Boost")["measured"], 2)
        self.assertFalse(target(results, "P1", "Boost")["pass"])
        self.assertTrue(target(results, "P1", "monotonic")["pass"])
        self.assertTrue(target(results, "P1", "one fixed block")["stretch_pass"])

    def test_monotonic_is_no_peer(self):
        results = run_of({"map_churn": {"quarry": 4, "std_pool": 5, "malloc": 6, "monotonic": 1}})
        row = target(results, "P5", "map churn")
        self.assertEqual((row["against"], row["pass"]), ("std_pool", True))

    def test_a_slower_quarry_is_a_miss(self):
        results = run_of({"mix10k": {"quarry": 5, "malloc": 4}})
        self.assertEqual(table.verdict(target(results, "P6", "10k live: time over the best that")), "MISS")

    def test_what_was_not_measured_is_not_passed(self):
        self.assertEqual(table.verdict(target(run_of({}), "P3", "100k random frees: time over monotonic")), "not measured")

    def test_peak_memory_is_the_worse_of_full_and_churned(self):
        def sample(resident):
            return {"live_bytes": 100, "resident_bytes": resident, "upstream_bytes": 0}

        memory = {"10k_of_8_to_507": {"quarry": {"full": sample(110), "churned": sample(120), "emptied": sample(1)},
                                      "malloc": {"full": sample(150), "churned": sample(140), "emptied": sample(1)}}}
        results = run_of({}, memory)
        self.assertEqual(target(results, "P7", "10k of 8 to 507: peak")["measured"], 1.2)
        self.assertAlmostEqual(target(results, "P7", "10k of 8 to 507: Quarry's")["measured"], 0.8)


    def test_a_verdict_knows_only_those_that_free(self):
        times = {"pair64": {"quarry": 4, "malloc": 5, "one_block": 1}, "rand1M": {"quarry": 12, "malloc": 10},
                 "mixed_t2": {"quarry_sync": 10.5, "malloc": 10}}
        results = run_of(times, spread=0.06)
        self.assertEqual([table.load_verdict(results, load) for load in times],
                         ["first", "behind malloc by 20 %", "tie within the spread"])

    def test_the_spread_leaves_out_the_slow_rounds(self):
        self.assertAlmostEqual(measure.spread_of([10, 16, 11, 16, 16, 16, 16]), 0.1)
        self.assertEqual(measure.spread_of([10]), 0)

    def test_a_fresh_resource_is_judged_by_its_own_kept_one(self):
        def ways(fresh, kept):
            return {way: {"best_ns": ns, "best_faults": 0, "first_ns": 10 * ns, "first_faults": 9}
                    for way, ns in (("fresh", fresh), ("kept", kept))}

        results = run_of({}, fresh_resource={"fresh50": {"operation": "small", "of": {
            "quarry": ways(6000, 2000), "malloc": ways(5000, 5000), "monotonic": ways(5000, 5000)}}})
        self.assertEqual(target(results, "P13", "small, fresh resource: time over a kept")["measured"], 3)
        self.assertEqual(target(results, "P13", "small, fresh resource: time over the best")["against"], "malloc")
        self.assertIn("6.00 (0)", page.render(results))

    def test_pinned_memory_is_the_worse_of_the_two_looks(self):
        def look(resident):
            return {"resident_bytes": resident, "held_bytes": resident, "cached_bytes": 0}

        row = {"kind": "quarry", "huge_pages": "never", "pause_s": 60, "retain_bytes": 0, "survivors": 2,
               "at_once": look(131072), "later": look(262144)}
        results = run_of({}, pinned={"one_in_32768": {"quarry": row}})
        self.assertEqual(target(results, "P14", "default upstream: slabs resident")["measured"], 2)
        self.assertIn("huge pages: never", page.render(results))


class Page(unittest.TestCase):
    def test_the_page_needs_no_other_file_and_escapes_text(self):
        text = page.render(run_of({"pair64": {"quarry": 4, "std_pool": 28, "monotonic": 5}}))
        for outside in ("http:", "https:", "<script", "<link", "url(", "@import", "src="):
            self.assertNotIn(outside, text)
        self.assertIn("a &lt;note&gt;", text)
        self.assertIn("Of all that free memory Quarry is the first on 1 of 1 loads", text)


class Readme(unittest.TestCase):
    def results(self, quarry_ns):
        ns = dict.fromkeys(readme.LOADS, {"quarry": quarry_ns, "std_pool": 8, "malloc": 4, "monotonic": 1})
        return {**run_of(ns, spread=0.05), "commit": "0123456"}

    def test_bold_is_who_is_ahead_of_all_that_free(self):
        row = "| hot pair of 64 bytes | "
        self.assertIn(row + "**3.00** |  | 8.00 |  | 4.00 |  |  |  | 1.00 | first |",
                      readme.render(readme.cut_out(self.results(3))))
        self.assertIn(row + "5.00 |  | 8.00 |  | **4.00** |  |  |  | 1.00 | behind malloc by 25 % |",
                      readme.render(readme.cut_out(self.results(5))))
        self.assertIn(row + "4.10 |  | 8.00 |  | 4.00 |  |  |  | 1.00 | tie within the spread |",
                      readme.render(readme.cut_out(self.results(4.1))))

    def test_what_is_quoted_and_was_not_measured_is_an_error(self):
        results = self.results(3)
        del results["workloads"]["list1M"]
        with self.assertRaisesRegex(readme.NotMeasured, "list1M"):
            readme.cut_out(results)

    def test_a_table_by_hand_is_found(self):
        text = f"before\n{readme.BEGIN}old\n{readme.END}\nbehind\n"
        written = readme.with_table(text, readme.cut_out(self.results(3)))
        self.assertEqual(readme.with_table(written, readme.cut_out(self.results(3))), written)
        self.assertNotEqual(readme.with_table(written.replace("3.00", "2.00"), readme.cut_out(self.results(3))),
                            written.replace("3.00", "2.00"))

    def test_readme_quotes_the_data_that_lies_beside_it(self):
        self.assertEqual(readme.faults(), [])


if __name__ == "__main__":
    unittest.main()
