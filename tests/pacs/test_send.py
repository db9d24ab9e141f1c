"""microtome send: what a receiver confirmed is sent, all else is refused or waits, and nothing is lost when connections break, objects are refused or
disks are full."""
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from servers import Orthanc, Proxy, Scp, Stow, free_port, needs, stow_list, wait_for  # noqa: E402
from made_captures import ROOT, needs_pydicom, secondary  # noqa: E402
from harness import PROGRAM, contains, equal, main, microtome, read  # noqa: E402

QUICK = ("--pause", "0.05", "--timeout", "2")
JSON_KIND = "application/dicom+json"


def objects(folder, n, **more):
    return [secondary(os.path.join(folder, f"{i:02}.dcm"), i, **more) for i in range(1, n + 1)]


def ledger(path):
    """SOP instance -> its last state"""
    return {row["sop"]: row["state"] for row in map(json.loads, read(path).splitlines())}


def totals(answer):
    said = json.loads(answer.out)
    return {k: said[k] for k in ("objects", "sent", "sent_before", "refused", "waiting")}


def send(*arguments, code=0, **wanted):
    """with --json; wanted: totals that are not 0"""
    answer = microtome("send", "--json", *QUICK, *arguments)
    equal((answer.code, answer.err if answer.code != code else ""), (code, ""))
    equal(totals(answer), {"objects": 0, "sent": 0, "sent_before": 0, "refused": 0, "waiting": 0, **wanted})
    return answer


def pixels(data):
    import pydicom
    return pydicom.dcmread(io.BytesIO(data) if isinstance(data, bytes) else data).PixelData


def same_objects(server, folder):
    """pixels of all files as they are at the server"""
    there = server.files()
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".dcm")):
        import pydicom
        mine = pydicom.dcmread(os.path.join(folder, name))
        equal(pixels(there[str(mine.SOPInstanceUID)]) == mine.PixelData, True)
    return len(there)


def test_twenty(folder):
    """20 studies by STOW-RS and by C-STORE: stored, found again, returned with the same UIDs and pixels; a second call sends nothing"""
    with Orthanc(folder + "/pacs") as pacs:
        sops = objects(folder + "/a", 20)
        send(folder + "/a", "--stow", pacs.stow, objects=20, sent=20)
        equal((same_objects(pacs, folder + "/a"), set(ledger(folder + "/a/sent.jsonl").items())), (20, {(s, "sent") for s in sops}))
        send(folder + "/a", "--stow", pacs.stow + "/", objects=20, sent_before=20)
        found = {s["0020000D"]["Value"][0] for s in pacs.get("/dicom-web/studies?StudyDate=20260102")}
        equal(found, {f"{ROOT}.{i}" for i in range(1, 21)})
    with Orthanc(folder + "/second") as pacs:
        # another receiver: all of them again, one more later
        send(folder + "/a", "--store", pacs.store, objects=20, sent=20)
        secondary(folder + "/a/21.dcm", 21, syntax="1.2.840.10008.1.2")
        send(folder + "/a", "--store", "NIGHT:" + pacs.store, objects=21, sent=1, sent_before=20)
        equal(same_objects(pacs, folder + "/a"), 21)


def test_broken(folder):
    """a connection that is reset midway, once and again: every object arrives, none twice"""
    with Orthanc(folder + "/pacs") as pacs:
        sops = objects(folder + "/a", 6, edge=128)
        for port, to in ((pacs.http, "--stow"), (pacs.dicom, "--store")):
            with Proxy(port, budget=40000) as proxy:
                address = f"http://127.0.0.1:{proxy.port}/dicom-web" if to == "--stow" else f"ORTHANC@127.0.0.1:{proxy.port}"
                answer = send(folder + "/a", to, address, objects=6, sent=6)
                equal(proxy.broken, 1)
                contains(answer.err, "03.dcm: waiting: the association broke: " if to == "--store" else "")  # libcurl tries a kept connection again
            # without a further attempt the rest waits, and the next call brings it
            with Proxy(port, budget=9000 if to == "--stow" else 40000) as proxy:
                address = f"http://127.0.0.1:{proxy.port}/dicom-web" if to == "--stow" else f"ORTHANC@127.0.0.1:{proxy.port}"
                book = f"{folder}/{to}.jsonl"
                first = microtome("send", folder + "/a", to, address, "--json", "--retries", "0", "--ledger", book, *QUICK)
                equal((first.code, totals(first)["sent"] + totals(first)["waiting"]), (75, 6))
                contains(first.err, "run again to send them")
                left = totals(first)["waiting"]
                equal(left >= 1, True)
                send(folder + "/a", to, address, "--ledger", book, objects=6, sent=left, sent_before=6 - left)
                equal(set(ledger(book).values()), {"sent"})
        equal((same_objects(pacs, folder + "/a"), pacs.count()), (6, len(sops)))


