"""Becomes another program that ends with its parent, as another user where asked (standard library only).

`python -I -S launch.py PARENT SIGNAL UID GID EXECUTABLE ARGUMENT…`: a program of its own and not a preexec_fn, so that
it is safe in a process with threads. With UID the program keeps one capability, CAP_DAC_OVERRIDE: it can then read
binaries and own data below folders that only root may enter, and nobody else is let in.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 28, 47, 2
NO_SETUID_FIXUP = 4
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def become(uid: int, gid: int) -> None:
    """Give up root for `uid`, keeping CAP_DAC_OVERRIDE where this root has it (some containers' root has not)."""
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    # Only under this bit does access(2), by which initdb looks for postgres, count the capabilities of a plain user.
    libc.prctl(PR_SET_SECUREBITS, NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE
    kept = libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit)) == 0  # effective, permitted, inheritable
    if kept:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    else:
        libc.capset(header, (ctypes.c_uint32 * 6)())


def main() -> None:
    parent, signal, uid, gid = map(int, sys.argv[1:5])
    if uid:
        become(uid, gid)
    libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)  # after the change of user, which clears it
    if os.getppid() != parent:
        os._exit(1)
    os.execv(sys.argv[5], sys.argv[5:])


main()
