# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The site of `make site`: the Markdown pages of the checkout, and the reference made of the plugins, by Sphinx."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]
REPOSITORY = "https://github.com/background-jobs/background.jobs/blob/main/"
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
# What our pages link to in the documentation of Ansible. Sphinx's own way downloads an inventory in every build.
ANSIBLE_PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
    "playbooks_async": "playbook_guide/playbooks_async.html",
}
BUILTIN = "ansible_collections.ansible.builtin."

project = "background.jobs"
author = "background.jobs contributors"
copyright = "2026, background.jobs contributors"
extensions = ["myst_parser", "sphinx_antsibull_ext"]
exclude_patterns = [".github", "docs/site"]
nitpicky = True
highlight_language = "YAML+Jinja"
pygments_style = "ansible"
html_theme = "sphinx_ansible_theme"
html_title = "background.jobs"
html_copy_source = False
html_use_index = False
html_use_modindex = False
myst_heading_anchors = 3


def setup(app: Any) -> None:
    app.connect("source-read", _link_to_the_repository)
    app.connect("missing-reference", _link_to_ansible)


def _link_to_the_repository(_app: Any, page: str, source: list[str]) -> None:
    """Let links to files of the checkout that are no pages lead there."""

    def link(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), match[1]))
        is_file = not path.endswith((".md", ".png", ".svg")) and (ROOT / path).exists()
        return f"]({REPOSITORY}{path})" if is_file else match[0]

    source[0] = re.sub(r"\]\(([\w./-]+)\)", link, source[0])


def _link_to_ansible(_app: Any, _env: Any, reference: Any, shown: Any) -> Any:
    target = reference["reftarget"]
    if target.startswith(BUILTIN):
        page = f"collections/ansible/builtin/{target.removeprefix(BUILTIN)}.html"
    else:
        page = ANSIBLE_PAGES.get(target)
    return page and nodes.reference("", "", shown, refuri=ANSIBLE + page)
