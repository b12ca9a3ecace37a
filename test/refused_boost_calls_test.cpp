// Boost's interface over every resource, at every level of checks, over an upstream that throws or returns null at any call.
// links: Boost::container
// options: -D_LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION
#include <gtest/gtest.h>

#include <boost/container/pmr/memory_resource.hpp>
#include <cstddef>
#include <memory_resource>
#include <quarry/boost_memory_resource.hpp>
#include <quarry/synchronized_slab_resource.hpp>
#include <quarry/unsynchronized_slab_resource.hpp>
#include <vector>

#include "support/refused_calls.hpp"

namespace {

using face_type = boost::container::pmr::memory_resource;
using quarry_test::refusal;
using quarry_test::taken_blocks;

template <class Resource>
class through_boost {
 public:
  through_boost(const quarry::slab_options& options, std::pmr::memory_resource& upstream)
      : resource_(options, &upstream), adapted_(resource_) {}
  /// Frees through Boost's interface, too, which looks at the size that it is told.
  through_boost& resource() { return *this; }
  face_type& face() { return adapted_; }

  void* allocate(std::size_t bytes, std::size_t alignment) { return face().allocate(bytes, alignment); }
  void deallocate(void* block, std::size_t bytes, std::size_t alignment) {
    face().deallocate(block, bytes, alignment);
  }
  auto stats() const { return resource_.stats(); }

 private:
  Resource resource_;
  quarry::boost_memory_resource<Resource> adapted_;
};

class RefusedBoostCalls : public testing::TestWithParam<refusal> {
 protected:
  template <class Resource>
  static void run() {
    quarry_test::refuse_every_call<through_boost<Resource>, face_type>(
        GetParam(),
        {{"allocate", true,
          [](face_type& face, std::size_t bytes) {
            return taken_blocks{{face.allocate(bytes, 16), bytes, 16}};
          }},
         {"allocate aligned to more", true,
          [](face_type& face, std::size_t bytes) {
            return taken_blocks{{face.allocate(bytes, 256), bytes, 256}};
          }}},
        {240, 1000, 40'000});
  }
};

TEST_P(RefusedBoostCalls, OfTheUnsynchronizedResourceLeaveEverythingAsItWas) {
  run<quarry::unsynchronized_slab_resource>();
}
TEST_P(RefusedBoostCalls, OfTheSynchronizedResourceLeaveEverythingAsItWas) {
  run<quarry::synchronized_slab_resource>();
}

INSTANTIATE_TEST_SUITE_P(EveryRefusal, RefusedBoostCalls, testing::ValuesIn(quarry_test::every_refusal()),
                         [](const auto& each) { return each.param.name(); });

}  // namespace
