"""Quarry for Conan 2: `conan create docs/packaging/conan`."""
import os

from conan import ConanFile
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy


class QuarryRecipe(ConanFile):
    name = "quarry"
    version = "0.1.0"
    description = "An attachable slab allocator for C++17"
    license = "MIT"
    topics = ("allocator", "memory-resource", "pmr", "slab", "embedded")
    package_type = "library"
    settings = "os", "compiler", "build_type", "arch"
    options = {"shared": [True, False], "initial_exec": [True, False]}
    default_options = {"shared": False, "initial_exec": True}

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..", "..")
        for pattern in ("CMakeLists.txt", ".cmake/*", "include/*", "src/*", "LICENSE"):
            copy(self, pattern, root, self.export_sources_folder)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.variables["QUARRY_INITIAL_EXEC"] = bool(self.options.initial_exec)
        for extra in ("TESTS", "BENCHMARKS", "EXAMPLES"):
            toolchain.variables[f"QUARRY_BUILD_{extra}"] = "OFF"
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # Quarry's own quarry-config.cmake and quarry.pc are used as they are installed.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "quarry")]
        self.cpp_info.libs = ["quarry"]
        if not self.options.initial_exec:
            self.cpp_info.defines = ["QUARRY_NO_INITIAL_EXEC"]
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
