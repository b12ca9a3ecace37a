# Quarry in gdb: what a resource or a typed cache holds, in words, and the command `quarry`.
#
#   (gdb) source .../quarry-gdb.py          where gdb does not load it by itself; docs/debugging.md
#   (gdb) print resource                    one line of totals and one for each size class
#   (gdb) quarry info ADDRESS [RESOURCE]    which slab and slot an address lies in, and whether that lives
#   (gdb) quarry slabs RESOURCE             every slab: address, class, slots, live, cached, free
#   (gdb) quarry resources                  those that variables name, and all synchronized ones
#
# It reads memory alone, so it serves core files too, and needs the debug information of Quarry's types. What it knows of their
# fields stands in the functions and classes of the first half, one for each of Quarry's own.
import contextlib
import functools
import re

import gdb
import gdb.printing

QUARRY = r"^(?:const |volatile )*(quarry::(?:\w+::)?)"
LIVE, CACHED, FREE = "live", "cached", "free"


# Values

def load(atomic):
    """Returns what a std::atomic holds, of libstdc++ and libc++."""
    for field in ("_M_b", "_M_base", "__a_"):
        if field in {f.name for f in atomic.type.strip_typedefs().fields()}:
            return load(atomic[field])
    for field in ("_M_p", "_M_i", "__a_value"):
        try:
            return atomic[field]
        except gdb.error:
            continue
    raise gdb.GdbError("quarry: cannot read " + str(atomic.type))


