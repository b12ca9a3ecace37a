// The loads of the programs that ask one question each, so that more than one program can time them.
//
// Each function stands in the file of its name, beside the question that it answers; load_main.cpp makes a program of it.
#pragma once

#include <vector>

#include "workload.hpp"

namespace bench {

std::vector<workload> hot_pair_loads(const run_mode& mode);
std::vector<workload> free_order_loads(const run_mode& mode);
std::vector<workload> list_loads(const run_mode& mode);
std::vector<workload> replacement_loads(const run_mode& mode);
std::vector<workload> map_churn_loads(const run_mode& mode);
std::vector<workload> string_map_loads(const run_mode& mode);
std::vector<workload> text_index_loads(const run_mode& mode);
std::vector<workload> json_tree_loads(const run_mode& mode);
std::vector<workload> order_book_loads(const run_mode& mode);
std::vector<workload> resource_lifetime_loads(const run_mode& mode);

}  // namespace bench
