"""Holds the report to its word: ratios the right way round, bounds on the right side, a page that needs nothing else."""
import unittest

import drawing
import measure
import page
import readme
import table
import targets


def times(best, median_over_best=1.0):
    return {"best_ns": best, "median_ns": {rival: ns * median_over_best for rival, ns in best.items()}}


def run_of(ns, memory=None, spread=0.0, fresh_resource=None, pinned=None, fresh=None, checks=None, caveat=""):
    """A run in which each workload took each rival so many ns, in the median round `spread` more."""
    kinds = {"quarry": "quarry", "quarry_sync": "quarry", "std_pool": "pool", "boost_pool": "pool", "malloc": "malloc",
             "monotonic": "floor", "one_block": "floor"}
    workloads = {name: {"operation": "one", "real_input": False, "program": name, "section": "One thread", "ns": {},
                        "memory": {}, "best_faults": {}, **times(best, 1 + spread)}
                 for name, best in ns.items()}
    results = {"rivals": kinds, "workloads": workloads, "memory": memory or {}, "fresh": fresh or {}, "checks": checks or {},
               "fresh_times": {}, "fresh_resource": fresh_resource or {}, "pinned": pinned or {}, "worst_call": {},
               "caveat": caveat, "instructions": {}, "real_input": ["words: 1 file"], "absent_rivals": "", "notes": ["a <note>"],
               "machine": "a machine", "date": "today", "commit": "0123abc", "command": "benchmarks/run", "versions": {"g++": "12"}}
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

    def test_threads_are_judged_by_their_worst_count_and_by_rivals_that_threads_may_share(self):
        results = run_of({"larson_t2": {"quarry_sync": 4, "malloc": 8, "boost_pool": 1},
                          "larson_t8": {"quarry_sync": 6, "malloc": 5},
                          "hot_pair_t1": {"quarry": 2, "quarry_sync": 3}})
        row = target(results, "P8", "larson")
        self.assertEqual((row["measured"], row["against"], row["pass"]), (1.2, "malloc, 8 threads", False))
        self.assertEqual(target(results, "P8", "uncontended")["measured"], 1.5)
        self.assertIsNone(target(results, "P8", "mixed")["measured"])

    def test_a_typed_pair_is_judged_by_the_bare_list(self):
        results = run_of({"typed_cache/pair48": {"quarry": 3, "intrusive_list": 2}})
        self.assertEqual(target(results, "P2", "typed")["measured"], 1.5)

    def test_peak_memory_is_the_worse_of_full_and_churned(self):
        def sample(resident):
            return {"live_bytes": 100, "resident_bytes": resident, "upstream_bytes": 0}

        memory = {"10k_of_8_to_507": {"quarry": {"full": sample(110), "churned": sample(120), "emptied": sample(1)},
                                      "malloc": {"full": sample(150), "churned": sample(140), "emptied": sample(1)}}}
        results = run_of({}, memory)
        self.assertEqual(target(results, "P7", "10k of 8 to 507: peak")["measured"], 1.2)
        self.assertAlmostEqual(target(results, "P7", "10k of 8 to 507: Quarry's")["measured"], 0.8)


    def test_a_verdict_knows_only_those_that_free(self):
        ns = {"pair64": {"quarry": 4, "malloc": 5, "one_block": 1}, "rand1M": {"quarry": 12, "malloc": 10},
              "mixed_t2": {"quarry_sync": 10.5, "malloc": 10}}
        results = run_of(ns, spread=0.06)
        self.assertEqual([table.load_verdict(results, load) for load in ns], ["first", "behind malloc by 20 %", "tie with malloc"])

    def verdict(self, mine, other):
        """Of two rivals, each given by its best and its median round."""
        both = {"best_ns": {"quarry": mine[0], "malloc": other[0]}, "median_ns": {"quarry": mine[1], "malloc": other[1]}}
        return targets.compared(both, "quarry", "malloc")["result"]

    def test_a_tie_is_within_the_spread_of_both(self):
        self.assertEqual(self.verdict((10.5, 11.2), (10, 10.9)), "tie")
        self.assertEqual(self.verdict((10.5, 10.6), (10, 12)), "undecided")  # one rival's spread alone explains nothing
        self.assertEqual(self.verdict((10.5, 20), (10, 10.6)), "behind")

    def test_a_peer_whose_best_round_is_a_fifth_ahead_is_no_tie(self):
        self.assertEqual(self.verdict((18.7, 21.3), (15.5, 29.0)), "undecided")
        self.assertEqual(self.verdict((18.7, 29.0), (15.5, 28.0)), "behind")
        self.assertEqual(self.verdict((15.5, 28.0), (18.7, 29.0)), "first")  # the rule is the same both ways

    def test_a_large_spread_explains_no_large_gap(self):
        self.assertEqual(self.verdict((11.5, 18), (10, 16)), "behind")
        self.assertEqual(self.verdict((10.9, 17), (10, 16)), "tie")

    def test_the_verdict_is_the_worst_against_any_peer(self):
        both = {"best_ns": {"quarry": 10, "malloc": 9.9, "jemalloc": 10}, "median_ns": {"quarry": 10.5, "malloc": 20, "jemalloc": 10.2}}
        found = targets.against_all(both, "quarry", ["malloc", "jemalloc"])
        self.assertEqual((found["peer"], found["result"]), ("malloc", "undecided"))
        self.assertIsNone(targets.leader(both, ["quarry", "malloc", "jemalloc"]))
        self.assertEqual(targets.leader(times({"quarry": 10, "malloc": 5, "jemalloc": 7}), ["quarry", "malloc", "jemalloc"]), "malloc")

    def test_what_a_run_keeps_of_its_rounds_is_the_best_and_the_median(self):
        self.assertEqual(measure.times_of({"quarry": [10, 16, 11, 14, 12]}), {"best_ns": {"quarry": 10}, "median_ns": {"quarry": 12}})

    def test_slower_is_said_as_slower(self):
        self.assertEqual(table.compared_to(1 / 0.66, "malloc"), "52 % slower than malloc")
        self.assertEqual(table.compared_to(0.8, "malloc"), "25 % faster than malloc")
        self.assertEqual(table.compared_to(0.2, "malloc"), "5.0 times as fast as malloc")
        self.assertEqual(table.compared_to(4, "malloc"), "4.0 times as long as malloc")
        results = run_of({"pair64": {"quarry": 152, "std_pool": 100}})
        self.assertIn("it is 52 % slower than std::pmr::unsynchronized_pool_resource", page.headline(results))

    def test_fresh_memory_is_judged_with_huge_pages_for_all_and_for_none(self):
        def life(ns):
            return {"ns": ns, "all_ns": [ns], "live_bytes": 1, "resident_bytes": 2, "huge_bytes": 0}

        results = run_of({}, fresh={"huge": {"quarry": life(10), "malloc": life(15)}, "small": {"quarry": life(20), "malloc": life(15)}})
        self.assertEqual(target(results, "P12", "huge pages for all")["measured"], 1.5)
        self.assertEqual(target(results, "P12", "huge pages for none")["measured"], 0.75)

    def test_checks_are_judged_by_the_same_resource_without_them(self):
        of_load = {"quarry_off": [4, 5], "quarry_pointers": [7, 6], "quarry_sync_off": [8], "quarry_sync_pointers": [20]}
        checks = {load: of_load for load in ["pair64", *measure.REAL, *(f"load{i}" for i in range(9))]}
        results = run_of({}, checks=checks)
        self.assertEqual(target(results, "checks", "hot pair: time")["measured"], 1.5)
        self.assertTrue(target(results, "checks", "hot pair: time")["pass"])
        self.assertEqual(target(results, "checks", "hot pair, synchronized")["measured"], 2.5)
        self.assertAlmostEqual(target(results, "checks", "14 loads: time")["measured"], 1.5)
        self.assertFalse(target(results, "checks", "order_book: time")["pass"])
        self.assertIn("pointers / off", page.render(results))

    def test_a_mean_of_fewer_loads_is_not_judged(self):
        results = run_of({}, checks={"pair64": {"quarry_off": [4], "quarry_pointers": [6]}})
        self.assertIsNone(target(results, "checks", "14 loads: time")["measured"])

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
        self.assertIn("Of 1 loads, among all that free memory, Quarry is the first on 1", text)

    def test_a_verdict_is_a_word_and_a_mark_beside_its_colour(self):
        text = page.render(run_of({"pair64": {"quarry": 4, "std_pool": 28}, "rand1M": {"quarry": 4, "std_pool": 2}}))
        self.assertIn('<span class="verdict pass">&#9650; first</span>', text)
        self.assertIn('<span class="verdict miss">&#9660; behind std pool by 100 %</span>', text)

    def test_every_mark_has_its_rivals_name_for_hover_and_touch(self):
        text = drawing.overview(run_of(dict(a={"quarry": 4, "std_pool": 28, "monotonic": 5})), run_of(
            dict(a={"quarry": 4, "std_pool": 28, "monotonic": 5}))["workloads"])
        self.assertEqual(text.count('tabindex="0"'), 3)
        self.assertIn('aria-label="std pool: 28.0 ns, 7.0 times as long as Quarry"', text)
        self.assertIn(">monotonic: 5.00 ns</tspan>", text)
        self.assertIn(">25 % slower than Quarry</tspan>", text)

    def test_both_quarrys_look_different(self):
        results = run_of({})
        looks = [drawing.look_of(results, rival) for rival in ("quarry", "quarry_sync")]
        self.assertEqual(len({drawing.shape(look) for look in looks}), 2)

    def test_the_caveat_of_a_quick_run_stands_above_its_picture_and_in_it(self):
        results = run_of({"pair64": {"quarry": 4, "std_pool": 28}}, caveat="A quick run.")
        text = page.render(results)
        self.assertLess(0, text.index("A quick run."))
        self.assertLess(text.index("A quick run."), text.index('class="picture"'))
        self.assertIn("A quick run.", page.picture(results))

    def test_no_row_of_a_table_is_mostly_empty(self):
        groups = page.alike({"pair": times({"a": 1, "b": 1, "c": 1}), "fifo": times({"a": 1, "b": 1}), "session": times({"d": 1, "e": 1})})
        self.assertEqual([list(group) for group in groups], [["pair", "fifo"], ["session"]])

    def test_tuned_loads_say_so_and_stand_beside_the_untuned(self):
        results = run_of({"pair64": {"quarry": 4, "malloc": 6}})
        entry = results["workloads"]["pair64"]
        entry["program"], entry["untuned_ns"] = "hot_pair", {"malloc": [9, 8]}
        text = page.render(results)
        self.assertIn("glibc is told, by mallopt", text)
        self.assertIn("malloc, untuned</span>", text)
        self.assertIn("8.00 <small>6.00 tuned</small>", text)


