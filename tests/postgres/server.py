"""server.py: a PostgreSQL server of a test's own, in a temporary directory, and a way to its socket
that can be cut at a byte."""

import glob
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading

PORT = 5432
SKIPPED = 77


def find_programs():
    """The directory of initdb and pg_ctl, or None."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"),
                   key=lambda path: float(path.split("/")[4]))
    path = found[-1] if found else shutil.which("initdb")
    return os.path.dirname(os.path.realpath(path)) if path else None


class Server:
    """Listens on a socket in its own directory; its user is `weir`, its database `shop`."""

    def __init__(self, password=None, tls=False):
        self.programs = find_programs()
        self.folder = tempfile.mkdtemp(prefix="weir-postgres-")
        self.as_owner = []
        if os.geteuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
            self.as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        self.port = PORT
        self.more = "-c listen_addresses="
        more = ["-A", "trust"]
        if password:
            secret = os.path.join(self.folder, "password")
            with open(secret, "w", encoding="utf-8") as file:
                file.write(password)
            os.chmod(secret, 0o644)
            more = ["-A", "scram-sha-256", "--pwfile", secret]
        self.environment = dict(os.environ, PGPASSWORD=password) if password else None
        try:
            self.run("initdb", "-D", self.data, "-U", "weir", "-E", "UTF8", "--locale=C",
                     "--no-sync", *more)
            if tls:
                self.listen_with_tls()
            self.start()
            self.sql("create database shop", "postgres")
        except BaseException:
            self.close()
            raise

    def run(self, program, *arguments):
        done = subprocess.run([*self.as_owner, os.path.join(self.programs, program), *arguments],
                              cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{program}: " + done.stdout.decode(errors="replace"))

    def listen_with_tls(self):
        """On a free port of this machine, with a certificate for `localhost` in `ca`."""
        self.ca = os.path.join(self.data, "server.crt")
        with socket.socket() as free:
            free.bind(("localhost", 0))
            self.port = free.getsockname()[1]
        subprocess.run([*self.as_owner, "openssl", "req", "-new", "-x509", "-days", "2", "-nodes",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", os.path.join(self.data, "server.key"), "-out", self.ca],
                       check=True, stderr=subprocess.DEVNULL, cwd=self.folder)
        os.chmod(os.path.join(self.data, "server.key"), 0o600)
        self.more = "-c listen_addresses=localhost -c ssl=on"

    def start(self):
        options = f"{self.more} -k {self.folder} -p {self.port} -c max_connections=50"
        self.run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.folder, "log"), "-o",
                 options, "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    @property
    def address(self):
        return f"{self.folder}/shop"

    def sql(self, text, database="shop"):
        """What the statements give, a line a row, columns apart by `|`."""
        done = subprocess.run([os.path.join(self.programs, "psql"), "-X", "-q", "-A", "-t", "-v",
                               "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port), "-U",
                               "weir",
                               "-d", database], input=text.encode(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False, timeout=120,
                              env=dict(self.environment or os.environ, PGTZ="UTC"))
        if done.returncode != 0:
            raise RuntimeError("psql: " + done.stdout.decode(errors="replace"))
        return done.stdout.decode()

    def close(self):
        try:
            if os.path.exists(os.path.join(self.data, "postmaster.pid")):
                self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


class Proxy:
    """Passes bytes between its socket and the server's. `hurt` is called at most once: when `after`
    bytes of one direction ("up": to the server) have passed since `watch`, before the next one
    does, or, with `word`, so many bytes after the word has begun. Then the link is cut, unless
    `cut` is 0."""

    def __init__(self, server):
        self.server = server
        self.folder = tempfile.mkdtemp(prefix="weir-proxy-")
        os.chmod(self.folder, 0o755)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"{self.folder}/.s.PGSQL.{PORT}")
        self.listener.listen(16)
        self.lock = threading.Lock()
        self.passed = {"up": 0, "down": 0}
        self.plan = None
        self.hit = False
        self.held = None
        self.accepting = threading.Thread(target=self.accept, daemon=True)
        self.accepting.start()

    @property
    def address(self):
        return f"{self.folder}/shop"

    def watch(self, way=None, after=0, word=None, skip=0, hurt=None, cut=True):
        """`word` is looked for in what goes up, `skip` times passed over; `after` counts from its
        first byte, or for "down" from the first byte of the answer."""
        with self.lock:
            self.passed = {"up": 0, "down": 0}
            self.hit = False
            self.plan = way and {"way": way, "after": after, "word": word, "skip": skip,
                                 "hurt": hurt, "cut": cut, "seen": word is None, "counted": 0}

    def start(self, start, hurt):
        """Starts the process that the plan is to hurt, and gives it. No byte of it passes until it
        is known: under load it may come to its point before the caller goes on."""
        with self.lock:
            process = start()
            self.plan["hurt"] = lambda: hurt(process)
        return process

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            try:
                upstream.connect(f"{self.server.folder}/.s.PGSQL.{PORT}")
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.link, args=(client, upstream), daemon=True).start()

    def link(self, client, upstream):
        """Closes the sockets when nobody waits for them any more: the next ones get their numbers,
        and a thread that still had the old numbers would take what comes there."""
        up = threading.Thread(target=self.pump, args=("up", client, upstream), daemon=True)
        up.start()
        self.pump("down", upstream, client)
        up.join()
        client.close()
        upstream.close()

    def allowed(self, way, data):
        """How many of these bytes pass; fewer than all of them where it is to hurt now."""
        with self.lock:
            plan = self.plan
            self.passed[way] += len(data)
            if plan is None or self.hit:
                return len(data), None
            if not plan["seen"] and way == "up":
                at = data.find(plan["word"])
                while at >= 0 and plan["skip"] > 0:
                    plan["skip"] -= 1
                    at = data.find(plan["word"], at + 1)
                if at >= 0:
                    plan["seen"] = True
                    if plan["way"] == "up":
                        plan["counted"] = -at
            if not plan["seen"] or plan["way"] != way:
                return len(data), None
            left = plan["after"] - plan["counted"]
            plan["counted"] += len(data)
            if left >= len(data):
                return len(data), None
            self.hit = True
            return left, plan

    def pump(self, way, source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                count, plan = self.allowed(way, data)
                sink.sendall(data[:count])
                if plan is not None:
                    if plan["hurt"]:
                        plan["hurt"]()
                    if plan["cut"]:
                        break
                    sink.sendall(data[count:])
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR) # wakes who accepts; see `link`
        self.accepting.join()
        self.listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def kill(process):
    os.kill(process.pid, signal.SIGKILL)


def message(kind, text):
    """A message of the protocol as it goes up: Query is `Q`."""
    body = text.encode() + b"\0"
    return kind + struct.pack(">I", len(body) + 4) + body


COMMIT = message(b"Q", "commit")
