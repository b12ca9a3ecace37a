// A boost::container::pmr::memory_resource over a slab resource: for boost::container::pmr containers and for
// Boost.JSON.
//
// Layer      1 (what a container or user holds). The only header of Quarry that includes Boost.
// Invariant  One word beside the virtual table: the resource. Alignment is honoured, which Boost's own pool
//            resources do not do.
// Threads    As the resource.
#pragma once

#include <boost/container/pmr/memory_resource.hpp>
#include <cstddef>

#include <quarry/detail/allocator_face.hpp>
#include <quarry/detail/type_of.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>

namespace quarry {
inline namespace QUARRY_ABI {

/// Hands the calls of Boost's interface to a resource; one virtual call each.
/// Alignments up to max_align are all served as max_align, as Boost's own resources do: Boost.JSON frees the keys
/// of a document that it could not finish with another alignment than it allocated them with.
/// From 512 bytes on, what is freed has the size that the resource finds for its address, not the one that is said:
/// boost::json::monotonic_resource (as of Boost 1.81) frees each of its blocks with fewer bytes than it asked for. That serves
/// every monotonic_resource but one that is told to start with less than 512 bytes.
/// Good for boost::container::pmr::polymorphic_allocator and for boost::json::storage_ptr.
/// Complexity  As the resource; each other member: O(1).
template <class Resource = unsynchronized_slab_resource>
class boost_memory_resource final : public boost::container::pmr::memory_resource {
 public:
  /// Requires    resource != nullptr; it outlives this object.
  explicit constexpr boost_memory_resource(Resource* resource) noexcept : resource_(resource) {}
  explicit constexpr boost_memory_resource(Resource& resource) noexcept : resource_(&resource) {}

  /// Returns the resource that was given.
  constexpr Resource* resource() const noexcept { return resource_; }

 private:
  static constexpr std::size_t least_doubted_bytes = 512;  // to look costs some 30 ns a pair

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    return resource_->allocate(bytes, served(alignment));
  }

  void do_deallocate(void* place, std::size_t bytes, std::size_t alignment) override {
    if (bytes >= least_doubted_bytes) bytes = true_bytes(place, bytes);
    resource_->deallocate(place, bytes, served(alignment));
  }

  std::size_t true_bytes([[maybe_unused]] const void* place, std::size_t said_bytes) const noexcept {
    if constexpr (detail::has_typed_face<Resource>) {
      const std::size_t found_bytes = resource_->block_bytes(place);
      if (found_bytes != 0) return found_bytes;
    }
    return said_bytes;
  }

  // Two of them over one resource may free each other's memory.
  bool do_is_equal(const boost::container::pmr::memory_resource& other) const noexcept override {
    if (this == &other) return true;
    const auto* const same = detail::as_final_like(*this, other);
    return same != nullptr && same->resource_ == resource_;
  }

  static constexpr std::size_t served(std::size_t alignment) noexcept {
    return alignment < alignof(std::max_align_t) ? alignof(std::max_align_t) : alignment;
  }

  Resource* resource_;
};

}  // namespace QUARRY_ABI
}  // namespace quarry
