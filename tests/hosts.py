"""Hosts with network addresses of their own on this machine: network namespaces on a bridge.

    with hosts(3) as (scheduler, *workers):
        scheduler.run([sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", scheduler.address])
        ...
        workers[0].cut_off()

The test's own process reaches all of them, as one more host. They share the machine's files and processors.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Host:
    """A network namespace.

    Attributes
    ----------
    name : str
        Of the namespace; its cable ends in an interface of this name on the bridge.
    address : str
        Its IPv4 address.
    """

    name: str
    address: str

    def run(self, command: Sequence[str], **options: object) -> subprocess.Popen:
        """Start a command on this host; `options` are those of Popen, whose `pid` is the command's own."""
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)

    def cut_off(self) -> None:
        """Pull the network cable: what is sent from here on is lost, and nobody is told."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """Put the network cable back."""
        _ip("link", "set", self.name, "up")

    def kill(self) -> None:
        """Kill all processes on this host."""
        while processes := self.processes():  # until none of them has started another meanwhile
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def processes(self) -> list[int]:
        """The ids of all processes on this host."""
        return [int(line) for line in _ip("netns", "pids", self.name).split()]


@contextlib.contextmanager
def hosts(n: int) -> Iterator[list[Host]]:
    """`n` hosts, which are there until the end; their processes are killed then.

    The test is skipped where network namespaces can't be made.
    """
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("hosts of their own need Linux and the command ip (iproute2)")
    number = os.getpid() % 2**16  # so that tests that run at the same time don't meet
    bridge, network = f"cvb{number}", f"198.18.{number % 256}"  # a network that RFC 2544 keeps for tests
    with contextlib.ExitStack() as at_the_end:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            at_the_end.callback(_ip, "link", "del", bridge)
            _ip("address", "add", f"{network}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            made = [_host(f"cvh{number}-{k}", f"{network}.{k + 2}", bridge, at_the_end) for k in range(n)]
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces can't be made here: {error.stderr.strip()}")
        yield made


def _host(name: str, address: str, bridge: str, at_the_end: contextlib.ExitStack) -> Host:
    _ip("netns", "add", name)
    at_the_end.callback(_ip, "netns", "del", name)
    _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    at_the_end.callback(_ip, "link", "del", name)
    _ip("link", "set", name, "master", bridge, "up")
    for command in (f"address add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
        _ip("-n", name, *command.split())
    host = Host(name, address)
    at_the_end.callback(host.kill)
    return host


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