class Readme(unittest.TestCase):
    def results(self, quarry_ns, sync_ns=6, std_ns=8):
        ns = dict.fromkeys(readme.LOADS, {"quarry": quarry_ns, "quarry_sync": sync_ns, "std_pool": std_ns, "malloc": 4, "monotonic": 1})
        results = {**run_of(ns, spread=0.05), "commit": "0123456"}
        for entry in results["workloads"].values():
            entry["untuned_ns"] = {"malloc": [5, 7]}
        return results

    def test_bold_is_who_is_ahead_of_all_that_free(self):
        row = "| hot pair of 64 bytes | "
        self.assertIn(row + "**3.00** | 8.00 | 1.00 | first |", readme.render(readme.cut_out(self.results(3))))
        self.assertIn(row + "5.00 | 8.00 | 1.00 | behind malloc by 25 % |", readme.render(readme.cut_out(self.results(5))))
        self.assertIn(row + "4.10 | 8.00 | 1.00 | tie with malloc |", readme.render(readme.cut_out(self.results(4.1))))

    def test_what_threads_may_share_is_compared_with_its_like(self):
        row = "| hot pair of 64 bytes | "
        self.assertIn(row + "6.00 | **4.00** | 5.00 | behind malloc by 50 % |", readme.render(readme.cut_out(self.results(3))))
        self.assertIn(row + "**3.50** | 4.00 | 5.00 | first |", readme.render(readme.cut_out(self.results(3, 3.5, std_ns=2))))

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
