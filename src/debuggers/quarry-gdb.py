# Loads quarry_gdb.py, which tells what it gives. For gdb's `source`, and, installed under the shared library's name in gdb's
# auto-load folder, for gdb itself. What gdb sources shares one name space, so the rest is a module.
import os
import sys

import gdb

quarry_folder = os.path.dirname(os.path.abspath(__file__))
if "/gdb/auto-load/" in quarry_folder + "/":
    quarry_folder = quarry_folder.split("/gdb/auto-load/")[0] + "/quarry/gdb"
if quarry_folder not in sys.path:
    sys.path.insert(0, quarry_folder)
import quarry_gdb  # noqa: E402

quarry_gdb.register(gdb.current_objfile())
