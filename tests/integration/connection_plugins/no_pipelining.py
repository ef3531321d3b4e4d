# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that can run commands, but cannot give them any input, as many third-party ones."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as Local

DOCUMENTATION = """
name: no_pipelining
short_description: The local connection without standard input
description: For tests.
extends_documentation_fragment: [connection_pipelining, local_connection]
"""


class Connection(Local):
    transport = 'no_pipelining'
    has_pipelining = False
