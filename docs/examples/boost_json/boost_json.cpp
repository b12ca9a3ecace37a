// A Boost.JSON document whose values, strings and objects lie in slabs.
#include <quarry/boost_memory_resource.hpp>

#include <boost/json.hpp>
#include <cstdio>
#include <string>

int main() {
  quarry::unsynchronized_slab_resource resource;
  quarry::boost_memory_resource storage(resource);
  {
    boost::json::value document = boost::json::parse(
        R"({"name": "Quarry", "slabs": [1, 2, 3], "nested": {"deep": {"deeper": []}}})", &storage);
    document.as_object()["note"] = "This text is too long for the string's own small buffer.";
    std::printf("%s\n", boost::json::serialize(document).c_str());
    std::printf("%zu live slots, %zu bytes\n", resource.stats().live_slots, resource.stats().live_bytes);
  }
  return resource.stats().live_bytes == 0 ? 0 : 1;
}
