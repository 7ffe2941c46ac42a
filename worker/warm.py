"""The warm parent, `python -m worker.warm FD`: forks trainers that have torch imported already, and buries them.

One thread, so that a fork copies a quiet process. Each message on the channel brings three descriptors: a control
socket, the trainer's report socket, and its stderr. On the control socket the parent says `pid N` and `exit N` (the
wait status) and hears `kill`; when its other end closes, the requester is dead and the trainer is killed.
"""

import contextlib
import os
import selectors
import signal
import socket
import sys
import warnings
from pathlib import Path

from worker.training.lifeline import die_with_parent

FDS = 3


def warm_up() -> None:
    """Import what a trainer needs, and let the first step pay for what is loaded on first use."""
    import torch
    import torch._dynamo  # the first optimizer would import it

    from worker import child

    torch.set_num_threads(1)  # a thread pool would not live through a fork
    child.warm_up()
    model = torch.nn.Linear(4, 4)
    optimizer = torch.optim.Adam(model.parameters())
    if any(Path("/dev").glob("nvidia[0-9]*")) and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
        for parameter in model.parameters():  # autograd refuses to run in a fork of a process where it has run
            parameter.grad = torch.zeros_like(parameter)
    else:
        torch.nn.functional.mse_loss(model(torch.zeros(2, 4)), torch.zeros(2, 4)).backward()  # type: ignore[no-untyped-call]
    optimizer.step()


class WarmParent:
    """Serves the channel until it is killed."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._pid = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._trainers: dict[int, socket.socket] = {}
        self._deaths, deaths_writer = socket.socketpair()
        self._own = [channel, self._deaths, deaths_writer]
        for end in (self._deaths, deaths_writer):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(deaths_writer.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        self._selector.register(self._channel, selectors.EVENT_READ, None)
        self._selector.register(self._deaths, selectors.EVENT_READ, None)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._channel:
                    self._answer()
                elif key.fileobj is self._deaths:
                    with contextlib.suppress(BlockingIOError):
                        self._deaths.recv(4096)
                else:
                    self._listen(key.data)
            self._bury()

    def _answer(self) -> None:
        message, fds, _, _ = socket.recv_fds(self._channel, 64, FDS)
        if not message:
            sys.exit("the channel is closed")
        control, reports = socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1])
        pid = os.fork()
        if pid == 0:
            self._become_trainer(control, reports, fds[2])
        reports.close()
        os.close(fds[2])
        control.setblocking(False)
        self._trainers[pid] = control
        self._selector.register(control, selectors.EVENT_READ, pid)
        self._say(control, f"pid {pid}")

    def _become_trainer(self, control: socket.socket, reports: socket.socket, stderr: int) -> None:
        try:
            die_with_parent(self._pid)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            for standard in (1, 2):
                os.dup2(stderr, standard)
            os.close(stderr)
            self._selector.close()
            for end in (control, *self._own, *self._trainers.values()):
                end.close()
            from worker import child

            child.main(reports)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def _listen(self, pid: int) -> None:
        """A request to kill, or the end of who asked for the trainer."""
        try:
            message = self._trainers[pid].recv(64)
        except (KeyError, BlockingIOError):
            return
        except OSError:
            message = b""
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        if not message:
            self._selector.unregister(self._trainers[pid])

    def _bury(self) -> None:
        for pid in list(self._trainers):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                control = self._trainers.pop(pid)
                with contextlib.suppress(KeyError):
                    self._selector.unregister(control)
                self._say(control, f"exit {status}")
                control.close()

    def _say(self, control: socket.socket, message: str) -> None:
        with contextlib.suppress(OSError):
            control.send(message.encode())


def main() -> None:
    warnings.filterwarnings("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    warm_up()
    WarmParent(channel).serve()


if __name__ == "__main__":
    main()
