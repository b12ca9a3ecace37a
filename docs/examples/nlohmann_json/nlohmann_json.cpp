// A JSON library that makes its allocators out of nothing: the values, objects and arrays of its documents lie in slabs.
#include <quarry/static_slab_allocator.hpp>

#include <cstdint>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

struct documents;  // names the resource

template <class T>
using document_allocator = quarry::static_slab_allocator<T, documents>;
using json = nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t, std::uint64_t,
                                  double, document_allocator>;

int main() {
  // Before the first document; without this the tag has a resource with default options.
  quarry::slab_options options;
  options.max_bytes = 64 << 20;
  if (!document_allocator<char>::configure(options)) return 1;

  auto& resource = document_allocator<char>::resource();
  {
    json document =
        json::parse(R"({"name": "Quarry", "slabs": [1, 2, 3], "nested": {"deep": {"deeper": []}}})");
    document["squares"] = json::array();
    for (int i = 0; i < 1000; ++i) document["squares"].push_back(i * i);
    std::printf("%zu members, %zu live slots, %zu bytes\n", document.size(), resource.stats().live_slots,
                resource.stats().live_bytes);
    if (document["squares"][999] != 998001 || resource.stats().live_slots == 0) return 1;
  }
  return resource.stats().live_bytes == 0 ? 0 : 1;
}
