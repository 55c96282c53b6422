"""WASI calls about files, directories and sockets, of which a job has none.

wasi-libc's fopen, Rust's std::fs and the like import them even if they are never
called.  Each gives EBADF for a number that is not stdin, stdout or stderr, and
otherwise an errno that says why those three cannot do it.  They look at no other
argument and touch no memory.
"""

OK = 0
BADF = 8
INVAL = 28
NOTDIR = 54
NOTSOCK = 57
NOTSUP = 58
SPIPE = 70

# name: (parameters as in wasi.py, which of them is the file, errno for stdin, stdout, stderr)
ANSWERS = {
    "fd_advise": ("iIIi", 0, SPIPE),
    "fd_allocate": ("iII", 0, SPIPE),
    "fd_datasync": ("i", 0, OK),
    "fd_fdstat_set_rights": ("iII", 0, NOTSUP),
    "fd_filestat_set_size": ("iI", 0, INVAL),
    "fd_filestat_set_times": ("iIIi", 0, NOTSUP),
    "fd_pread": ("iiiIi", 0, SPIPE),
    # Start-up asks 3, 4, ... for preopened folders until it is told EBADF.
    "fd_prestat_dir_name": ("iii", 0, BADF),
    "fd_prestat_get": ("ii", 0, BADF),
    "fd_pwrite": ("iiiIi", 0, SPIPE),
    "fd_readdir": ("iiiIi", 0, NOTDIR),
    "fd_seek": ("iIii", 0, SPIPE),
    "fd_sync": ("i", 0, OK),
    "fd_tell": ("ii", 0, SPIPE),
    "path_create_directory": ("iii", 0, NOTDIR),
    "path_filestat_get": ("iiiii", 0, NOTDIR),
    "path_filestat_set_times": ("iiiiIIi", 0, NOTDIR),
    "path_link": ("iiiiiii", 0, NOTDIR),
    "path_open": ("iiiiiIIii", 0, NOTDIR),
    "path_readlink": ("iiiiii", 0, NOTDIR),
    "path_remove_directory": ("iii", 0, NOTDIR),
    "path_rename": ("iiiiii", 0, NOTDIR),
    "path_symlink": ("iiiii", 2, NOTDIR),
    "path_unlink_file": ("iii", 0, NOTDIR),
    "sock_accept": ("iii", 0, NOTSOCK),
    "sock_recv": ("iiiiii", 0, NOTSOCK),
    "sock_send": ("iiiii", 0, NOTSOCK),
    "sock_shutdown": ("ii", 0, NOTSOCK),
}
