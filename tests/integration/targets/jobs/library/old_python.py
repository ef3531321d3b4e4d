#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An old-style module: its arguments are in a file, as key=value."""

import json
import shlex
import sys

with open(sys.argv[1], 'rb') as stream:
    pairs = shlex.split(stream.read().decode('utf-8'))
given = dict(pair.split('=', 1) for pair in pairs)
print(json.dumps({'changed': True, 'given': {key: given[key] for key in given if not key.startswith('_')}}))
