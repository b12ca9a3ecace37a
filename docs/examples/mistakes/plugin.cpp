// A host and a plugin, each with a resource of its own. Mistake: the host frees with its own what the plugin allocated.
// Told at full: belongs to another resource.*.host.*owner *.plugin
// Told at pointers: belongs to another resource.*.host.*owner *.plugin
#include <cstring>
#include <quarry/unsynchronized_slab_resource.hpp>

quarry::slab_options named(const char* name) {
  quarry::slab_options options;
  options.name = name;
  return options;
}

namespace plugin {

quarry::unsynchronized_slab_resource& memory() {
  static quarry::unsynchronized_slab_resource own(named("plugin"));
  return own;
}

char* describe(std::size_t& bytes) {
  const char* const words = "draws what it is told to draw";
  bytes = std::strlen(words) + 1;
  return static_cast<char*>(std::memcpy(memory().allocate(bytes, 1), words, bytes));
}

}  // namespace plugin

int main() {
  quarry::unsynchronized_slab_resource memory(named("host"));
  std::size_t bytes = 0;
  char* const description = plugin::describe(bytes);
  memory.deallocate(description, bytes, 1);
}
