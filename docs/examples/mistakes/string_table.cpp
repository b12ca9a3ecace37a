// A table of names. Mistake: no room for the zero behind a name.
// Told at full: written behind the end of a block.*allocated for 11 bytes.*first written byte: 11.*one too large
// Told at pointers: nothing
#include <cstring>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string_view>
#include <vector>

class string_table {
 public:
  explicit string_table(std::pmr::memory_resource& memory) : memory_(memory) {}
  ~string_table() {
    for (const auto& each : names_) memory_.deallocate(const_cast<char*>(each.data()), each.size(), 1);
  }
  const char* add(std::string_view name) {
    char* const copy = static_cast<char*>(memory_.allocate(name.size(), 1));
    std::memcpy(copy, name.data(), name.size());
    copy[name.size()] = '\0';
    names_.emplace_back(copy, name.size());
    return copy;
  }

 private:
  std::pmr::memory_resource& memory_;
  std::vector<std::string_view> names_;
};

int main() {
  quarry::unsynchronized_slab_resource memory;
  string_table table(memory);
  for (const char* const name : {"red", "green", "blue", "ultramarine"}) table.add(name);
}
