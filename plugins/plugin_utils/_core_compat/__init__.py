# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every private name of ansible-core that this collection uses, one module for each part of ansible-core.

Beside them, watchdog.py bounds the time for which ansible-core waits for a target. Imports no other
package of this collection. Private to this collection."""
