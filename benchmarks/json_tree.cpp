// What does a document tree cost? Real JSON is parsed into objects, arrays and strings (RapidJSON's event
// reader, the tree is ours); then the parsed trees are copied and edited as a service would: members dropped,
// added, renamed.
#include <rapidjson/reader.h>

#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "loads.hpp"
#include "real_input.hpp"
#include "workload.hpp"

namespace {

using tree_allocator = std::pmr::polymorphic_allocator<std::byte>;

struct member;

// A JSON value whose every part comes from one memory_resource.
class value {
 public:
  using allocator_type = tree_allocator;
  using array = std::pmr::vector<value>;
  using object = std::pmr::vector<member>;
  using content = std::variant<std::nullptr_t, bool, std::int64_t, double, std::pmr::string, array, object>;

  explicit value(content held) : held_(std::move(held)) {}
  value(value&&) noexcept = default;
  value(value&& other, const allocator_type&) noexcept : held_(std::move(other.held_)) {}
  value(const value& other, const allocator_type& allocator) : held_(copy_of(other.held_, allocator)) {}
  value& operator=(value&&) noexcept = default;
  value(const value&) = delete;
  value& operator=(const value&) = delete;
  ~value() = default;

  content& held() { return held_; }
  std::uint64_t sum() const;

 private:
  static content copy_of(const content& other, const allocator_type& allocator);
  content held_;
};

struct member {
  using allocator_type = tree_allocator;
  member(std::pmr::string&& member_name, value&& member_value, const allocator_type&) noexcept
      : name(std::move(member_name)), held(std::move(member_value)) {}
  member(member&&) noexcept = default;
  member(member&& other, const allocator_type&) noexcept
      : name(std::move(other.name)), held(std::move(other.held)) {}
  member(const member& other, const allocator_type& allocator)
      : name(other.name, allocator), held(other.held, allocator) {}
  member& operator=(member&&) noexcept = default;

  std::pmr::string name;
  value held;
};

value::content value::copy_of(const content& other, const allocator_type& allocator) {
  const auto copy = [&allocator](const auto& part) -> content {
    using type = std::decay_t<decltype(part)>;
    if constexpr (std::is_constructible_v<type, const type&, const allocator_type&>) {
      return type(part, allocator);
    } else {
      return part;
    }
  };
  return std::visit(copy, other);
}

std::uint64_t value::sum() const {
  if (const auto* text = std::get_if<std::pmr::string>(&held_)) return text->size();
  if (const auto* number = std::get_if<std::int64_t>(&held_)) return static_cast<std::uint64_t>(*number);
  std::uint64_t total = 1;
  if (const auto* items = std::get_if<array>(&held_)) {
    for (const value& item : *items) total = total * 31 + item.sum();
  } else if (const auto* members = std::get_if<object>(&held_)) {
    for (const member& each : *members) total = (total * 31 + each.name.size()) * 31 + each.held.sum();
  }
  return total;
}

// Receives the reader's events and grows the tree; `open_` is the path from the root to where the reader
// stands.
class tree_builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, tree_builder> {
 public:
  explicit tree_builder(const tree_allocator& allocator) : allocator_(allocator), name_(allocator) {}
  value take_root() { return std::move(root_); }

  bool Null() { return add(nullptr); }
  bool Bool(bool truth) { return add(truth); }
  bool Int(int number) { return add(std::int64_t{number}); }
  bool Uint(unsigned number) { return add(std::int64_t{number}); }
  bool Int64(std::int64_t number) { return add(number); }
  bool Uint64(std::uint64_t number) { return add(static_cast<std::int64_t>(number)); }
  bool Double(double number) { return add(number); }
  bool String(const char* text, rapidjson::SizeType bytes, bool) {
    return add(std::pmr::string(text, bytes, allocator_));
  }
  bool Key(const char* text, rapidjson::SizeType bytes, bool) {
    name_.assign(text, bytes);
    return true;
  }
  bool StartObject() { return open(value::object(allocator_)); }
  bool EndObject(rapidjson::SizeType) { return close(); }
  bool StartArray() { return open(value::array(allocator_)); }
  bool EndArray(rapidjson::SizeType) { return close(); }

