"""Receivers for the tests: Debian's Orthanc, a proxy that breaks connections, a C-STORE and a STOW-RS service that answer as they are told."""
import http.server
import json
import os
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
from harness import Skip  # noqa: E402

PLUGINS = "/usr/share/orthanc/plugins"
START_S = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def needs(*programs):
    """their paths"""
    found = [shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin") for p in programs]
    if None in found:
        raise Skip(f"no {', '.join(p for p, f in zip(programs, found) if f is None)}: tools/setup.sh --tests brings it")
    return found


def wait_for(what, condition, limit_s=START_S):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s} s"
        time.sleep(0.02)


class Program:
    """A server in the background; ended by its own id."""

    def __init__(self, arguments, log, **more):
        with open(log, "ab") as out:
            self.process = subprocess.Popen(arguments, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Orthanc(Program):
    def __init__(self, folder, **more):
        program, = needs("Orthanc")
        if not os.path.exists(PLUGINS + "/libOrthancDicomWeb.so"):
            raise Skip("Orthanc has no DICOMweb plug-in: tools/setup.sh --tests brings it")
        os.makedirs(folder)
        self.dicom, self.http = free_port(), free_port()
        settings = {"Name": "test", "StorageDirectory": folder + "/storage", "IndexDirectory": folder + "/index", "HttpPort": self.http, "DicomPort": self.dicom,
                    "DicomAet": "ORTHANC", "RemoteAccessAllowed": False, "AuthenticationEnabled": False, "HttpDescribeErrors": True,
                    "DicomAlwaysAllowFind": True, "DicomAlwaysAllowFindWorklist": True,
                    "Plugins": [PLUGINS + "/libOrthancDicomWeb.so"], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}, **more}
        with open(folder + "/orthanc.json", "w") as f:
            json.dump(settings, f)
        self.url = f"http://127.0.0.1:{self.http}"
        self.stow, self.store = self.url + "/dicom-web", f"ORTHANC@127.0.0.1:{self.dicom}"
        # a full disk is a limit on the size of files: the signal that comes with it is ignored
        super().__init__([program, folder + "/orthanc.json"], folder + "/log", preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
        wait_for("Orthanc", self.answers)

    def answers(self):
        assert self.process.poll() is None, "Orthanc ended"
        try:
            return "Version" in self.get("/system")
        except OSError:
            return False

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            data = answer.read()
        return json.loads(data) if path.rsplit("/", 1)[-1] not in ("file",) else data

    def count(self):
        return self.get("/statistics")["CountInstances"]

    def files(self):
        """SOP instance -> bytes of each object"""
        found = {}
        for i in self.get("/instances"):
            found[self.get(f"/instances/{i}")["MainDicomTags"]["SOPInstanceUID"]] = self.get(f"/instances/{i}/file")
        return found

    def limit_files(self, limit):
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class Proxy:
    """Hands bytes to a port; `budget` of them to the server in all connections together, then connections are reset."""

    def __init__(self, port, budget=None, refuse=0):
        self.port, self.to, self.budget, self.broken, self.connections = free_port(), port, budget, 0, 0
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self.to))
            threading.Thread(target=self.hand_on, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self.hand_on, args=(far, near, False), daemon=True).start()

    def hand_on(self, a, b, counts):
        try:
            while data := a.recv(4096):
                if counts and self.budget is not None:
                    self.budget -= len(data)
                    if self.budget < 0:
                        self.budget, self.broken = None, self.broken + 1
                        for s in (a, b):  # a reset, no orderly end
                            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            s.shutdown(socket.SHUT_RDWR) if s is b else None
                            s.close()
                        return
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.close()
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


