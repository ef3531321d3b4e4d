# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a module gets the tap (output/tap.py), which writes its live output.

Standard library only, Python 3.6 and up. Private to this collection.
"""

import binascii

from . import tap

# Read at import, because the archive that the file may lie in is removed later. mypy knows loaders that have no source.
_TAP_SOURCE = tap.__spec__.loader.get_data(tap.__file__)  # type: ignore[union-attr]


def tapped(module, path, limit):
    """The source (bytes) of *module*, a Python program, with a tap that writes to *path* and keeps *limit* bytes."""
    program = _TAP_SOURCE + ('\n%s(%r, %d)\n' % (tap.install.__name__, path, limit)).encode('utf-8', 'surrogateescape')
    return (
        b'try:\n'
        b'    exec(compile(%s, "<tap>", "exec", 0, True), {"__name__": "tap"})\n'
        b'except Exception:\n'
        b'    pass\n'
        b'exec(compile(%s, "<stdin>", "exec", 0, True))\n' % (_literal(program), _literal(module))
    )


def _literal(data):
    """A Python expression for *data*. repr() would take ten times as long, in each of a hundred starts."""
    return b'__import__("binascii").a2b_base64("%s")' % binascii.b2a_base64(data, newline=False)