def test_refused_stow(folder):
    """STOW-RS: an object the receiver names as failed, one it says nothing of, codes of HTTP"""
    a, b, c = objects(folder + "/a", 3)

    def refuses(number, sop):
        return 202, JSON_KIND, stow_list([s for s in (a, c) if s == sop], [(b, 0xA900)] if sop == b else [])
    with Stow(refuses) as fake:
        answer = send(folder + "/a", "--stow", fake.url, code=65, objects=3, sent=2, refused=1)
        contains(answer.err, "microtome send: 02.dcm: refused: status A900: the data set does not match its SOP class\n")
        equal(json.loads(answer.out)["problems"], [{"file": "02.dcm", "sop_instance": b, "state": "refused", "attempts": 1,
                                                    "words": "status A900: the data set does not match its SOP class"}])
        path, headers, part, parts = fake.requests[0]
        equal((path, parts, part.strip()), ("/dicomweb/studies", 1, "Content-Type: application/dicom"))
        contains(headers["Content-Type"], 'multipart/related; type="application/dicom"; boundary=')
        equal(fake.came, [a, b, c])  # not tried again
        fake.answer = lambda number, sop: (200, JSON_KIND, stow_list([sop]))
        send(folder + "/a", "--stow", fake.url, objects=3, sent=1, sent_before=2)
        equal(fake.came[3:], [b])
    one = folder + "/a/01.dcm"
    for said, code, attempts, words in (
            ((200, "text/html", "<p>Please log in</p>"), 65, 3, "HTTP 200 without a list that names the object as stored"),
            ((200, JSON_KIND, stow_list([c])), 65, 3, "HTTP 200 without a list that names the object as stored"),
            ((413, "text/plain", ""), 65, 1, "HTTP 413: the object is larger than the receiver takes"),
            ((409, JSON_KIND, stow_list([], [(a, 0x0122)])), 65, 1, "status 0122: the receiver does not store this SOP class"),
            ((409, JSON_KIND, stow_list([], [(a, 0x0110)])), 65, 3, "status 0110: processing failure at the receiver"),
            ((202, JSON_KIND, stow_list([], [(a, 0xA700)])), 75, 3, "status A700: the receiver is out of resources (a full disk?)"),
            ((503, "text/plain", "busy"), 75, 3, "HTTP 503 from the receiver"), ((507, "text/plain", ""), 75, 3, "HTTP 507 from the receiver"),
            ((401, "text/plain", ""), 64, 1, "HTTP 401: the receiver wants another user or password (--user)"),
            ((302, "text/plain", ""), 64, 1, "HTTP 302: no STOW-RS service is at this URL")):
        with Stow(lambda number, sop: said) as fake:
            answer = microtome("send", one, "--stow", fake.url, "--retries", "2", "--ledger", folder + "/codes.jsonl", *QUICK)
            equal((said[0], answer.code, len(fake.came)), (said[0], code, attempts))
            contains(answer.err, words)
            equal(ledger(folder + "/codes.jsonl")[a], "refused" if code == 65 else "waiting")
    with Stow(lambda number, sop: (409, JSON_KIND, stow_list([], [(sop, 0x0111)]))) as fake:  # it came before, the answer did not
        send(one, "--stow", fake.url, objects=1, sent=1)


def test_xml(folder):
    """STOW-RS: an answer in XML counts as far as it names the object"""
    a, b = objects(folder + "/a", 2)

    def sequence(tag, uid):
        return f'<NativeDicomModel><DicomAttribute tag="{tag}" vr="SQ"><Item number="1"><DicomAttribute tag="00081155" vr="UI"><Value number="1">{uid}</Value>' \
               "</DicomAttribute></Item></DicomAttribute></NativeDicomModel>"
    with Stow(lambda number, sop: (202, "application/dicom+xml", sequence("00081199" if sop == a else "00081198", sop))) as fake:
        send(folder + "/a", "--stow", fake.url, "--retries", "0", code=65, objects=2, sent=1, refused=1)


