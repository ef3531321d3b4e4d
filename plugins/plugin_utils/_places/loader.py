# Copyright: (c) 2026, background.jobs contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a request begins with on the target: find the runtime, or take it in, and hand the request over.

It imports as little as it can: each supervisor goes on with what has been loaded here (hashlib alone costs 0.6 MB). And
it ends without tidying up its memory, which takes tenths of a second where a hundred modules have been started.
Private to this collection.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import pathlib
import zlib

from ansible_collections.background.jobs.plugins.module_utils import _runtime

MARK = 'background.jobs>'
"""Begins the one line of output that is the answer; banners and the like may stand around it."""

_SOURCE = f'''
import json,os,pwd,stat,sys,zlib
from binascii import a2b_base64
try:
    from _sha2 import sha256
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256
def say(answer):
    sys.stdout.write("\\n{MARK}"+json.dumps(answer)+"\\n");sys.stdout.flush()
def private(path):
    status=os.stat(path)
    return stat.S_ISDIR(status.st_mode) and status.st_uid==os.geteuid() and not status.st_mode&18
def whole(home):
    found=sha256()
    paths=[os.path.join(folder,name) for folder,_,names in os.walk(home) for name in names if name.endswith(".py")]
    for path in sorted(paths):
        found.update(os.path.relpath(path,home).encode()+b"="+open(path,"rb").read())
    return found.hexdigest()==sys.argv[1]
def take_in(home,files):
    made="%s.%d"%(home,os.getpid())
    for name in files:
        path=os.path.join(made,name)
        os.makedirs(os.path.dirname(path),448,exist_ok=True)
        with open(path,"wb") as stream:
            stream.write(files[name].encode())
    try:
        os.rename(made,home)
    except OSError:
        import shutil
        shutil.rmtree(home if not whole(home) else made)
        if os.path.isdir(made):
            os.rename(made,home)
def main():
    if sys.argv[2]=="-":
        if sys.stdin.isatty():
            return {{"refused":"a terminal is forced on the connection"}}
        call=json.loads(zlib.decompress(a2b_base64(sys.stdin.buffer.read())).decode())
    else:
        call=json.loads(zlib.decompress(a2b_base64(sys.argv[2])).decode())
    root=call["request"]["async_dir"]
    if root=="~" or root.startswith("~/"):
        try:
            root=pwd.getpwuid(os.geteuid()).pw_dir+root[1:]
        except KeyError:
            pass
    root=os.path.abspath(os.path.expanduser(root))
    top=os.path.join(root,".runtime")
    home=os.path.join(top,"r"+sys.argv[1])
    mask=os.umask(63)
    if "files" in call:
        os.makedirs(top,448,exist_ok=True)
        if private(root) and private(top):
            take_in(home,call["files"])
    elif not os.path.isdir(home):
        return {{"missing":True}}
    for path in (root,top,home):
        if not private(path):
            return {{"refused":"%s is not private to its user"%path}}
    if not whole(home):
        return {{"missing":True}}
    os.utime(home)
    sys.path.insert(0,top)
    runtime=__import__("r%s.door"%sys.argv[1],fromlist=["respond"])
    os.umask(mask)
    return {{"response":runtime.respond(call["request"])}}
say(main())
os._exit(0)
'''

COMMAND = (
    'import sys,zlib,binascii;exec(zlib.decompress(binascii.a2b_base64(sys.argv.pop(1))))',
    base64.b64encode(zlib.compress(_SOURCE.encode(), 9)).decode(),
)
"""What python -c is given: one line that every login shell can quote. The hash of the runtime and the request follow."""


@functools.cache
def runtime_files() -> dict[str, str]:
    """The runtime's files: path below its package -> text."""
    folder = pathlib.Path(_runtime.__path__[0])
    return {path.relative_to(folder).as_posix(): path.read_text('utf-8') for path in sorted(folder.rglob('*.py'))}


@functools.cache
def digest() -> str:
    """The name of this version of the runtime: a hash of its files."""
    found = hashlib.sha256()
    for name, text in sorted(runtime_files().items()):
        found.update(f'{name}={text}'.encode())
    return found.hexdigest()
