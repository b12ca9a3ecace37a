// Code of one module or object file; QUARRY_FACES names its one function.
#include "faces.hpp"

#include <new>
#include <quarry/page_sources.hpp>
#include <stdexcept>

namespace {

using namespace quarry_test;

template <class Resource>
constexpr resource_verbs<Resource> verbs_of_resource = {
    [](std::pmr::memory_resource* upstream) { return new Resource(upstream); },
    [](Resource* ended) { delete ended; },
    [](Resource& from, std::size_t bytes) { return from.allocate(bytes); },
    [](Resource& to, void* slot, std::size_t bytes) { to.deallocate(slot, bytes); },
    [](const Resource& of) { return of.stats().live_slots; },
    [](Resource& of) {
      std::size_t live = 0;
      of.for_each_live([&](void*, std::size_t) { ++live; });
      return live;
    }};

constexpr container_verbs<std::pmr::list<int>, std::pmr::memory_resource> verbs_of_list = {
    [](std::pmr::memory_resource& from) { return new std::pmr::list<int>(&from); },
    [](std::pmr::list<int>* ended) { delete ended; },
    [](std::pmr::list<int>& grown, int from, int to) {
      for (int i = from; i < to; ++i) grown.push_back(i);
    },
    [](std::pmr::list<int>& shrunk, int from, int to) {
      shrunk.remove_if([=](int each) { return each >= from && each < to; });
    },
    [](const std::pmr::list<int>& of) {
      long sum = 0;
      for (const int each : of) sum += each;
      return sum;
    }};

template <class Resource>
constexpr container_verbs<map_over<Resource>, Resource> verbs_of_map = {
    [](Resource& from) { return new map_over<Resource>(&from); },
    [](map_over<Resource>* ended) { delete ended; },
    [](map_over<Resource>& grown, int from, int to) {
      for (int i = from; i < to; ++i) grown.emplace(i, i);
    },
    [](map_over<Resource>& shrunk, int from, int to) {
      for (int i = from; i < to; ++i) shrunk.erase(i);
    },
    [](const map_over<Resource>& of) {
      long sum = 0;
      for (const auto& each : of) sum += each.second;
      return sum;
    }};

constexpr cache_verbs verbs_of_cache = {
    [] { return new numbered_cache; },
    [](numbered_cache* ended) { delete ended; },
    [](numbered_cache& cache, int number) { return cache.try_make(number).release(); },
    [](numbered* ended) { numbered_cache::ptr::adopt(ended).reset(); },
    [](numbered_cache& cache, numbered* done) { cache.recycle(numbered_cache::ptr::adopt(done)); },
    [](numbered_cache& cache) { return cache.reuse_kept().release(); },
    [](numbered_cache& cache) {
      long sum = 0;
      cache.for_each_live([&](const numbered& each) { sum += each.number; });
      return sum;
    }};

refusal catch_refusal(std::pmr::memory_resource& resource, std::size_t bytes, std::size_t alignment) {
#if defined(__cpp_exceptions)
  try {
    resource.deallocate(resource.allocate(bytes, alignment), bytes, alignment);
  } catch (const std::bad_alloc&) {
    return refusal::no_memory;
  } catch (const std::invalid_argument&) {
    return refusal::invalid_argument;
  } catch (...) {
    return refusal::other;
  }
#else
  static_cast<void>(resource);
  static_cast<void>(bytes);
  static_cast<void>(alignment);
#endif
  return refusal::none;
}

template <class Resource>
const Resource* as(const std::pmr::memory_resource& resource) {
#if defined(__cpp_rtti)
  return dynamic_cast<const Resource*>(&resource);
#else
  static_cast<void>(resource);
  return nullptr;
#endif
}

#define QUARRY_AS_TEXT(name) QUARRY_AS_TEXT_2(name)
#define QUARRY_AS_TEXT_2(name) #name

#if defined(__cpp_exceptions)
constexpr bool has_exceptions = true;
#else
constexpr bool has_exceptions = false;
#endif
#if defined(__cpp_rtti)
constexpr bool has_rtti = true;
#else
constexpr bool has_rtti = false;
#endif

constexpr faces these_faces = {QUARRY_AS_TEXT(QUARRY_FACES),
                               has_exceptions,
                               has_rtti,
                               verbs_of_resource<lone_resource>,
                               verbs_of_resource<shared_resource>,
                               verbs_of_list,
                               verbs_of_map<lone_resource>,
                               verbs_of_map<shared_resource>,
                               verbs_of_map<view>,
                               verbs_of_cache,
                               [](shared_resource& resource) { return new view(resource); },
                               [](view* ended) { delete ended; },
                               [] { return quarry::os_page_resource(); },
                               [] { return quarry::pooled_page_resource(); },
                               [](std::pmr::memory_resource& from, std::size_t bytes, std::size_t alignment) {
                                 return from.allocate(bytes, alignment);
                               },
                               [](std::pmr::memory_resource& to, void* block, std::size_t bytes,
                                  std::size_t alignment) { to.deallocate(block, bytes, alignment); },
                               [](const std::pmr::memory_resource& one,
                                  const std::pmr::memory_resource& other) { return one.is_equal(other); },
                               catch_refusal,
                               as<shared_resource>,
                               as<lone_resource>};

}  // namespace

// On Windows a library that exports one thing exports nothing else by itself.
#if defined(_WIN32)
#define QUARRY_SHOWN [[gnu::dllexport]]
#else
#define QUARRY_SHOWN [[gnu::visibility("default")]]
#endif

extern "C" QUARRY_SHOWN const quarry_test::faces* QUARRY_FACES() {
  return &these_faces;
}
