"""Runs a command on a kernel without some system calls: denied.py CALL... -- COMMAND...

They fail with ENOSYS, as where the kernel does not have them.
"""
import ctypes
import errno
import os
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000  # of seccomp.h

if __name__ == "__main__":
    at = sys.argv.index("--")
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    made = library.seccomp_init(ALLOW)
    for call in sys.argv[1:at]:
        number = library.seccomp_syscall_resolve_name(call.encode())
        assert library.seccomp_rule_add(made, ERRNO | errno.ENOSYS, number, 0) == 0, call
    assert library.seccomp_load(made) == 0
    os.execvp(sys.argv[at + 1], sys.argv[at + 1:])
