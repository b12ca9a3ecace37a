// The allocators and the form of a load that the container benchmark's files share.
#pragma once

#include <benchmark/benchmark.h>

#include <boost/container/adaptive_pool.hpp>
#include <boost/container/node_allocator.hpp>
#include <boost/pool/pool_alloc.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <quarry/slab_allocator.hpp>

namespace bench {

/// One load on every rival; each computes the same sum. The first rival is Quarry.
struct container_load {
  std::string name;
  std::size_t operations;
  std::vector<std::pair<std::string, std::function<std::uint64_t()>>> rivals;
};

std::vector<container_load> list_loads(bool smoke);
std::vector<container_load> map_loads(bool smoke);

/// Prints what a live entry of a map costs over each allocator, each in a process of its own. Returns false when one
/// of them failed.
bool print_map_memory(bool smoke);

/// What such a process does. Returns false when there is no such map or allocator.
bool measure_map_memory(const std::string& map, const std::string& allocator, std::size_t entries);

inline quarry::unsynchronized_slab_resource& slabs_of_program() {
  static quarry::unsynchronized_slab_resource instance;
  return instance;
}

template <class T>
using slabs = quarry::slab_allocator<T>;
template <class T>
using fast_pool = boost::fast_pool_allocator<T, boost::default_user_allocator_new_delete,
                                             boost::details::pool::null_mutex, 1 << 13, 0>;
template <class T>
using boost_nodes = boost::container::node_allocator<T>;
template <class T>
using boost_adaptive = boost::container::adaptive_pool<T>;
template <class T>
using polymorphic = std::pmr::polymorphic_allocator<T>;

// slab_allocator with its bursts hidden: Boost.Container then asks for one node at a time.
template <class T>
struct one_by_one : slabs<T> {
  using version = std::integral_constant<unsigned, 1>;
  using slabs<T>::slabs;
  template <class U>
  one_by_one(const one_by_one<U>& other) noexcept  // NOLINT(google-explicit-constructor)
      : slabs<T>(other.resource()) {}
  template <class U>
  struct rebind {
    using other = one_by_one<U>;
  };
};

/// One array, handed out from its start and never taken back: what `bump` allocates from.
class bump_array {
 public:
  explicit bump_array(std::size_t bytes) : bytes_(bytes), array_(new std::byte[bytes]) {}
  void* allocate(std::size_t bytes) {
    const std::size_t rounded = (bytes + 7) / 8 * 8;
    if (rounded > bytes_ - used_) throw std::bad_alloc();
    void* const place = array_.get() + used_;
    used_ += rounded;
    return place;
  }
  void start_over() { used_ = kept_; }
  void keep() { kept_ = used_; }  // what is handed out by now outlives start_over()

 private:
  std::size_t bytes_;
  std::size_t used_ = 0;  // bytes
  std::size_t kept_ = 0;  // bytes
  std::unique_ptr<std::byte[]> array_;
};

inline bump_array& bump_array_of_program() {
  static bump_array instance(std::size_t{2} << 30);  // touched only as far as a load goes
  return instance;
}

/// What is left of a load when allocating costs almost nothing and freeing nothing: a bound for every rival.
template <class T>
struct bump {
  using value_type = T;
  using pointer = T*;
  using size_type = std::size_t;
  using version = std::integral_constant<unsigned, 2>;
  using multiallocation_chain = quarry::multiallocation_chain<T>;
  template <class U>
  struct rebind {
    using other = bump<U>;
  };
  bump() = default;
  template <class U>
  bump(const bump<U>&) noexcept {}  // NOLINT(google-explicit-constructor)

  T* allocate(std::size_t count) {
    if (count == 1) return allocate_one();
    return static_cast<T*>(bump_array_of_program().allocate(count * sizeof(T)));
  }
  void deallocate(T* place, std::size_t) noexcept { deallocate_one(place); }
  T* allocate_one() { return static_cast<T*>(bump_array_of_program().allocate(sizeof(T))); }
  // Else the compiler finds that nobody needs the walk over the nodes.
  void deallocate_one(T* place) noexcept { benchmark::DoNotOptimize(place); }
  void allocate_individual(std::size_t count, multiallocation_chain& chain) {
    chain.push_back_run(bump_array_of_program().allocate(count * sizeof(T)), count, sizeof(T));
  }
  void deallocate_individual(multiallocation_chain& chain) noexcept {
    benchmark::DoNotOptimize(chain.begin().operator->());
    chain.clear();
  }
  friend bool operator==(bump, bump) noexcept { return true; }
  friend bool operator!=(bump, bump) noexcept { return false; }
};

/// An allocator of this kind, whatever it is made from.
template <class Allocator>
Allocator make() {
  if constexpr (std::is_constructible_v<Allocator, quarry::unsynchronized_slab_resource*>) {
    return Allocator(&slabs_of_program());
  } else {
    return Allocator();
  }
}

/// `load`, run with a bump array that starts empty.
template <class Load>
std::function<std::uint64_t()> over_bump(Load load) {
  return [load] {
    bump_array_of_program().start_over();
    return load();
  };
}

}  // namespace bench
