"""A real Slurm of one node, on this machine, for the tests: its daemons out of one folder.

munged, slurmctld and slurmd, and for a true `sacct` slurmdbd and MariaDB, of Debian's packages; as
root, on ports, sockets and keys of its own, so that it touches no other Slurm.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "sbatch", "squeue", "sacct")
CONTROLLER, NODE, ACCOUNTS = 26817, 26818, 26819
CPUS, GPUS = 8, ("/dev/null", "/dev/zero")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

CONFIGURATION = """
ClusterName=tests
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
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={controller}
SlurmdPort={node}
PlugStackConfig={folder}/plugstack.conf
MailProg=/bin/true
SlurmdParameters=config_overrides
{addressing}
NodeName={host} NodeAddr={address} CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} \
ThreadsPerCore=1 RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
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
    """Start Slurm; yield the variables that its programs need; end every process of it."""
    node = Node(folder, *_address())
    try:
        node.start()
        yield {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": PATH}
    finally:
        node.end()


@dataclass
class Node:
    """The daemons in one folder."""

    folder: Path
    host: str
    address: str
    mariadb: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start the daemons, each when what it needs answers."""
        for name in ("state", "spool", "mysql"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        os.environ["SLURM_CONF"] = str(self.configure())
        self.munge()
        self.database()
        self.run("slurmdbd", MYSQL_UNIX_PORT=str(self.folder / "mysql.socket"))
        self.wait("sacctmgr", "-n", "list", "cluster")
        self.run("sacctmgr", "-i", "add", "cluster", "tests")
        self.run("slurmctld")
        self.wait("scontrol", "ping")
        self.run("slurmd", "-N", self.host)
        self.wait("sh", "-c", "sinfo -h -o %T | grep -qE '^(idle|mixed|allocated)$'")

    def configure(self) -> Path:
        """Write the daemons' files; return Slurm's own."""
        # Where the host's name is 127.0.0.1, they listen there only; elsewhere they could not.
        local = self.address == "127.0.0.1"
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 * 9 // 10
        values: dict[str, object] = {
            "host": self.host, "address": self.address, "folder": self.folder,
            "controller": CONTROLLER, "node": NODE, "accounts": ACCOUNTS, "cpus": CPUS,
            "gpus": len(GPUS), "memory": memory, "first": int(time.time()) % 60_000_000 + 1,
            "addressing": "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny" if local else "",
        }  # fmt: skip
        files = {
            "slurm.conf": CONFIGURATION.format(**values),
            "slurmdbd.conf": ACCOUNTING.format(**values),
            "plugstack.conf": "",
            "gres.conf": "".join(f"NodeName={self.host} Name=gpu File={gpu}\n" for gpu in GPUS),
        }
        for name, text in files.items():
            (self.folder / name).write_text(text)
        (self.folder / "slurmdbd.conf").chmod(0o600)
        return self.folder / "slurm.conf"

    def munge(self) -> None:
        """Start munged, with a key of its own."""
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        names = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
        names |= {"log-file": "munged.log", "seed-file": "munge.seed"}
        self.run("munged", "--force", *(f"--{k}={self.folder / v}" for k, v in names.items()))
        socket = self.folder / "munge.socket"
        self.wait("sh", "-c", f"munge -n -S {socket} | unmunge -S {socket}")

    def database(self) -> None:
        """Start MariaDB on a socket, with a user for the accounting."""
        data, socket = self.folder / "mysql", self.folder / "mysql.socket"
        shutil.chown(data, "mysql")
        self.folder.chmod(0o777)
        self.run(
            "mariadb-install-db", "--user=mysql", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=socket",
        )  # fmt: skip
        words = [
            "mariadbd", "--no-defaults", "--user=mysql", f"--datadir={data}", f"--socket={socket}",
            f"--pid-file={self.folder / 'mariadbd.pid'}", "--skip-networking",
            "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
            "--innodb-lock-wait-timeout=900",
        ]  # fmt: skip
        with (self.folder / "mariadbd.log").open("w") as log:
            env = {**os.environ, "PATH": PATH}
            self.mariadb = subprocess.Popen(words, stdout=log, stderr=log, env=env)
        admin = ["--no-defaults", "-S", str(socket), "-u", "root"]
        self.wait("mariadb-admin", *admin, "ping")
        grant = (
            "create database slurm_acct_db; create user slurm@localhost identified by 'slurm';"
            "grant all on slurm_acct_db.* to slurm@localhost;"
        )
        self.run("mariadb", *admin, "-e", grant)

    def run(self, *words: str, **variables: str) -> None:
        """Run a command; RuntimeError with what it said if it fails."""
        done = self.call(words, **variables)
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")

    def wait(self, *words: str, seconds: float = 60) -> None:
        """Wait until a command succeeds; RuntimeError if it does not."""
        end = time.monotonic() + seconds
        while self.call(words).returncode:
            if time.monotonic() > end:
                raise RuntimeError(f"{' '.join(words)} fails; see the logs in {self.folder}")
            time.sleep(0.1)

    def call(self, words: Sequence[str], **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, whatever that is; munge's clients would try for long."""
        env = {**os.environ, "PATH": PATH, **variables}
        try:
            # Not to pipes: a daemon would hold them open.
            with (self.folder / "said").open("w+") as said:
                code = subprocess.run(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env=env,
                    timeout=20,
                    check=False,
                ).returncode
                said.seek(0)
                return subprocess.CompletedProcess(words, code, said.read(), "")
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 124, "", "too slow")

    def end(self) -> None:
        """End all jobs and daemons, in the order in which they need each other."""
        if (self.folder / "slurmd.pid").exists():
            self.call(["sh", "-c", "squeue -h -o %A | sort -u | xargs -r scancel"])
            self.call(["sh", "-c", "while squeue -h | grep -q .; do sleep 0.1; done"])
        for name in ("slurmd", "slurmctld", "slurmdbd"):
            _end(self.folder / f"{name}.pid")
        if self.mariadb is not None:
            self.mariadb.terminate()
            self.mariadb.wait()
        _end(self.folder / "munged.pid")


def _end(pid_file: Path) -> None:
    """End the daemon that the file names, and see that it is gone."""
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(100):
            time.sleep(0.1)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return


def _address() -> tuple[str, str]:
    """Return this host's short name and its address; give it one if it has none."""
    host = socket.gethostname().partition(".")[0]
    try:
        return host, socket.gethostbyname(host)
    except OSError:
        with Path("/etc/hosts").open("a") as hosts:
            hosts.write(f"127.0.0.1 {host}\n")
        return host, "127.0.0.1"
