// A user's library whose header shows Quarry's types.
#pragma once

#include <cstddef>
#include <map>
#include <memory_resource>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <string>

class words {
 public:
  void add(const char* word);
  std::size_t count(const char* word) const;

 private:
  quarry::unsynchronized_slab_resource pool_;
  std::pmr::map<std::pmr::string, std::size_t> counts_{&pool_};
};
