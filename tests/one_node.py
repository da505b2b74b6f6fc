"""A real Slurm on this machine, for the tests: two clusters of one node each, out of one folder.

munged, slurmctld and slurmd, and for a true `sacct` slurmdbd and MariaDB, of Debian's packages; as
root, on ports, sockets and keys of its own, so that it touches no other Slurm. As a program,
`python -m tests.one_node FOLDER`, it starts the daemons, says so, and goes on until it is killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.command import ROOT
from tests.supervisor import supervised

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "sbatch", "squeue", "sacct")
CONTROLLER, NODE, ACCOUNTS = 26817, 26818, 26819
CLUSTERS = ("tests", "other")
READY = "ready\n"
CPUS, GPUS = 8, ("/dev/null", "/dev/zero")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

CONFIGURATION = """
ClusterName={cluster}
SlurmctldHost={host}({address})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_interval=2,default_queue_depth=1000
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={address}
AccountingStoragePass={folder}/munge.socket
AccountingStoragePort={accounts}
GresTypes=gpu
FirstJobId={first}
MaxArraySize=1001
MaxJobCount=10000
MinJobAge=3600
ReturnToService=2
JobRequeue=1
KillWait=5
OverTimeLimit=0
PropagateResourceLimits=NONE
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd.log
SlurmctldPort={controller}
SlurmdPort={node}
PlugStackConfig={place}/plugstack.conf
MailProg=/bin/true
SlurmdParameters=config_overrides
{addressing}
NodeName={host} NodeAddr={address} CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} \
ThreadsPerCore=1 RealMemory={memory} Gres=gpu:a100:{gpus} State=UNKNOWN
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
PartitionName=debug Nodes={host} Default=YES MaxTime=INFINITE DefMemPerCPU=512 PreemptMode=OFF
PartitionName=low Nodes={host} PriorityTier=1 PreemptMode=REQUEUE GraceTime=40 DefMemPerCPU=512
PartitionName=high Nodes={host} PriorityTier=10 PreemptMode=OFF DefMemPerCPU=512
"""

ACCOUNTING = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr={address}
DbdPort={accounts}
SlurmUser=root
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""


def lacking() -> str:
    """Return why there can be no Slurm here, "" if there can be."""
    if os.getuid() != 0:
        return "a Slurm of one's own needs root"
    missing = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    return f"no {', '.join(missing)}: install slurm's and MariaDB's packages" if missing else ""


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Start Slurm; yield the variables that its programs need; end every process of it, jobs, too.

    Raises:
        RuntimeError: a daemon does not answer; what it said is in `folder`.
    """
    with supervised([sys.executable, "-m", "tests.one_node", folder], cwd=ROOT) as daemons:
        assert daemons.stdout is not None
        if daemons.stdout.readline() != READY:
            raise RuntimeError(f"no Slurm; see {folder}")
        yield {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}


