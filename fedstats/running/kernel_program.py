"""What a kernel's process runs: ipykernel without the socket that it opens beside those it is told of.

For the output of forked processes ipykernel listens at a port of 127.0.0.1, whatever the transport; any user of
the machine can write to it.  Where that port is not to be had it does without, and so it does here.
"""

import sys

if __name__ == "__main__":
    del sys.path[0]  # this file's folder: nothing in it is to be taken for a library
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp

    def no_port(thread: IOPubThread) -> None:
        """In place of the port: none."""
        thread._pipe_flag = False

    IOPubThread._setup_pipe_in = no_port  # type: ignore[method-assign]
    IPKernelApp.launch_instance()