def blocks_of(index):
    """Yields each block of an oversize_blocks."""
    segments = index["tables_"]["segments"]
    first_buckets = 16
    for bucket in range(int(index["buckets_"])):
        segment = (bucket // first_buckets).bit_length()
        at = bucket if segment == 0 else bucket - (first_buckets << (segment - 1))
        yield from chain(segments[segment][at])


def chain(pointer, following="next"):
    """Yields what a pointer and the links behind it point to."""
    while int(pointer) != 0:
        each = pointer.dereference()
        yield each
        pointer = each[following]


def words_at(address, count):
    """Returns `count` words of memory as numbers."""
    if count == 0:
        return []
    size = gdb.lookup_type("void").pointer().sizeof
    data = gdb.selected_inferior().read_memory(address, count * size).tobytes()
    order = "big" if "big" in gdb.execute("show endian", to_string=True) else "little"
    return [int.from_bytes(data[i * size:(i + 1) * size], order) for i in range(count)]


def text_at(pointer):
    return pointer.string(errors="replace") if int(pointer) != 0 else None


def counted(number, what):
    return "{:,} {}{}".format(number, what, "" if number == 1 else "s")


# Slabs and slots

class Slab:
    """One slab, by its header."""

    def __init__(self, header, slot_bytes):
        self.begin = int(header["begin_"])
        self.slots = int(header["slots_"])
        self.slot_bytes = slot_bytes
        bitmap = header["bitmap_"]
        self.words = words_at(int(bitmap.address) + bitmap.type.sizeof, int(bitmap["words_"]))

    def holds(self, address):
        return self.begin <= address < self.begin + self.slots * self.slot_bytes

    def is_free(self, index):
        bits = 8 * gdb.lookup_type("void").pointer().sizeof
        return self.words[index // bits] >> (index % bits) & 1 != 0

    def free_slots(self):
        return sum(bin(word).count("1") for word in self.words)


class Bin:
    """All slabs of one size; `resting` tells of the slots that rest in magazines where, by address."""

    def __init__(self, core_bin, resting, more_slabs=None):
        self.slot_bytes = int(core_bin["layout_"]["slot_bytes"])
        self.resting = resting
        self.slabs = []
        groups = core_bin["groups_"]
        for group in range(groups.type.range()[0], groups.type.range()[1] + 1):
            self.slabs += [Slab(header, self.slot_bytes) for header in chain(groups[group])]
        if more_slabs is not None:
            self.slabs += [Slab(header, self.slot_bytes) for header in chain(more_slabs)]
        self.slabs.sort(key=lambda slab: slab.begin)

    def cached_in(self, slab):
        end = slab.begin + slab.slots * slab.slot_bytes
        return sum(1 for address in self.resting if slab.begin <= address < end)

    def slots(self):
        return sum(slab.slots for slab in self.slabs)

    def free(self):
        return sum(slab.free_slots() for slab in self.slabs)

    def cached(self):
        return len(self.resting)

    def live(self):
        return self.slots() - self.free() - self.cached()


def slots_in_magazine(entries, first, count, most):
    """Returns the slots in entries [first, first + count); entry 0 is the bottom."""
    count = max(0, min(count, most - first + 1))
    size = gdb.lookup_type("void").pointer().sizeof
    return [slot for slot in words_at(int(entries) + first * size, count) if slot != 0]


MOST_SLOTS = 63  # of a magazine


def slots_in_cache(cache, index):
    """Returns the slots of one class that rest in a core::cache, or, where calls are watched, in the one behind it."""
    if int(cache["behind"]) != 0:
        behind = cache["behind"].dereference()
        found = slots_in_cache(next(behind[f] for f in behind.type.strip_typedefs().fields() if f.is_base_class), index)
        return found + slots_in_quarantine(behind["delayed"], index)
    own = load(cache["classes"][index])
    if int(own) == 0:
        return []
    own = own.dereference()
    entries = load(own["loaded"])
    most = MOST_SLOTS
    if int(entries) == int(own["first"].address):
        most = own["first"].type.range()[1]
    top = int(load(cache["cursors"][index]["top_"]))
    found = slots_in_magazine(entries, 1, (top - int(entries)) // entries.type.sizeof, most)
    old, old_end = int(load(own["old_slots"])), int(own["old_end"])
    if old != 0:
        found += slots_in_magazine(entries, old_end - old + 1, old, most)
    if int(own["previous"]) != 0:
        previous = own["previous"].dereference()["entries"]
        found += slots_in_magazine(previous.address, 1, int(load(own["previous_slots"])), MOST_SLOTS)
    return found


def slots_in_quarantine(pointer, index):
    """Returns the slots of one class that rest in a core::quarantine; null: there is none."""
    if int(pointer) == 0:
        return []
    ring = pointer.dereference()
    first, slots = int(ring["first_"]), int(ring["slots_"])
    size = ring["ring_"].type.range()[1] + 1
    entries = (ring["ring_"][(first + i) % size] for i in range(min(slots, size)))
    return [int(each["slot"]) for each in entries if int(each["index"]) == index]


def slots_in_depot(depot):
    """Returns the slots that are parked in a core::depot."""
    found = []
    size = int(depot["magazine_slots_"])
    stacks = depot["full_"]["stacks_"]
    for home in range(stacks.type.range()[1] + 1):
        magazine = stacks[home]["top_"]
        while int(magazine) != 0:
            entries = magazine.dereference()["entries"]
            found += slots_in_magazine(entries.address, 1, size, MOST_SLOTS)
            magazine = entries[0].cast(magazine.type)
    if int(depot["open_"]) != 0:
        found += slots_in_magazine(depot["open_"], 1, int(depot["open_slots_"]), MOST_SLOTS)
    return found


# What holds slabs

class Resource:
    """A synchronized or unsynchronized slab resource."""

    def __init__(self, value):
        self.value = value
        self.address = int(value.address)
        self.kind = re.sub(QUARRY, "", str(value.type.strip_typedefs()))
        self.engine = value["engine_"]
        self.store = self.engine["store_"]
        self.options = value["setup_"]["options_"]
        self.name = text_at(self.options["name"])
        self.unknown_caches = False
        self.caches = list(self.find_caches())

    def __str__(self):
        return '{}{} at {:#x}'.format(self.kind, ' "' + self.name + '"' if self.name else "", self.address)

    def find_caches(self):
        """Yields each cache of slots with a name for it."""
        fields = {f.name for f in self.value.type.strip_typedefs().fields()}
        if "cache_" in fields:
            yield self.value["cache_"], "the magazine"
            return
        try:
            for node in chain(self.value["caches_"]["nodes_"], "next_of_resource"):
                state = str(load(node["tie"]["state_"]))
                if state.endswith(("thread_gone", "resource_gone")):
                    continue
                thread = int(node["thread"])
                owner = "a view" if thread == 0 else "thread {:#x}{}".format(thread, thread_number(thread))
                if state.endswith("vanished"):
                    owner += " of before the fork"
                yield node["cache"].dereference(), "a magazine of " + owner
        except gdb.error:
            self.unknown_caches = True  # the library was built without debug information

    def shelves(self):
        """Yields each class in use: its index and its shelf."""
        shelves = self.engine["shelves_"]
        for index in range(shelves.type.range()[1] + 1):
            shelf = load(shelves[index])
            if int(shelf) != 0:
                yield index, shelf.dereference()

    def bins(self):
        for index, shelf in self.shelves():
            resting = {slot: "in the depot" for slot in slots_in_depot(shelf["parked"])}
            for cache, where in self.caches:
                for slot in slots_in_cache(cache, index):
                    resting[slot] = "in " + where
            yield Bin(shelf["slots"], resting)

    def oversize(self):
        """Yields each oversize block, live or kept; slabs lie in some."""
        shards = self.store["oversize_"]
        others = shards["others_"]
        others = [load(others[i]) for i in range(others.type.range()[1] + 1)]
        for shard in [shards["first_"]] + [other.dereference() for other in others if int(other) != 0]:
            yield from blocks_of(shard["blocks"])

    def is_live(self, block):
        """Whether an oversize block is the user's: one that rests in a cache is live only for its store."""
        if not block["is_live"]:
            return False
        memory = int(block["memory"])
        for cache, _ in self.caches:
            if bool(load(cache["last"]["rests_"])) and int(load(cache["last"]["memory_"])) == memory:
                return False
        return True

    def extents(self):
        groups = self.store["extents_"]["groups_"]
        for group in range(groups.type.range()[1] + 1):
            yield from chain(groups[group])

    def held_bytes(self):
        return int(load(self.store["held_bytes_"]))

    def beside_slots(self, address):
        """Returns what an address is that lies in no slot of this resource, or None."""
        for block in self.oversize():
            memory, is_live = int(block["memory"]), self.is_live(block)
            size = int(block["bytes"] if is_live else block["held_bytes"])
            if memory <= address < memory + max(size, 1):
                if block["is_slab"]:
                    return "lies beside the slots of a slab, in its block of {:,} bytes at {:#x}".format(size, memory)
                return "lies {:,} bytes into an oversize block of {:,} bytes at {:#x}: {}".format(
                    address - memory, size, memory, LIVE if is_live else "freed, and kept for the next request")
        granule_bytes = int(self.store["extents_"]["granule_bytes_"])
        for extent in self.extents():
            base = int(extent["base"])
            if not base <= address < base + int(extent["granules"]) * granule_bytes:
                continue
            bit = (address - base) // granule_bytes
            state = ("discarded" if int(extent["discarded"]) >> bit & 1 else
                     "never used" if int(extent["blank"]) >> bit & 1 else
                     FREE if int(extent["free"]) >> bit & 1 else
                     "lent: behind the last slot of a slab, or a part of the resource's own")
            return "lies in granule {} of {} of the extent at {:#x}: {}".format(
                bit, int(extent["granules"]), base, state)
        block = load(self.store["parts_"]["blocks_"])
        for part in chain(block):
            if int(part.address) <= address < int(part.address) + int(part["bytes"]):
                return "lies in the resource's own parts: shelves, magazines, headers, tables"
        buffer = int(self.store["buffer_"])
        if buffer <= address < buffer + int(self.store["buffer_bytes_"]):
            return "lies in the initial buffer, in no slot"
        if self.address <= address < self.address + self.value.type.sizeof:
            return "lies in the resource itself"
        return None


def control_type_of(slot_cache):
    """Returns the type of a control block behind a slot_cache: its size of magazines and marks do not move what is read."""
    space = str(slot_cache).split("::slot_cache<")[0]
    lock, source = (str(slot_cache.template_argument(i).strip_typedefs()) for i in (1, 3))
    for slots in range(MOST_SLOTS + 1):
        for marks in ("false", "true"):
            try:
                return gdb.lookup_type("{}::cache_control<{}, {}, {}, {}>".format(space, lock, source, slots, marks))
            except gdb.error:
                pass
    raise gdb.error("quarry: no debug information of the control block of a {} is loaded.".format(slot_cache))


class TypedCache:
    """A slab_cache, by one of its handles."""

    def __init__(self, handle):
        self.handle = handle
        self.kind = "slab_cache<{}>".format(handle.type.strip_typedefs().template_argument(0))
        self.control = None
        slots = handle["slots_"]
        pointer = slots["front_"]
        fields = {f.name for f in pointer.type.strip_typedefs().fields()}
        if "unopened_" in fields:
            front = pointer["front_"]
            is_open = int(front) != int(pointer["unopened_"].address)
        else:
            front = load(pointer["front_"])
            is_open = int(front) != 0
        if is_open:
            control = control_type_of(slots.type.strip_typedefs())
            front_type = next(f.type for f in control.strip_typedefs().fields() if f.is_base_class)
            self.control = front.cast(front_type.pointer()).cast(control.pointer()).dereference()

    def __str__(self):
        return self.kind + ("" if self.control is None else " with its root at {:#x}".format(int(self.control.address)))

    def bins(self):
        if self.control is None:
            return
        stock = self.control["stock"]
        entries = stock["entries_"]
        top = int(load(self.control["loaded"]["top_"]))
        count = (top - int(entries)) // entries.type.sizeof
        resting = {slot: "in the magazine" for slot in slots_in_magazine(entries, 1, count, MOST_SLOTS)}
        yield Bin(stock["bin_"], resting, stock["resting_"])

    def kept(self):
        return 0 if self.control is None else int(self.control["stock"]["kept_"]["count_"])

    def beside_slots(self, address):
        return None


def thread_number(errno_address):
    """Returns ` (gdb's thread N)` for the thread whose errno lies there, or nothing."""
    with selection_kept():
        for thread in gdb.selected_inferior().threads():
            thread.switch()
            try:
                if int(gdb.parse_and_eval("(unsigned long)&errno")) == errno_address:
                    return " (gdb's thread {})".format(thread.num)
            except gdb.error:
                pass
    return ""


@contextlib.contextmanager
def selection_kept():
    """Selects again, at the end, the thread and the frame that are selected now."""
    thread, frame = gdb.selected_thread(), None
    try:
        frame = gdb.selected_frame()
    except gdb.error:
        pass  # nothing runs
    try:
        yield
    finally:
        if thread is not None and thread.is_valid():
            thread.switch()
        if frame is not None and frame.is_valid():
            frame.select()


# From an expression to what holds slabs

def target(value):
    """Returns what a pointer or reference names, as a resource where a memory_resource is one; None for a null pointer."""
    while value.type.strip_typedefs().code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        value = value.referenced_value()
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
        if int(value) == 0:
            return None
        value = value.dereference()
    if value.address is not None and str(value.type.strip_typedefs().unqualified()).endswith("pmr::memory_resource"):
        # Its own type mostly is incomplete; the first word is the address of the virtual table.
        table = words_at(int(value.address), 1)[0]
        symbol = gdb.execute("info symbol {:#x}".format(table), to_string=True)
        match = re.match(r"vtable for (quarry::[\w:]+)", symbol)
        if match:
            value = value.address.cast(gdb.lookup_type(match.group(1)).pointer()).dereference()
    return value


def holder(value):
    """Returns a Resource or TypedCache for a value that is one or leads to one, or None."""
    value = target(value)
    if value is None:
        return None
    name = str(value.type.strip_typedefs().unqualified())
    kind = re.sub(QUARRY, "", name)
    if kind == name:
        return None
    if kind in ("unsynchronized_slab_resource", "synchronized_slab_resource"):
        return Resource(value)
    if kind.startswith("slab_cache<"):
        return TypedCache(value)
    if kind == "slab_thread_view" or kind.startswith("slab_allocator<"):
        return holder(value["resource_"])
    return None


def known_holders(in_files=True):
    """Returns the resources and caches that variables of any frame name, and every synchronized resource; with `in_files` also
    those that variables outside of functions name, for which gdb reads all debug information there is, once."""
    found = {}

    def note(value):
        try:
            each = holder(value)
        except gdb.error:
            return
        if isinstance(each, Resource):
            found.setdefault(each.address, each)
        elif each is not None and each.control is not None:
            found.setdefault(int(each.control.address), each)

    for name in names_in_files() if in_files else ():
        try:
            note(gdb.parse_and_eval("'" + name + "'"))
        except gdb.error:
            continue
    with selection_kept():
        for each in gdb.selected_inferior().threads():
            each.switch()
            note_locals(gdb.newest_frame(), note)
    for value in registered():
        note(value)
    return list(found.values())


cached_names = {}  # by what gdb has loaded


def names_in_files():
    """Returns the names of variables outside of functions whose types are Quarry's."""
    loaded = tuple(each.filename for each in gdb.objfiles())
    if loaded not in cached_names:
        names = set()
        for line in gdb.execute("info variables -q -n -t quarry::", to_string=True).splitlines():
            match = re.search(r"[\s*&]((?:\(anonymous namespace\)|\w|::)+);$", line)
            if match:
                names.add(match.group(1))
        cached_names.clear()
        cached_names[loaded] = sorted(names)
    return cached_names[loaded]


def note_locals(frame, note):
    while frame is not None:
        try:
            block = frame.block()
        except RuntimeError:
            block = None  # a function without debug information
        while block is not None:
            for symbol in block:
                if symbol.is_variable or symbol.is_argument:
                    if re.search(r"quarry::|memory_resource", str(symbol.type)):
                        try:
                            note(symbol.value(frame))
                        except (gdb.error, TypeError):
                            pass
            if block.function is not None:
                break
            block = block.superblock
        frame = frame.older()


def registered():
    """Yields the synchronized resources of the copy of the library whose debug information is at hand."""
    try:
        resource = gdb.lookup_type(prefix() + "synchronized_slab_resource")
        registry = gdb.parse_and_eval("'" + prefix() + "detail::(anonymous namespace)::registry'")
        offset = next(f.bitpos // 8 for f in resource.fields() if f.name == "caches_")
        for each in chain(registry["first"], "next_"):
            yield gdb.Value(int(each.address) - offset).cast(resource.pointer()).dereference()
    except (gdb.error, StopIteration):
        return


def prefix():
    """Returns `quarry::` with the inline namespace of the version at hand."""
    if not known_prefix:
        for line in gdb.execute("info types -q ^quarry::.*synchronized_slab_resource$", to_string=True).splitlines():
            match = re.search(r"(quarry::(?:\w+::)?)(?:un)?synchronized_slab_resource;", line)
            if match:
                known_prefix.append(match.group(1))
    return known_prefix[0] if known_prefix else "quarry::"


known_prefix = []  # once it was found


# Commands

def describe(each, address):
    """Returns what `address` is in a resource or cache, or None."""
    for size in each.bins():
        for slab in size.slabs:
            if not slab.holds(address):
                continue
            index = (address - slab.begin) // size.slot_bytes
            slot = slab.begin + index * size.slot_bytes
            state = LIVE
            if slab.is_free(index):
                state = FREE
            elif slot in size.resting:
                state = "free, and cached " + size.resting[slot]
            inside = "" if slot == address else ", {:,} bytes into it".format(address - slot)
            return "is slot {} of {} of {:,} bytes{}, in the slab at {:#x}: {}".format(
                index, slab.slots, size.slot_bytes, inside, slab.begin, state)
    return each.beside_slots(address)


def why(error):
    """Returns what an error of gdb's means here."""
    text = str(error)
    if "no member named" in text or "incomplete type" in text or "No type named" in text:
        return text.rstrip(".") + ": Quarry's library has to be built with debug information (-g)"
    return text


def telling_why(command):
    @functools.wraps(command)
    def told(*arguments):
        try:
            return command(*arguments)
        except gdb.error as error:
            raise gdb.GdbError("quarry: " + why(error)) from None
    return told


class Quarry(gdb.Command):
    """Tells what Quarry's resources and typed caches hold.

    quarry info ADDRESS [RESOURCE]   which slab, slot or block an address lies in, and whether that lives
    quarry slabs RESOURCE            every slab with its slots
    quarry resources                 those that variables name, and all synchronized ones"""

    def __init__(self):
        super().__init__("quarry", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION, True)


def answers_of(holders, address):
    """Returns what each of them knows of an address. Resources nest: those that it is a slot of tell most and go first."""
    answers = [(each, text) for each in holders for text in [describe(each, address)] if text is not None]
    return sorted(answers, key=lambda answer: not answer[1].startswith("is slot"))


class QuarryInfo(gdb.Command):
    """quarry info ADDRESS [RESOURCE]: which slab, slot or block an address lies in, and whether that lives.
    Without RESOURCE those that `quarry resources` finds are asked, variables of functions first."""

    def __init__(self):
        super().__init__("quarry info", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    @telling_why
    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) not in (1, 2):
            raise gdb.GdbError("usage: quarry info ADDRESS [RESOURCE]")
        value = gdb.parse_and_eval(words[0])
        if value.type.strip_typedefs().code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_ARRAY):
            value = value.address
        address = int(value) & (1 << 8 * gdb.lookup_type("void").pointer().sizeof) - 1
        holders = [named(words[1])] if len(words) == 2 else known_holders(in_files=False)
        answers = answers_of(holders, address)
        if not answers and len(words) == 1:
            holders = known_holders()
            answers = answers_of(holders, address)
        for each, text in answers:
            print("{:#x} {}; {}".format(address, text, each))
        if not answers:
            print("{:#x} lies in none of {}".format(address, ", ".join(map(str, holders)) or "the resources that are known: there are none"))
        if any(getattr(each, "unknown_caches", False) for each, _ in answers):
            print("What rests in threads' caches is unknown, and said to live: the library has no debug information.")


class QuarrySlabs(gdb.Command):
    """quarry slabs RESOURCE: every slab of a resource or typed cache, with its class and its slots."""

    def __init__(self):
        super().__init__("quarry slabs", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    @telling_why
    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) != 1:
            raise gdb.GdbError("usage: quarry slabs RESOURCE")
        each = named(words[0])
        print(each)
        row = "{:>18}{:>12}{:>10}{:>10}{:>10}{:>10}"
        print(row.format("slab", "slot_bytes", "slots", "live", "cached", "free"))
        for size in each.bins():
            for slab in size.slabs:
                free, cached = slab.free_slots(), size.cached_in(slab)
                print(row.format("{:#x}".format(slab.begin), size.slot_bytes, slab.slots,
                                 slab.slots - free - cached, cached, free))


class QuarryResources(gdb.Command):
    """quarry resources: the resources and typed caches that variables of any frame or file name, and every synchronized
    resource, with their totals."""

    def __init__(self):
        super().__init__("quarry resources", gdb.COMMAND_DATA)

    @telling_why
    def invoke(self, argument, from_tty):
        for each in known_holders():
            print("{}: {}".format(each, totals(each)))


def named(expression):
    each = holder(gdb.parse_and_eval(expression))
    if each is None:
        raise gdb.GdbError("quarry: " + expression + " is no resource, view, allocator or typed cache of Quarry's")
    return each


# Printers

def totals(each):
    bins = list(each.bins())
    live = sum(size.live() for size in bins)
    text = "{} live ({:,} bytes), {:,} cached, {}".format(
        counted(live, "slot"), sum(size.live() * size.slot_bytes for size in bins), sum(size.cached() for size in bins),
        counted(sum(len(size.slabs) for size in bins), "slab"))
    if isinstance(each, TypedCache):
        kept = each.kept()
        return text + (", {} kept among the live".format(counted(kept, "object")) if kept else "")
    blocks = [block for block in each.oversize() if each.is_live(block) and not block["is_slab"]]
    if blocks:
        text += ", {} ({:,} bytes)".format(counted(len(blocks), "oversize block"), sum(int(b["bytes"]) for b in blocks))
    text += ", {:,} bytes from upstream".format(each.held_bytes())
    return text + (", caches of threads unknown" if each.unknown_caches else "")


class HolderPrinter:
    """A resource or a typed cache: totals, and a line for each size."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        try:
            each = holder(self.value)
            if isinstance(each, TypedCache) and each.control is None:
                return each.kind + " without a slab yet"
            name = ' "' + each.name + '"' if getattr(each, "name", None) else ""
            return "{}{}: {}".format(each.kind, name, totals(each))
        except gdb.error as error:
            return "{} that cannot be read: {}".format(self.value.type, why(error))

    def children(self):
        try:
            for size in holder(self.value).bins():
                yield "{}-byte slots".format(size.slot_bytes), "{:,} live, {:,} cached, {:,} free in {}".format(
                    size.live(), size.cached(), size.free(), counted(len(size.slabs), "slab"))
        except gdb.error:
            return


class ViewPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        try:
            resource = holder(self.value)
            tie = self.value["tie_"]["entry"]
            cached = 0
            if int(tie["cache"]) != 0 and int(tie["id"]) == int(resource.value["caches_"]["id_"]):
                cached = sum(len(slots_in_cache(tie["cache"].dereference(), index)) for index, _ in resource.shelves())
            return "slab_thread_view of {}: {} cached".format(resource, counted(cached, "slot"))
        except gdb.error as error:
            return "slab_thread_view that cannot be read: {}".format(why(error))


class AllocatorPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        pointer = self.value["resource_"]
        try:
            each = target(pointer)
            each = holder(each) or each.type if each is not None else "no resource"
            return "slab_allocator<{}> over {}".format(self.value.type.strip_typedefs().template_argument(0), each)
        except gdb.error:
            return "slab_allocator over {:#x}".format(int(pointer))


class PointerPrinter:
    """A slab_ptr: the object that it owns."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        kind = "slab_ptr<{}>".format(self.value.type.strip_typedefs().template_argument(0))
        return "empty " + kind if int(self.value["object_"]) == 0 else kind

    def children(self):
        pointer = self.value["object_"]
        if int(pointer) != 0:
            yield "get()", pointer
            yield "*get()", pointer.dereference()


def collection():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("quarry")
    for name, pattern, printer in (
            ("resource", r"(un)?synchronized_slab_resource$", HolderPrinter),
            ("slab_cache", r"slab_cache<.*>$", HolderPrinter),
            ("slab_thread_view", r"slab_thread_view$", ViewPrinter),
            ("slab_allocator", r"slab_allocator<.*>$", AllocatorPrinter),
            ("slab_ptr", r"slab_ptr<.*>$", PointerPrinter)):
        printers.add_printer(name, r"^quarry::(\w+::)?" + pattern, printer)
    return printers


def register(objfile):
    """Registers printers for what an object file of gdb's defines, or everywhere for None, and the commands."""
    gdb.printing.register_pretty_printer(objfile, collection(), replace=True)
    for command in (Quarry, QuarryInfo, QuarrySlabs, QuarryResources):
        command()