 private:
  bool add(value::content held) {
    place(value(std::move(held)));
    return true;
  }
  bool open(value::content held) {
    open_.push_back(&place(value(std::move(held))));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  value& place(value&& made) {
    if (open_.empty()) return root_ = std::move(made);
    if (auto* items = std::get_if<value::array>(&open_.back()->held()))
      return items->emplace_back(std::move(made));
    auto& members = std::get<value::object>(open_.back()->held());
    return members.emplace_back(std::pmr::string(name_, allocator_), std::move(made)).held;
  }

  tree_allocator allocator_;
  std::pmr::string name_;
  value root_{value::content(nullptr)};
  std::vector<value*> open_;
};

value parse(const std::string& text, std::pmr::memory_resource& resource) {
  tree_builder builder(&resource);
  rapidjson::Reader reader;
  rapidjson::StringStream stream(text.c_str());
  if (!reader.Parse(stream, builder)) throw std::runtime_error("a JSON document does not parse");
  return builder.take_root();
}

// Each object loses every third member and gains a copy of its first under a longer name.
void edit(value& tree, const tree_allocator& allocator) {
  if (auto* items = std::get_if<value::array>(&tree.held())) {
    for (value& item : *items) edit(item, allocator);
  } else if (auto* members = std::get_if<value::object>(&tree.held())) {
    for (member& each : *members) edit(each.held, allocator);
    for (std::size_t i = 2; i < members->size(); i += 2) {
      members->erase(members->begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (members->empty()) return;
    value copy(members->front().held, allocator);
    std::pmr::string name(members->front().name, allocator);
    name += " as it was before this edit";
    members->emplace_back(std::move(name), std::move(copy));
  }
}

std::shared_ptr<const std::vector<bench::document>> documents_for(const bench::run_mode& mode) {
  std::vector<bench::document> documents = bench::real_json();
  if (mode.smoke) documents.erase(documents.begin() + 1, documents.end());
  return std::make_shared<const std::vector<bench::document>>(std::move(documents));
}

std::size_t count_bytes(const std::vector<bench::document>& documents) {
  std::size_t bytes = 0;
  for (const bench::document& each : documents) bytes += each.text.size();
  return bytes;
}

bench::workload parse_documents(const bench::run_mode& mode) {
  const auto documents = documents_for(mode);
  return {"json_parse",
          "one KiB of real JSON parsed into a document tree, and its part of the tree destroyed",
          count_bytes(*documents) / 1024 + 1,
          15'000,
          true,
          [documents](std::pmr::memory_resource& resource) {
            return [documents, &resource](bool check) {
              std::uint64_t sum = 0;
              std::vector<value> trees;
              trees.reserve(documents->size());
              for (const bench::document& each : *documents) trees.push_back(parse(each.text, resource));
              if (check) {
                for (const value& tree : trees) sum = sum * 31 + tree.sum();
              }
              return sum;
            };
          }};
}

bench::workload edit_documents(const bench::run_mode& mode) {
  const auto documents = documents_for(mode);
  return {"json_edit",
          "one KiB of parsed JSON copied, edited and destroyed",
          count_bytes(*documents) / 1024 + 1,
          6'000,
          false,
          [documents](std::pmr::memory_resource& resource) {
            auto trees = std::make_shared<std::vector<value>>();
            for (const bench::document& each : *documents) trees->push_back(parse(each.text, resource));
            return [trees, &resource](bool check) {
              std::uint64_t sum = 0;
              for (const value& tree : *trees) {
                value copy(tree, &resource);
                edit(copy, &resource);
                if (check) sum = sum * 31 + copy.sum();
              }
              return sum;
            };
          }};
}

}  // namespace

std::vector<bench::workload> bench::json_tree_loads(const run_mode& mode) {
  return std::vector{parse_documents(mode), edit_documents(mode)};
}