def test_refused_store(folder):
    """C-STORE: statuses, an abort, an association that is rejected, a kind of object that is not taken"""
    a, b, c = objects(folder + "/a", 3)
    with Scp(lambda number, sop: {a: 0, b: 0xC123, c: 0xB000}[sop]) as fake:
        answer = send(folder + "/a", "--store", fake.address, code=65, objects=3, sent=2, refused=1)
        contains(answer.err, "microtome send: 02.dcm: refused: status C123: the receiver cannot understand the object\n")
        contains(answer.err, "microtome send: 03.dcm: sent: status B000: stored, with a warning\n")
        equal((fake.came, fake.associations), ([a, b, c], 1))
    with Scp(lambda number, sop: 0xA700 if number < 3 else 0) as fake:  # no room at first
        send(folder + "/a", "--store", fake.address, objects=3, sent=3)
        equal(fake.came, [a, a, a, b, c])
    with Scp(lambda number, sop: "abort" if number in (2, 3) else 0) as fake:
        send(folder + "/a", "--store", fake.address, objects=3, sent=3)
        equal((fake.came, fake.associations), ([a, b, b, b, c], 3))
    with Scp(None, reject=(1, 1, 3)) as fake:
        answer = send(folder + "/a", "--store", fake.address, "--retries", "1", code=75, objects=3, waiting=3)
        contains(answer.err, f"01.dcm: waiting: {fake.address} rejects the association: is it busy, does it know the calling title MICROTOME, is FAKE its own?")
        equal(fake.associations, 3)
    with Scp(None, syntaxes=["1.2.840.10008.1.2.4.50"]) as fake:
        answer = send(folder + "/a", "--store", fake.address, code=65, objects=3, refused=3)
        contains(answer.err, "takes no object of this kind (SOP class, transfer syntax)")


