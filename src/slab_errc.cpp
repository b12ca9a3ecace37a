#include "quarry/slab_errc.hpp"

#include <string>
#include <system_error>

namespace quarry {
inline namespace QUARRY_ABI {
namespace {

class category_type final : public std::error_category {
 public:
  const char* name() const noexcept override { return "quarry"; }

  std::string message(int value) const override { return describe(static_cast<slab_errc>(value)); }

  std::error_condition default_error_condition(int value) const noexcept override {
    switch (static_cast<slab_errc>(value)) {
      case slab_errc::ok:
        return {};
      case slab_errc::out_of_memory:
        return std::errc::not_enough_memory;
      case slab_errc::corrupted:
        return std::errc::bad_address;
      default:
        return std::errc::invalid_argument;
    }
  }
};

}  // namespace

const std::error_category& slab_category() noexcept {
  static const category_type category;
  return category;
}

std::error_code make_error_code(slab_errc error) noexcept {
  return {static_cast<int>(error), slab_category()};
}

}  // namespace QUARRY_ABI
}  // namespace quarry
