#!/usr/bin/python
# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module that asks for its arguments as a JSON file: WANT_JSON."""

import json
import sys

with open(sys.argv[1], encoding='utf-8') as stream:
    given = json.load(stream)
print(json.dumps({'changed': True, 'given': {key: given[key] for key in given if not key.startswith('_')}}))
