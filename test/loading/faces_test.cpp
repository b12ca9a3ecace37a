// What one module, or object file, makes, another uses and ends. The build says which these are and how they contain the
// library: QUARRY_LINKED_FACES is F(name) for each that is linked, QUARRY_LOADED_FACES the file of one that is loaded, and
// QUARRY_ONE_LIBRARY is defined where all share one copy of the library.
#include "faces.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "support/counting_resource.hpp"
#include "support/loaded_library.hpp"

#define F(name) extern "C" const quarry_test::faces* name();
QUARRY_LINKED_FACES
#undef F

namespace {

using quarry_test::counting_resource;
using quarry_test::faces;
using quarry_test::lone_resource;
using quarry_test::numbered;
using quarry_test::numbered_cache;
using quarry_test::refusal;
using quarry_test::shared_resource;
using quarry_test::view;

constexpr std::size_t bytes = 64;

class Faces : public testing::Test {
 protected:
  void SetUp() override {
#define F(name) all_.push_back(name());
    QUARRY_LINKED_FACES
#undef F
#if defined(QUARRY_LOADED_FACES)
    ASSERT_TRUE(library_.load(QUARRY_LOADED_FACES)) << library_.error();
    const auto find = library_.find<const faces*()>("quarry_test_loaded_faces");
    ASSERT_NE(find, nullptr);
    all_.push_back(find());
#endif
  }

  // Calls f(maker, user) for every two.
  template <class Call>
  void for_each_pair(Call call) {
    for (const faces* maker : all_)
      for (const faces* user : all_)
        if (maker != user) {
          SCOPED_TRACE(testing::Message() << maker->name << " makes, " << user->name << " uses and ends");
          call(*maker, *user);
        }
  }

