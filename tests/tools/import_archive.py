# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Has galaxy-importer look at the archive of this collection. What it warns of, Galaxy would show: that is a failure."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Up to 2.17, ansible-test wants each __init__.py of module_utils to be empty; ours say what their packages are for. The files
# that ignore this have the reason beside each line.
_ACCEPTED = r"WARNING: Ignore files skip ansible-test sanity tests, found ignore-2\.1[67]\.txt"
_PROBLEM = re.compile(rf"^(?!{_ACCEPTED})(?:WARNING|ERROR|CRITICAL)\b", re.MULTILINE)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["ansible-galaxy", "collection", "build", "--output-path", directory], cwd=ROOT, check=True)
        (archive,) = Path(directory).glob("*.tar.gz")
        command = [sys.executable, "-m", "galaxy_importer.main", str(archive)]
        done = subprocess.run(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    if done.returncode or _PROBLEM.search(done.stdout):
        print(done.stdout)
        return 1
    print("galaxy-importer accepts the archive.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
