// The program of one file of loads: the build says which.
#include "loads.hpp"

int main(int argc, char** argv) {
  return bench::run_workloads(argc, argv, bench::QUARRY_LOADS);
}
