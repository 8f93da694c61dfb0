"""Hosts that share a folder over NFS, for tests: kernels of their own, as processes here.

User-mode Linux runs each kernel, and these kernels serve and mount the folder. The root of each
host is that of this machine, read-only, so its programs and this Python are there. Nothing outside
one folder is written. The network is in a namespace, which no other network reaches.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PROGRAMS = {
    "user-mode-linux": ("linux.uml",),
    "nfs-kernel-server": ("rpc.nfsd", "rpc.mountd", "exportfs", "mount.nfs", "rpc.statd"),
    "rpcbind kmod iproute2 ethtool": ("rpcbind", "modprobe", "ip", "ethtool"),
    "e2fsprogs util-linux": ("mkfs.ext4", "setpriv", "unshare", "nsenter"),
}
"""Of packages of Debian."""

_ENDING = ("setpriv", "--pdeathsig", "KILL")
"""Has a process end when the tests are killed."""

_ALL_OF_IT = ("unshare", "--pid", "--fork", "--kill-child")
"""Has the other processes of a kernel end with its first one."""

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_MODULES = Path("/usr/lib/uml/modules")

_ADDRESSES = {"server": "10.77.0.1", "a": "10.77.0.2", "b": "10.77.0.3"}
_DISK_BYTES = 2**30
_UP_S, _CALL_S = 120, 300

INIT = """\
#!/bin/bash
# The first process of a host. $name, $address, $options and $folder are set by Office.start.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt/tmp TMPDIR=/mnt/tmp LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/shm
for place in /run /mnt /dev/shm; do mount -t tmpfs tmpfs $place; done
mkdir /mnt/tmp /mnt/nfs /mnt/disk
mount -t hostfs -o $folder host $folder
cd $folder
hostname $name
mount --bind hosts /etc/hosts
ip link set lo up
ethtool -K vec0 tso off gso off gro off >/dev/null  # otherwise large writes crawl
ip address add $address/24 dev vec0
ip link set vec0 up

if [ $name = server ]; then
    modprobe -d $folder nfsd
    mount -t ext4 /dev/ubda /mnt/disk
    # What the server knows of locks outlives it, as on the disk of a real one.
    mkdir -p /mnt/disk/state /mnt/disk/shared
    state=/mnt/disk/state
else
    modprobe -d $folder -a nfs nfsv3 nfsv4
    state=/mnt/state
fi
mkdir -p $state/sm $state/sm.bak $state/rpc_pipefs $state/v4recovery
touch $state/etab $state/rmtab $state/state
chown -R statd $state/sm $state/sm.bak $state/state
mount --bind $state /var/lib/nfs
rpcbind -w

if [ $name = server ]; then
    mount -t nfsd nfsd /proc/fs/nfsd
    # At first it gives locks only to who had them before: for 10 s, the least, instead of 90 s.
    for each in fs/nfsd/nfsv4gracetime fs/nfsd/nfsv4leasetime sys/fs/nfs/nlm_grace_period; do
        echo 10 >/proc/$each
    done
    # With fsid=0 it is the root of NFS 4, since that of this machine cannot be exported.
    exportfs -o rw,sync,fsid=0,no_root_squash,no_subtree_check 10.77.0.0/24:/mnt/disk/shared
    rpc.statd
    rpc.nfsd 8
    rpc.mountd
    sm-notify
else
    rpc.statd
    case $options in *vers=4*) shared=/ ;; *) shared=/mnt/disk/shared ;; esac
    for i in {1..60}; do
        timeout 20 mount -t nfs -o $options 10.77.0.1:$shared /mnt/nfs && break
        sleep 0.5
    done
    cd /mnt/nfs
    flock .up true
fi
touch $folder/$name.up