  std::vector<const faces*> all_;
  quarry_test::loaded_library library_;
};

template <class Resource>
void check_resource(const quarry_test::resource_verbs<Resource>& maker,
                    const quarry_test::resource_verbs<Resource>& user) {
  counting_resource upstream;
  Resource* const made = maker.make(&upstream);
  std::vector<void*> slots;
  for (int i = 0; i < 500; ++i) slots.push_back((i % 2 == 0 ? maker : user).take(*made, bytes));
  for (void* const each : slots) EXPECT_TRUE(upstream.holds(each));
  EXPECT_EQ(user.live_slots(*made), 500U);
  EXPECT_EQ(user.visit(*made), 500U);
  EXPECT_EQ(maker.visit(*made), 500U);
  for (std::size_t i = 0; i < slots.size(); ++i) (i % 3 == 0 ? maker : user).give(*made, slots[i], bytes);
  EXPECT_EQ(maker.live_slots(*made), 0U);
  EXPECT_EQ(user.live_slots(*made), 0U);
  user.end(made);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(Faces, AResourceEndsWhereItWasNotMade) {
  for_each_pair([](const faces& maker, const faces& user) {
    check_resource(maker.lone, user.lone);
    check_resource(maker.shared, user.shared);
  });
}

TEST_F(Faces, AViewEndsWhereItWasNotMade) {
  for_each_pair([](const faces& maker, const faces& user) {
    counting_resource upstream;
    shared_resource* const resource = maker.shared.make(&upstream);
    view* const made = maker.make_view(*resource);
    view* const other = user.make_view(*resource);
    void* const slot = user.take(*made, bytes, 8);
    for (const faces* each : {&maker, &user}) {
      EXPECT_TRUE(each->are_equal(*made, *resource));
      EXPECT_TRUE(each->are_equal(*resource, *made));
      EXPECT_TRUE(each->are_equal(*made, *other));
      EXPECT_FALSE(each->are_equal(*resource, upstream));
    }
    std::thread([&] { user.give(*other, slot, bytes, 8); }).join();
    EXPECT_EQ(user.shared.live_slots(*resource), 0U);
    user.end_view(made);
    maker.end_view(other);
    user.shared.end(resource);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  });
}

template <class Verbs, class Resource>
void check_container(const Verbs& maker, const Verbs& user, Resource& resource) {
  auto* const made = maker.make(resource);
  user.grow(*made, 0, 1000);
  maker.shrink(*made, 0, 500);
  maker.grow(*made, 1000, 2000);
  user.shrink(*made, 500, 1900);
  for (const Verbs* each : {&maker, &user}) EXPECT_EQ(each->sum(*made), (1900 + 1999) * 50);
  user.end(made);
}

TEST_F(Faces, AContainerEndsWhereItWasNotMade) {
  for_each_pair([](const faces& maker, const faces& user) {
    counting_resource upstream;
    lone_resource* const lone = maker.lone.make(&upstream);
    shared_resource* const shared = maker.shared.make(&upstream);
    view* const viewed = maker.make_view(*shared);
    check_container(maker.list, user.list, static_cast<std::pmr::memory_resource&>(*lone));
    check_container(maker.list, user.list, static_cast<std::pmr::memory_resource&>(*shared));
    check_container(maker.list, user.list, static_cast<std::pmr::memory_resource&>(*viewed));
    check_container(maker.lone_map, user.lone_map, *lone);
    check_container(maker.shared_map, user.shared_map, *shared);
    check_container(maker.view_map, user.view_map, *viewed);
    EXPECT_EQ(user.lone.live_slots(*lone), 0U);
    EXPECT_EQ(user.shared.live_slots(*shared), 0U);
    user.end_view(viewed);
    user.shared.end(shared);
    user.lone.end(lone);
    EXPECT_EQ(upstream.live_blocks(), 0U);
  });
}

TEST_F(Faces, ATypedCacheAndItsObjectsEndWhereTheyWereNotMade) {
  for_each_pair([](const faces& maker, const faces& user) {
    numbered_cache* const made = maker.cache.make();
    std::vector<numbered*> objects;
    for (int i = 0; i < 1000; ++i) objects.push_back((i % 2 == 0 ? maker : user).cache.make_object(*made, i));
    EXPECT_EQ(maker.cache.sum(*made), 999 * 500);
    EXPECT_EQ(user.cache.sum(*made), 999 * 500);
    numbered* const recycled = objects.back();
    user.cache.recycle(*made, recycled);
    EXPECT_EQ(maker.cache.reuse(*made), recycled);
    for (int i = 0; i < 500; ++i) user.cache.end_object(objects[static_cast<std::size_t>(i)]);
    user.cache.end(made);
    for (int i = 500; i < 1000; ++i) user.cache.end_object(objects[static_cast<std::size_t>(i)]);
  });
}

TEST_F(Faces, PagesGoBackFromWhereTheyWereNotTaken) {
  constexpr std::size_t extent_bytes = 65536;
  for_each_pair([](const faces& maker, const faces& user) {
    for (std::pmr::memory_resource* pages : {maker.os_pages(), maker.pooled_pages()}) {
      void* const extent = maker.take(*pages, extent_bytes, extent_bytes);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(extent) % extent_bytes, 0U);
      user.give(*pages, extent, extent_bytes, extent_bytes);
    }
    for (const auto get : {&faces::os_pages, &faces::pooled_pages}) {
      shared_resource* const made = maker.shared.make((maker.*get)());
      void* const slot = user.shared.take(*made, bytes);
      user.shared.give(*made, slot, bytes);
      user.shared.end(made);
    }
  });
}

TEST_F(Faces, ThreadsUseOneResourceThroughAll) {
  counting_resource upstream;
  shared_resource* const made = all_.front()->shared.make(&upstream);
  std::vector<std::thread> threads;
  for (std::size_t first = 0; first < 4; ++first)
    threads.emplace_back([&, first] {
      std::vector<void*> slots;
      for (std::size_t i = first; i < 2000; ++i) {
        slots.push_back(all_[i % all_.size()]->shared.take(*made, bytes));
        if (i % 3 != 0) continue;
        all_[i / 2 % all_.size()]->shared.give(*made, slots.back(), bytes);
        slots.pop_back();
      }
      for (void* const each : slots) all_.back()->shared.give(*made, each, bytes);
    });
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(all_.back()->shared.live_slots(*made), 0U);
  all_.back()->shared.end(made);
  EXPECT_EQ(upstream.live_blocks(), 0U);
}

TEST_F(Faces, WhatOneThrowsAnotherCatches) {
  for_each_pair([](const faces& maker, const faces& user) {
    if (!maker.has_exceptions || !user.has_exceptions) return;
    lone_resource* const lone = maker.lone.make(std::pmr::null_memory_resource());
    shared_resource* const shared = maker.shared.make(std::pmr::null_memory_resource());
    for (std::pmr::memory_resource* each :
         {static_cast<std::pmr::memory_resource*>(lone), static_cast<std::pmr::memory_resource*>(shared)}) {
      EXPECT_EQ(user.catch_refusal(*each, bytes, 8), refusal::no_memory);
      EXPECT_EQ(user.catch_refusal(*each, bytes, 24), refusal::invalid_argument);
    }
    EXPECT_EQ(user.catch_refusal(*maker.os_pages(), SIZE_MAX / 2, 8), refusal::no_memory);
    user.lone.end(lone);
    user.shared.end(shared);
  });
}

#if defined(QUARRY_ONE_LIBRARY)
TEST_F(Faces, WhatOneMakesAnotherKnowsByItsType) {
  for_each_pair([](const faces& maker, const faces& user) {
    if (!user.has_rtti) return;
    counting_resource upstream;
    lone_resource* const lone = maker.lone.make(&upstream);
    shared_resource* const shared = maker.shared.make(&upstream);
    EXPECT_EQ(user.as_lone(*lone), lone);
    EXPECT_EQ(user.as_shared(*shared), shared);
    EXPECT_EQ(user.as_shared(*lone), nullptr);
    EXPECT_EQ(user.as_lone(*shared), nullptr);
    EXPECT_EQ(user.os_pages(), maker.os_pages());
    EXPECT_EQ(user.pooled_pages(), maker.pooled_pages());
    user.lone.end(lone);
    user.shared.end(shared);
  });
}
#endif

}  // namespace
