# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for the get-pip.py that ansible-test would download: see .ci/run. Runs on Python 3.6 too."""

import subprocess
import sys

# A process of its own, because ensurepip switches the settings of pip off in the process it runs in.
subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade", "--default-pip"])
# These two are options of get-pip.py, not of pip.
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments]))
