// What does a mesh of CGAL cost, whose vertices, halfedges and facets are nodes of three sizes?
//
// CGAL takes its allocator from a macro and default-constructs it, so the allocator here has no state: it
// finds the rival under test in one global pointer.
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <vector>

namespace bench {

inline std::pmr::memory_resource* resource_of_round = nullptr;  // set before a mesh is made or destroyed

template <class T>
struct round_allocator {
  using value_type = T;
  template <class U>
  struct rebind {
    using other = round_allocator<U>;
  };
  round_allocator() noexcept = default;
  template <class U>
  round_allocator(const round_allocator<U>&) noexcept {}

  T* allocate(std::size_t count) {
    return static_cast<T*>(resource_of_round->allocate(count * sizeof(T), alignof(T)));
  }
  void deallocate(T* place, std::size_t count) noexcept {
    resource_of_round->deallocate(place, count * sizeof(T), alignof(T));
  }
  friend bool operator==(round_allocator, round_allocator) noexcept { return true; }
  friend bool operator!=(round_allocator, round_allocator) noexcept { return false; }
};

}  // namespace bench

#define CGAL_ALLOCATOR(T) bench::round_allocator<T>
#include <CGAL/Polyhedron_3.h>
#include <CGAL/Simple_cartesian.h>

#include "workload.hpp"

namespace {

using kernel = CGAL::Simple_cartesian<double>;
using polyhedron = CGAL::Polyhedron_3<kernel>;

// Puts a vertex into the middle of every facet, which becomes three.
void split_every_facet(polyhedron& mesh) {
  std::vector<polyhedron::Halfedge_handle> sides;
  for (auto facet = mesh.facets_begin(); facet != mesh.facets_end(); ++facet)
    sides.push_back(facet->halfedge());
  for (const auto side : sides) {
    const auto& a = side->vertex()->point();
    const auto& b = side->next()->vertex()->point();
    const auto& c = side->next()->next()->vertex()->point();
    const kernel::Point_3 middle = CGAL::centroid(a, b, c);
    mesh.create_center_vertex(side)->vertex()->point() = middle;
  }
}

bench::workload mesh_refined(const bench::run_mode& mode) {
  const std::size_t turns = mode.pick(9, 3);
  std::size_t facets = 4;
  for (std::size_t turn = 0; turn < turns; ++turn) facets *= 3;
  return {"cgal_polyhedron",
          "one facet of a CGAL polyhedron: refined from a tetrahedron, a third taken away, destroyed",
          facets,
          400,
          true,
          [turns](std::pmr::memory_resource& resource) {
            return [turns, &resource](bool) {
              bench::resource_of_round = &resource;
              polyhedron mesh;
              mesh.make_tetrahedron({0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1});
              for (std::size_t turn = 0; turn < turns; ++turn) split_every_facet(mesh);
              std::vector<polyhedron::Halfedge_handle> taken;
              std::size_t number = 0;
              for (auto facet = mesh.facets_begin(); facet != mesh.facets_end(); ++facet)
                if (number++ % 3 == 0) taken.push_back(facet->halfedge());
              for (const auto side : taken) mesh.make_hole(side);
              return std::uint64_t{mesh.size_of_vertices() * 31 + mesh.size_of_facets()};
            };
          }};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_workloads(argc, argv,
                              [](const bench::run_mode& mode) { return std::vector{mesh_refined(mode)}; });
}