@dataclass
class Node:
    """The daemons, as children of this process, out of one folder."""

    folder: Path
    host: str
    address: str

    def start(self) -> None:
        """Start the daemons, each when what it needs answers."""
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        for i, name in enumerate(CLUSTERS):
            self.configure(name, 10 * i)
        os.environ["SLURM_CONF"] = str(self.folder / "slurm.conf")
        self.munge()
        self.database()
        self.daemon("slurmdbd", "-D", MYSQL_UNIX_PORT=str(self.folder / "mysql.socket"))
        self.wait("sacctmgr", "-n", "list", "cluster")
        for name in CLUSTERS:
            self.run("sacctmgr", "-i", "add", "cluster", name)
            os.environ["SLURM_CONF"] = str(self.place(name) / "slurm.conf")
            self.daemon("slurmctld", "-D")
            self.wait("scontrol", "ping")
            self.daemon("slurmd", "-D", "-N", self.host)
        for name in CLUSTERS:
            os.environ["SLURM_CONF"] = str(self.place(name) / "slurm.conf")
            self.wait("sh", "-c", "sinfo -h -o %T | grep -qE '^(idle|mixed|allocated)$'")

    def place(self, cluster: str) -> Path:
        """Return the folder of a cluster's own files."""
        return self.folder if cluster == CLUSTERS[0] else self.folder / cluster

    def configure(self, cluster: str, port: int) -> None:
        """Write the files of a cluster, whose ports are so much higher than the first one's."""
        # Where the host's name is 127.0.0.1, they listen there only; elsewhere they could not.
        local, place = self.address == "127.0.0.1", self.place(cluster)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
        values: dict[str, object] = {
            "cluster": cluster, "host": self.host, "address": self.address, "place": place,
            "folder": self.folder, "controller": CONTROLLER + port, "node": NODE + port,
            "accounts": ACCOUNTS, "cpus": CPUS, "gpus": len(GPUS), "memory": memory,
            "first": int(time.time()) % 60_000_000 + 1,
            "addressing": "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny" if local else "",
        }  # fmt: skip
        files = {
            "slurm.conf": CONFIGURATION.format(**values),
            "slurmdbd.conf": ACCOUNTING.format(**values),
            "plugstack.conf": "",
            "gres.conf": "".join(f"Name=gpu Type=a100 File={gpu}\n" for gpu in GPUS),
        }
        for name in ("state", "spool"):
            (place / name).mkdir(parents=True)
        for name, text in files.items():
            (place / name).write_text(text)
        (place / "slurmdbd.conf").chmod(0o600)

    def munge(self) -> None:
        """Start munged, with a key of its own."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        names = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        names |= {"log-file": "munged.log", "seed-file": "munge.seed"}
        paths = (f"--{name}={self.folder / file}" for name, file in names.items())
        self.daemon("munged", "--foreground", "--force", *paths)
        socket = self.folder / "munge.socket"
        self.wait("sh", "-c", f"munge -n -S {socket} | unmunge -S {socket}")

    def database(self) -> None:
        """Start MariaDB on a socket, with a user for the accounting."""
        data, socket = self.folder / "mysql", self.folder / "mysql.socket"
        data.mkdir()
        shutil.chown(data, "mysql")
        self.folder.chmod(0o777)
        self.run(
            "mariadb-install-db", "--user=mysql", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=socket",
        )  # fmt: skip
        self.daemon(
            "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}", f"--socket={socket}",
            f"--pid-file={self.folder / 'mariadbd.pid'}", "--skip-networking",
            "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
            "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        admin = ["--no-defaults", "-S", str(socket), "-u", "root"]
        self.wait("mariadb-admin", *admin, "ping")
        grant = (
            "create database slurm_acct_db; create user slurm@localhost identified by 'slurm';"
            "grant all on slurm_acct_db.* to slurm@localhost;"
        )
        self.run("mariadb", *admin, "-e", grant)

    def daemon(self, *words: str, **variables: str) -> None:
        """Start a daemon, which stays in the foreground."""
        env = {**os.environ, "PATH": PATH, **variables}
        with (self.folder / f"{words[0]}.out").open("a") as log:
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def run(self, *words: str) -> None:
        """Run a command; RuntimeError with what it said if it fails."""
        done = self.call(words)
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout}")

    def wait(self, *words: str, seconds: float = 60) -> None:
        """Wait until a command succeeds; RuntimeError if it does not."""
        end = time.monotonic() + seconds
        while self.call(words).returncode:
            if time.monotonic() > end:
                raise RuntimeError(f"{' '.join(words)} fails; see the logs in {self.folder}")
            time.sleep(0.1)

    def call(self, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, whatever that is; munge's clients would try for long."""
        env = {**os.environ, "PATH": PATH}
        try:
            return subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=env,
                timeout=20,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 124, "too slow")


def _address() -> tuple[str, str]:
    """Return this host's short name and its address; give it one if it has none."""
    host = socket.gethostname().partition(".")[0]
    try:
        return host, socket.gethostbyname(host)
    except OSError:
        with Path("/etc/hosts").open("a") as hosts:
            hosts.write(f"127.0.0.1 {host}\n")
        return host, "127.0.0.1"


if __name__ == "__main__":
    Node(Path(sys.argv[1]), *_address()).start()
    print(READY, end="", flush=True)
    signal.pause()  # until the supervisor kills it
