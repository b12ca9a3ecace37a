// A program with one error, named by its argument, for a tool to find. Ends with 0 when nothing has.
#include <cstdio>
#include <cstring>
#include <list>
#include <string>

#include "quarry/quarry.hpp"

namespace {

volatile int sink;

void use_after_free(std::pmr::memory_resource& memory) {
  std::pmr::list<int> numbers(&memory);
  numbers.push_back(1);
  numbers.push_back(2);
  const int& first = numbers.front();
  numbers.pop_front();
  sink = first;
}

void write_behind_the_end(std::pmr::memory_resource& memory) {
  char* const text = static_cast<char*>(memory.allocate(45, 8));
  text[45] = 1;
  memory.deallocate(text, 45, 8);
}

void write_into_a_free_neighbour(std::pmr::memory_resource& memory) {
  char* const text = static_cast<char*>(memory.allocate(48, 8));
  text[48 + 7] = 1;
  memory.deallocate(text, 48, 8);
}

void read_before_written(std::pmr::memory_resource& memory) {
  char* const text = static_cast<char*>(memory.allocate(48, 8));
  if (text[3] == 1) sink = 1;
  memory.deallocate(text, 48, 8);
}

void leak(std::pmr::memory_resource& memory) {
  for (int i = 0; i < 10; ++i) sink = *static_cast<const char*>(std::memset(memory.allocate(48, 8), 1, 48));
}

void no_error(std::pmr::memory_resource& memory) {
  std::pmr::list<std::pmr::string> texts(&memory);
  for (int i = 0; i < 1000; ++i) {
    texts.emplace_back("a text that does not fit into the string itself");
    if (i % 3 == 0) texts.pop_front();
  }
  std::memset(memory.allocate(100000, 8), 1, 100000);
}

int run(const std::string& error, std::pmr::memory_resource& memory) {
  if (error == "use_after_free") use_after_free(memory);
  if (error == "write_behind_the_end") write_behind_the_end(memory);
  if (error == "write_into_a_free_neighbour") write_into_a_free_neighbour(memory);
  if (error == "read_before_written") read_before_written(memory);
  if (error == "leak") leak(memory);
  if (error == "none") no_error(memory);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: victim ERROR unsynchronized|synchronized\n");
    return 2;
  }
  const std::string error = arguments[1];
  if (std::string(arguments[2]) == "synchronized") {
    static auto& memory = *new quarry::synchronized_slab_resource;  // never ends: what leaks in it, leaks
    return run(error, memory);
  }
  if (error == "leak") {
    static auto& memory = *new quarry::unsynchronized_slab_resource;
    return run(error, memory);
  }
  quarry::unsynchronized_slab_resource memory;  // ends, and takes along what lives
  return run(error, memory);
}
