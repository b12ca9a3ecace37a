// boost_memory_resource: Boost's polymorphic containers over slabs, alignment included.
// links: Boost::container
// options: -D_LIBCPP_ENABLE_CXX17_REMOVED_UNARY_BINARY_FUNCTION
#include <quarry/boost_memory_resource.hpp>
#include <quarry/synchronized_slab_resource.hpp>

#include <gtest/gtest.h>

#include <boost/container/pmr/list.hpp>
#include <boost/container/pmr/map.hpp>
#include <boost/container/pmr/string.hpp>
#include <boost/container/pmr/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/failing_resource.hpp"

namespace {

namespace pmr = boost::container::pmr;
using quarry::unsynchronized_slab_resource;
using quarry_test::counting_resource;

class BoostMemoryResource : public ::testing::Test {
 protected:
  counting_resource upstream_;
  unsynchronized_slab_resource resource_{&upstream_};
  quarry::boost_memory_resource<> adapted_{&resource_};
};

TEST_F(BoostMemoryResource, DropsNullAndRefusesWhatCannotBe) {
  for (const std::size_t bytes : {0U, 64U, 2000U, 100000U})
    for (const std::size_t alignment : {1U, 16U, 4096U}) adapted_.deallocate(nullptr, bytes, alignment);
  EXPECT_EQ(upstream_.calls(), 0U);
  EXPECT_THROW(static_cast<void>(adapted_.allocate(SIZE_MAX - 5, 16)), std::bad_alloc);
  EXPECT_THROW(static_cast<void>(adapted_.allocate(64, 24)), std::invalid_argument);
  void* const block = adapted_.allocate(64, 0);  // as every alignment up to max_align
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % alignof(std::max_align_t), 0U);
  adapted_.deallocate(block, 64, 0);
}

// As boost::json::monotonic_resource, which says the bytes behind its block's header alone.
TEST_F(BoostMemoryResource, FreesBlocksWholeThatAreSaidToBeSmaller) {
  constexpr std::size_t header_bytes = 32;
  quarry::synchronized_slab_resource synchronized(&upstream_);
  quarry::boost_memory_resource<quarry::synchronized_slab_resource> synchronized_adapted(synchronized);
  boost::container::pmr::memory_resource* const each[] = {&adapted_, &synchronized_adapted};
  for (boost::container::pmr::memory_resource* const adapted : each)
    for (const std::size_t bytes : {512U, 992U, 1000U, 1024U, 1984U, 7936U, 32768U, 100000U}) {
      std::vector<void*> blocks;
      for (int i = 0; i < 200; ++i) blocks.push_back(adapted->allocate(bytes + header_bytes, 16));
      for (void* const block : blocks) adapted->deallocate(block, bytes, 16);
      for (void*& block : blocks) block = adapted->allocate(bytes, 16);
      for (std::size_t i = 0; i < blocks.size(); ++i) std::memset(blocks[i], static_cast<int>(i), bytes);
      for (std::size_t i = 0; i < blocks.size(); ++i) {
        const auto* const first = static_cast<const unsigned char*>(blocks[i]);
        EXPECT_EQ(first[0], i) << bytes << " bytes";
        EXPECT_EQ(first[bytes - 1], i) << bytes << " bytes";
        adapted->deallocate(blocks[i], bytes, 16);
      }
    }
  EXPECT_EQ(resource_.stats().live_bytes, 0U);
  EXPECT_EQ(synchronized.stats().live_bytes, 0U);
  resource_.trim();
  EXPECT_EQ(upstream_.live_bytes(), synchronized.stats().upstream_bytes);
}

TEST_F(BoostMemoryResource, HonoursEveryPairOfSizeAndAlignment) {
  struct block {
    void* place;
    std::size_t bytes;
    std::size_t alignment;
  };
  std::vector<block> blocks;
  for (std::size_t alignment = 1; alignment <= 8192; alignment *= 2)
    for (std::size_t bytes = 1; bytes <= 20000; bytes = bytes * 3 / 2 + 1) {
      blocks.push_back({adapted_.allocate(bytes, alignment), bytes, alignment});
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks.back().place) % alignment, 0U);
    }
  for (const block& each : blocks) adapted_.deallocate(each.place, each.bytes, each.alignment);
  EXPECT_EQ(resource_.stats().live_bytes, 0U);
}

TEST_F(BoostMemoryResource, EqualsExactlyThoseOverTheSameResource) {
  unsynchronized_slab_resource other(&upstream_);
  const quarry::boost_memory_resource<> same(resource_);
  const quarry::boost_memory_resource<> different(other);
  EXPECT_TRUE(adapted_.is_equal(adapted_));
  EXPECT_TRUE(adapted_.is_equal(same));
  EXPECT_FALSE(adapted_.is_equal(different));
  EXPECT_EQ(adapted_.resource(), &resource_);
}

TEST_F(BoostMemoryResource, PolymorphicContainersTakeTheirMemoryFromIt) {
  {
    pmr::map_of<int, pmr::string>::type map(&adapted_);
    pmr::list_of<int>::type list(&adapted_);
    pmr::vector_of<long>::type vector(&adapted_);
    std::map<int, std::string> expected;
    for (int i = 0; i < 500; ++i) {
      const std::string text(static_cast<std::size_t>(i % 90), 'q');
      map[i * 37 % 211].assign(text.c_str());
      expected[i * 37 % 211] = text;
      list.push_back(i);
      vector.push_back(i);
      if (i % 3 == 0) {
        map.erase(i);
        expected.erase(i);
        list.pop_front();
      }
    }
    ASSERT_EQ(map.size(), expected.size());
    for (const auto& [key, text] : expected) EXPECT_STREQ(map.at(key).c_str(), text.c_str());
    EXPECT_GT(resource_.stats().live_slots, 300U);
    EXPECT_EQ(map.begin()->second.get_allocator().resource(), &adapted_);
  }
  EXPECT_EQ(resource_.stats().live_slots, 0U);
}

TEST_F(BoostMemoryResource, PassesUpstreamsExceptionOn) {
  quarry_test::failing_resource failing(&upstream_);
  unsynchronized_slab_resource resource(&failing);
  quarry::boost_memory_resource<> adapted(resource);
  failing.fail_always(true);
  EXPECT_THROW((void)adapted.allocate(64), quarry_test::upstream_failure);
}

}  // namespace