class Stow(http.server.ThreadingHTTPServer):
    """answer(number, sop): (code, content type, body) or None for no answer; keeps what came.  PS3.18 10.5."""
    daemon_threads = True

    def __init__(self, answer):
        self.answer, self.came, self.requests = answer, [], []
        super().__init__(("127.0.0.1", 0), StowHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/dicomweb"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass


class StowHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        import io

        import pydicom
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = re.search(r'boundary="?([^";]+)', self.headers["Content-Type"]).group(1).encode()
        parts = body.split(b"--" + boundary)
        head, data = parts[1].split(b"\r\n\r\n", 1)
        sop = str(pydicom.dcmread(io.BytesIO(data[:-2])).SOPInstanceUID)
        self.server.requests.append((self.path, dict(self.headers), head.decode(), len(parts) - 2))
        self.server.came.append(sop)
        answer = self.server.answer(len(self.server.came), sop)
        if answer is None:
            time.sleep(20)
            self.close_connection = True
            return
        code, kind, text = answer
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def stow_list(stored=(), failed=()):
    """the answer's body: UIDs of the stored, (UID, reason) of the failed"""
    def sequence(rows):
        return {"vr": "SQ", "Value": rows}

    def item(uid, more=None):
        return {"00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.7"]}, "00081155": {"vr": "UI", "Value": [uid]}, **(more or {})}
    body = {}
    if stored:
        body["00081199"] = sequence([item(u) for u in stored])
    if failed:
        body["00081198"] = sequence([item(u, {"00081197": {"vr": "US", "Value": [r]}}) for u, r in failed])
    return json.dumps(body)


class Scp:
    """A C-STORE service in the 60 lines that DICOM's upper layer takes: answer(number, sop) gives the status, None no answer, "abort" an end."""

    def __init__(self, answer, reject=None, syntaxes=None):
        self.answer, self.reject, self.syntaxes, self.came, self.associations = answer, reject, syntaxes, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"FAKE@127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    @staticmethod
    def take(s):
        head = b""
        while len(head) < 6:
            more = s.recv(6 - len(head))
            if not more:
                raise ConnectionError
            head += more
        length, = struct.unpack(">I", head[2:])
        body = b""
        while len(body) < length:
            body += s.recv(length - len(body)) or exit()
        return head[0], body

    @staticmethod
    def items(body):
        at = 0
        while at + 4 <= len(body):
            kind, length = body[at], struct.unpack(">H", body[at + 2:at + 4])[0]
            yield kind, body[at + 4:at + 4 + length]
            at += 4 + length

    def accepted(self, body):
        def item(kind, data):
            return struct.pack(">BBH", kind, 0, len(data)) + data
        out = item(0x10, b"1.2.840.10008.3.1.1.1")
        for kind, data in self.items(body[68:]):
            if kind == 0x20:
                offered = [d.decode().rstrip("\0") for k, d in self.items(data[4:]) if k == 0x40]
                taken = [x for x in offered if self.syntaxes is None or x in self.syntaxes]
                out += item(0x21, bytes([data[0], 0, 0 if taken else 4, 0]) + item(0x40, (taken or offered)[0].encode()))
        out += item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3.4"))
        return struct.pack(">BBI", 2, 0, 68 + len(out)) + body[:68] + out

    def serve(self, s):
        try:
            _, body = self.take(s)
            self.associations += 1
            if self.reject:
                s.sendall(struct.pack(">BBIBBBB", 3, 0, 4, 0, *self.reject))
                return
            s.sendall(self.accepted(body))
            command = b""
            while True:
                kind, body = self.take(s)
                if kind == 5:
                    s.sendall(struct.pack(">BBI", 6, 0, 4) + bytes(4))
                if kind != 4:
                    return
                at = 0
                while at < len(body):
                    length, context, flags = struct.unpack(">IBB", body[at:at + 6])
                    if flags & 1:
                        command += body[at + 6:at + 4 + length]
                    elif flags & 2 and not self.respond(s, context, command):
                        return
                    elif flags & 2:
                        command = b""
                    at += 4 + length
        except (ConnectionError, OSError):
            pass
        finally:
            s.close()

    def respond(self, s, context, command):
        values, at = {}, 0
        while at < len(command):
            group, element, length = struct.unpack("<HHI", command[at:at + 8])
            values[element] = command[at + 8:at + 8 + length]
            at += 8 + length
        sop = values[0x1000].decode().rstrip("\0")
        self.came.append(sop)
        status = self.answer(len(self.came), sop)
        if status is None:
            time.sleep(20)
            return False
        if status == "abort":
            s.sendall(struct.pack(">BBI", 7, 0, 4) + bytes(4))
            return False

        def element(number, data):
            return struct.pack("<HHI", 0, number, len(data)) + data
        out = element(0x2, values[0x2]) + element(0x100, struct.pack("<H", 0x8001)) + element(0x120, values[0x110])
        out += element(0x800, struct.pack("<H", 0x101)) + element(0x900, struct.pack("<H", status)) + element(0x1000, values[0x1000])
        out = element(0, struct.pack("<I", len(out))) + out
        s.sendall(struct.pack(">BBIIBB", 4, 0, len(out) + 6, len(out) + 2, context, 3) + out)
        return True
