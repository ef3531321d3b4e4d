# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start jobs, wait for them, through lost connections and without a fork, and collect their results.

Imports all other packages. Only actions import it. Private to this collection."""
