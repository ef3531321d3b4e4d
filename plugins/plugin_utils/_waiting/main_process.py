# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be set up in ansible's main process: all workers inherit it. Private to this collection."""

from __future__ import annotations

import sys

from ansible_collections.background.jobs.plugins.module_utils._runtime.door import load_operations
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.branch_variables import apply_joined_layers
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.module_cache import share_built_modules
from ansible_collections.background.jobs.plugins.plugin_utils._core_compat.raw_arguments import keep_raw_arguments
from ansible_collections.background.jobs.plugins.plugin_utils._places import loader
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.parked_hosts import park_from_now_on
from ansible_collections.background.jobs.plugins.plugin_utils._waiting.signals import take_signals


def set_up_main_process() -> None:
    """Write each line of standard output at once, take the signals and tickets, prepare what requests need, and get ready for
    branches.

    The actions that show something while they wait, or whose time counts most, call this when they are imported: no code
    of an action runs in the main process but the import of its class, which a strategy looks at before it forks a worker.
    """
    _write_lines()
    keep_raw_arguments()
    apply_joined_layers()
    share_built_modules()
    take_signals()
    # These are kept. Otherwise each worker would make them anew, which takes a sixth of a look at a job, and compile the
    # operations anew, which takes longer than that: Ansible keeps no compiled modules of collections.
    loader.command()
    loader.digest()
    load_operations()
    park_from_now_on()


def _write_lines() -> None:
    """ansible-core writes to a pipe or a file in blocks, so that a line would reach the log of a CI minutes late."""
    reconfigure = getattr(sys.stdout, 'reconfigure', None)  # a worker's standard output has none
    if reconfigure is not None:
        reconfigure(line_buffering=True)