def test_silence(folder):
    """a receiver that does not answer: the deadline holds, the rest waits; SIGTERM ends the wait"""
    objects(folder + "/a", 3)
    full, waiting = socket.create_server(("127.0.0.1", 0), backlog=0), []  # takes no connection more
    for _ in range(3):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(full.getsockname())
    stuck = subprocess.Popen([PROGRAM, "send", folder + "/a", "--store", f"X@127.0.0.1:{full.getsockname()[1]}", "--ledger", folder + "/stuck.jsonl"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("its ledger", lambda: os.path.exists(folder + "/stuck.jsonl") and read(folder + "/stuck.jsonl").count("waiting") == 3)
    stuck.send_signal(signal.SIGTERM)
    with Scp(lambda number, sop: None) as scp, Stow(lambda number, sop: None) as stow:
        for to, address in (("--store", scp.address), ("--stow", stow.url)):
            begun = time.monotonic()
            answer = microtome("send", folder + "/a", to, address, "--retries", "0", "--timeout", "1")
            equal((answer.code, time.monotonic() - begun < 12), (75, True))
            contains(answer.out, "3 objects: 0 sent, 0 sent before, 0 refused, 3 waiting\n")
            came = len((scp if to == "--store" else stow).came)
            process = subprocess.Popen([PROGRAM, "send", folder + "/a", to, address, "--timeout", "300"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            wait_for("the object", lambda: len((scp if to == "--store" else stow).came) > came)
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            out, err = process.communicate(timeout=30)
            equal((process.returncode, time.monotonic() - begun < 5), (75, True))
            contains(err, "microtome send: stopped; run again to send what waits\n")
    equal(set(ledger(folder + "/a/sent.jsonl").values()), {"waiting"})
    equal((stuck.wait(20), set(ledger(folder + "/stuck.jsonl").values())), (75, {"waiting"}))


def test_full_disk(folder):
    """a receiver with a full disk: all wait or are refused by name; when it has room again, all arrive"""
    with Orthanc(folder + "/pacs") as pacs:
        sops = objects(folder + "/a", 4, edge=256)
        pacs.limit_files(2000)
        for to, address in (("--stow", pacs.stow), ("--store", pacs.store)):
            answer = microtome("send", folder + "/a", to, address, "--retries", "1", "--json", *QUICK)
            equal((answer.code in (65, 75), totals(answer)["sent"], totals(answer)["refused"] + totals(answer)["waiting"]), (True, 0, 4))
        equal(pacs.count(), 0)
        pacs.limit_files(-1)
        send(folder + "/a", "--stow", pacs.stow, objects=4, sent=4)
        send(folder + "/a", "--store", pacs.store, objects=4, sent=4)
        equal((same_objects(pacs, folder + "/a"), len(sops)), (4, 4))
    program, = needs("storescp")
    port = free_port()
    os.mkdir(folder + "/in")
    from servers import Program
    import resource

    def no_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    with Program([program, "-od", folder + "/in", str(port)], "/dev/null", preexec_fn=no_room) as scp:
        address = f"ANY@127.0.0.1:{port}"
        answer = microtome("send", folder + "/a", "--store", address, "--retries", "2", "--ledger", folder + "/scp.jsonl", "--pause", "0.3")
        equal((answer.code, set(ledger(folder + "/scp.jsonl").values())), (75, {"waiting"}))
        contains(answer.err, "01.dcm: waiting: status A700: the receiver is out of resources (a full disk?)")
        resource.prlimit(scp.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        send(folder + "/a", "--store", address, "--ledger", folder + "/scp.jsonl", objects=4, sent=4)


def test_ledger(folder):
    """the ledger: killed at any object, cut off by a power failure, held by another call; changed bytes go again"""
    sops = objects(folder + "/a", 5)
    book = folder + "/a/sent.jsonl"
    killed = []

    def kills(number, sop):
        if number == 3:
            killed[0].kill()
        return 200, JSON_KIND, stow_list([sop])
    with Stow(kills) as fake:
        killed.append(subprocess.Popen([PROGRAM, "send", folder + "/a", "--stow", fake.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        killed[0].communicate(timeout=30)
        equal(ledger(book), {**dict.fromkeys(sops[:2], "sent"), **dict.fromkeys(sops[2:], "waiting")})
        with open(book, "a") as f:
            f.write('{"to":"' + fake.url)  # what a power failure leaves
        send(folder + "/a", "--stow", fake.url, objects=5, sent=3, sent_before=2)
        equal(fake.came, sops[:3] + sops[2:])
        contains(read(book), '{"to":"' + fake.url + "\n{")
        secondary(folder + "/a/05.dcm", 5, ImageComments="other bytes")
        send(folder + "/a", "--stow", fake.url, objects=5, sent=1, sent_before=4)
        import fcntl
        with open(book) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            answer = microtome("send", folder + "/a", "--stow", fake.url)
            equal((answer.code, answer.err), (75, f"microtome send: {book}: another send is at work with this ledger; wait for it, or name another (--ledger)\n"))
        answer = microtome("send", folder + "/a", "--stow", fake.url, "--ledger", "/dev/full")
        equal((answer.code, answer.err), (64, "microtome send: /dev/full: the ledger has to be a file\n"))
        full = subprocess.run(["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh", PROGRAM, "send", folder + "/a", "--stow", fake.url, "--ledger", folder + "/none.jsonl"],
                              capture_output=True, text=True, timeout=60)
        equal(full.returncode, 74)
        contains(full.stderr, f"microtome send: write {folder}/none.jsonl: File too large")
    equal(len(fake.came), 7)


def test_files(folder):
    """folders with other files and broken ones; what is no object is named"""
    needs_pydicom()
    sops = objects(folder + "/a/deep/deeper", 2)
    os.makedirs(folder + "/a/deep/.hidden")
    for name, data in (("a/notes.txt", b"words"), ("a/broken.dcm", b"DICM"), ("a/deep/.hidden/x.dcm", b"DICM"), ("plain.txt", b"words")):
        with open(f"{folder}/{name}", "wb") as f:
            f.write(data)
    with open(folder + "/a/deep/copy", "wb") as f:
        f.write(read(folder + "/a/deep/deeper/01.dcm", "rb"))
    with open(folder + "/a/cut", "wb") as f:  # within the header
        f.write(read(folder + "/a/deep/deeper/01.dcm", "rb")[:200])
    with Stow(lambda number, sop: (200, JSON_KIND, stow_list([sop]))) as fake:
        answer = send(folder + "/a", "--stow", fake.url, code=65, objects=4, sent=2, refused=2)
        equal((sorted(fake.came), json.loads(answer.out)["other_files"]), (sorted(sops), 1))
        contains(answer.err, "microtome send: broken.dcm: refused: it is no DICOM file, or a damaged one\n")
        contains(answer.err, "microtome send: cut: refused: it ")
        answer = microtome("send", folder + "/plain.txt", "--stow", fake.url)
        equal((answer.code, answer.err), (65, "microtome send: plain.txt: refused: it is no DICOM file, or a damaged one\n"))
        os.mkdir(folder + "/empty")
        answer = microtome("send", folder + "/empty", "--stow", fake.url)
        equal((answer.code, answer.err), (65, "microtome send: no DICOM objects there\n"))


def test_usage(folder):
    """addresses, users, passwords"""
    sop = secondary(folder + "/a/1.dcm", 1)
    one = folder + "/a/1.dcm"
    for arguments, code, words in (
            ([one], 64, "one receiver is wanted: --stow or --store"),
            ([one, "--stow", "http://x/y", "--store", "A@b:1"], 64, "one receiver is wanted: --stow or --store"),
            (["--stow", "http://x/y"], 64, "name files or folders with DICOM objects"),
            ([one, "--store", "pacs:104"], 64, '"pacs:104" is no address of a DICOM application: [CALLING:]CALLED@HOST:PORT is wanted'),
            ([one, "--store", "A@b:0"], 64, "is no address"), ([one, "--store", "A@[::1]:104"], 64, "is no address"), ([one, "--store", "SEVENTEEN-LETTERS@b:104"], 64, "is no address"),
            ([one, "--stow", "ftp://x/y"], 64, "--stow: the http or https URL of a DICOMweb service is wanted"),
            ([one, "--stow", "http://u:p@x/y"], 64, "no user or password in the URL"),
            ([one, "--store", "A@b:104", "--user", "x", "--password-file", one], 64, "--user and --ca are for --stow"),
            ([one, "--stow", "http://x/y", "--user", "x"], 64, "--user x: its password is wanted, in --password-file FILE or in MICROTOME_PACS_PASSWORD"),
            ([one, "--stow", "http://x/y", "--retries", "-1"], 64, "--retries: 0 to 1000 are wanted"),
            ([folder + "/none", "--stow", "http://x/y"], 66, "/none: no such file or folder")):
        answer = microtome("send", *arguments)
        equal((arguments, answer.code), (arguments, code))
        contains(answer.err, words)
    with open(folder + "/password", "w") as f:
        f.write("secret\n")
    import base64
    with Stow(lambda number, sop: (200, JSON_KIND, stow_list([sop]))) as fake:
        send(one, "--stow", fake.url, "--user", "me", "--password-file", folder + "/password", objects=1, sent=1)
        equal(fake.requests[0][1]["Authorization"], "Basic " + base64.b64encode(b"me:secret").decode())
        equal("secret" in read(folder + "/a/sent.jsonl"), False)
        answer = microtome("send", one, "--stow", fake.url, "--ledger", folder + "/b.jsonl", "--user", "me", env={**os.environ, "MICROTOME_PACS_PASSWORD": "other"})
        equal((answer.code, fake.requests[1][1]["Authorization"]), (0, "Basic " + base64.b64encode(b"me:other").decode()))
    equal(sop, ledger(folder + "/b.jsonl").popitem()[0])


def test_https(folder):
    """https: an unknown authority is refused, --ca names it"""
    import ssl
    openssl, = needs("openssl")
    one = folder + "/a/1.dcm"
    secondary(one, 1)
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder + "/key.pem", "-out", folder + "/ca.pem", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    with Stow(lambda number, sop: (200, JSON_KIND, stow_list([sop]))) as fake:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder + "/ca.pem", folder + "/key.pem")
        fake.socket = context.wrap_socket(fake.socket, server_side=True)
        url = f"https://localhost:{fake.server_port}/dicomweb"
        answer = microtome("send", one, "--stow", url)
        equal(answer.code, 64)
        contains(answer.err, "(--ca names the authority to believe)")
        send(one, "--stow", url, "--ca", folder + "/ca.pem", objects=1, sent=1)


main([test_twenty, test_broken, test_refused_stow, test_xml, test_refused_store, test_silence, test_full_disk, test_ledger, test_files, test_usage, test_https])