run() {
    bash $1 >$1.out 2>&1 </dev/null
    echo $? >$1.ended
    mv $1.ended $1.code
}
while read -r script; do run $script & done
"""


def missing():
    """Say why there can be no such hosts here, or nothing."""
    absent = [
        package
        for package, programs in PROGRAMS.items()
        if any(shutil.which(name, path=_PATH) is None for name in programs)
    ]
    if absent:
        return f"hosts on NFS need packages of Debian: apt install {' '.join(absent)}"
    if os.geteuid() != 0:
        return "hosts on NFS need root, for their network"
    return "" if Path("/dev/net/tun").exists() else "hosts on NFS need /dev/net/tun"


@contextlib.contextmanager
def office(folder, options):
    """Boot a server and the hosts `a` and `b`, which mount it with some options, and end them."""
    made = Office(Path(folder), options)
    try:
        made.connect()
        for name in _ADDRESSES:
            made.start(name)
        for name in _ADDRESSES:
            made.await_up(name)
        yield made
    finally:
        made.close()


class Office:
    """A server and hosts that are up, each with a kernel of its own.

    Attributes
    ----------
    hosts : dict of str to subprocess.Popen
        The kernels, by name: `server`, `a` and `b`.
    """

    def __init__(self, folder, options):
        self.folder, self.options, self.hosts = folder, options, {}
        self._network, self._inside = None, ()
        self._n_scripts = itertools.count()
        (folder / "init").write_text(INIT)
        (folder / "init").chmod(0o755)
        names = "".join(f"{address} {name}\n" for name, address in _ADDRESSES.items())
        (folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        (folder / "lib").mkdir()
        (folder / "lib" / "modules").symlink_to(_MODULES)  # where modprobe looks
        with (folder / "disk").open("wb") as disk:
            disk.truncate(_DISK_BYTES)
        _run("mkfs.ext4", "-q", folder / "disk")

    def connect(self):
        """Make a network that nothing else is in; it goes with the last process in it."""
        self._network = subprocess.Popen(
            ["unshare", "--net", *_ENDING, "sh", "-c", "echo made; exec sleep infinity"],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._network.stdout.readline() == b"made\n"
        self._inside = ("nsenter", f"--net=/proc/{self._network.pid}/ns/net")
        link = (*self._inside, "ip", "link")
        _run(*link, "add", "bridge", "type", "bridge")
        _run(*link, "set", "bridge", "up")
        for name in _ADDRESSES:
            _run(*self._inside, "ip", "tuntap", "add", f"tap-{name}", "mode", "tap")
            _run(*link, "set", f"tap-{name}", "master", "bridge", "up")

    def start(self, name):
        """Start the kernel of a host; it ends with the tests, however these end."""
        (self.folder / f"{name}.up").unlink(missing_ok=True)
        address = _ADDRESSES[name]
        network = f"transport=tap,ifname=tap-{name},mac=02:00:0a:4d:00:0{address[-1]}"
        root = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet")
        given = {"name": name, "address": address, "options": self.options, "folder": self.folder}
        disk = [f"ubda={self.folder / 'disk'}"] if name == "server" else []
        with (self.folder / f"{name}.log").open("ab") as log:
            self.hosts[name] = subprocess.Popen(
                [
                    *(*self._inside, *_ENDING, *_ALL_OF_IT),
                    *("linux.uml", "mem=768M", *root, *disk, f"vec0:{network}"),
                    *(f"init={self.folder / 'init'}", "con=null", "con0=fd:0,fd:1"),
                    *(f"uml_dir={self.folder}", f"umid=uml-{name}"),
                    *(f"{key}={value}" for key, value in given.items()),
                ],
                env={**os.environ, "PATH": _PATH},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_up(self, name):
        """Wait until a host serves the folder, or has it."""
        self.until((self.folder / f"{name}.up").exists, f"{name} is not up", _UP_S)

    def kill(self, name):
        """End a host as a loss of power does."""
        host = self.hosts[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(host.pid, signal.SIGKILL)
        host.wait()
        host.stdin.close()

    def send(self, name, script):
        """Have a host run a script in the shared folder; return what `result` takes."""
        path = self.folder / f"script-{next(self._n_scripts)}"
        path.write_text(script)
        self.hosts[name].stdin.write(f"{path}\n".encode())
        self.hosts[name].stdin.flush()
        return path

    def result(self, sent):
        """Wait until a script has ended; return its exit code, and what it printed."""
        code = sent.with_name(f"{sent.name}.code")
        self.until(code.exists, f"{sent.read_text()!r} has not ended", _CALL_S)
        return int(code.read_text()), sent.with_name(f"{sent.name}.out").read_text()

    def call(self, name, script):
        """Have a host run a script, which must succeed; return what it printed."""
        code, said = self.result(self.send(name, script))
        assert code == 0, f"{name}: {said}"
        return said

    def until(self, holds, otherwise, timeout_s=_CALL_S):
        """Wait until something holds."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, f"{otherwise}\n{self._ends()}"
            time.sleep(0.05)

    def close(self):
        """End all hosts, and their network."""
        for name in self.hosts:
            self.kill(name)
        if self._network is not None:
            self._network.kill()
            self._network.communicate()

    def _ends(self):
        paths = [*self.folder.glob("*.log"), *self.folder.glob("*.out")]
        return "\n".join(f"{path.name}: {path.read_text()[-1000:]}" for path in sorted(paths))


def _run(*command):
    subprocess.run(list(map(str, command)), env={**os.environ, "PATH": _PATH}, check=True)
