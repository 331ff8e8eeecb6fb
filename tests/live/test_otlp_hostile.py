"""Collectors that refuse, hang, garble or lie change nothing: no reading is missed, memory stays, scrapes are answered
at once, the end is quick. With --ticks 10000 it is the whole bar; by default a short form of it."""

import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest
from program import fetch, free_port, hostnorm, note, until, value

INTERVAL = 0.1
# What a tick of 100 ms may be missed by on a machine that is busy by itself, beside what the one without traces misses.
MISSED_MAX = 20
# A queue of 256 spans, fragments and a thread of its own, in bytes; a queue without a bound has more.
GROWTH_MAX = 6_000_000
# Sixteen programs end at once; without a bound the end would wait for the collectors, which never answer.
END_MAX = 6.0

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
REDIRECT = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


def hang(peer):
    while peer.recv(65536):
        pass


def garble(peer):
    peer.recv(65536)
    peer.sendall(os.urandom(4096))


def flood(peer):
    """An answer without an end."""
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\r\n")
    while True:
        peer.sendall(bytes(65536))


def drip(peer):
    """An answer that takes for ever, byte by byte."""
    peer.recv(65536)
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 100_000:
        peer.sendall(bytes([byte]))
        time.sleep(0.2)


def says(answer):
    def act(peer):
        while peer.recv(1 << 20):
            peer.sendall(answer)

    return act


def slow(peer):
    """It takes everything, after a while."""
    while peer.recv(1 << 20):
        time.sleep(0.3)
        peer.sendall(OK)


def server(act):
    """A server on loopback, each connection on a thread; its port. Nobody listens where there is nothing to do."""
    if act is None:
        return free_port()
    listener = socket.create_server(("127.0.0.1", 0))

    def connection(peer):
        try:
            with peer:
                act(peer)
        except OSError:
            pass

    def accept():
        while True:
            threading.Thread(target=connection, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


# Name → what listens, protocol, whether any span may arrive.
COLLECTORS = {
    "none": (None, None, None),
    "none beside": (None, None, None),
    "none either": (None, None, None),
    "http refuses": (None, "http/protobuf", False),
    "http hangs": (hang, "http/protobuf", False),
    "http garbles": (garble, "http/protobuf", False),
    "http floods": (flood, "http/protobuf", False),
    "http drips": (drip, "http/protobuf", False),
    "http is a page": (says(PAGE), "http/protobuf", False),
    "http is busy": (says(BUSY), "http/protobuf", False),
    "http sends away": (says(REDIRECT), "http/protobuf", False),
    "http is slow": (slow, "http/protobuf", True),
    "grpc refuses": (None, "grpc", False),
    "grpc hangs": (hang, "grpc", False),
    "grpc garbles": (garble, "grpc", False),
    "grpc is a page": (says(PAGE), "grpc", False),
}


class Case:
    """hostnorm beside one collector."""

    def __init__(self, name, binary, folder):
        self.name = name
        act, protocol, self.arrives = COLLECTORS[name]
        options = ["--interval=100ms", "--warmup=10s"]
        if protocol:
            options += [f"--otlp.endpoint=http://127.0.0.1:{server(act)}", f"--otlp.protocol={protocol}"]
            options += ["--otlp.schedule-delay=500ms", "--otlp.timeout=2s", "--otlp.queue-size=256"]
        self.path = pathlib.Path(folder, name.replace(" ", "_"))
        self.log = self.path.open("w+")
        self.program = hostnorm(binary, *options, log=self.log)
        self.resident, self.slowest = [], 0.0

    def look(self):
        began = time.monotonic()
        self.text = fetch(f"{self.program.url}/metrics", accept="text/plain")[2]
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.resident.append(value(self.text, "process_resident_memory_bytes"))

    def missed(self):
        return value(self.text, "hostnorm_ticks_missed_total")

    def growth(self):
        """How much more the last third takes than the one before it."""
        third = len(self.resident) // 3
        return max(self.resident[-third:]) - max(self.resident[third:-third])

    def stop(self):
        self.stopped = time.monotonic()
        self.program.process.send_signal(signal.SIGTERM)

    def end(self):
        """The exit code; the time is too long rather than too short, as others are waited for before."""
        code = self.program.process.wait(timeout=30)
        self.took = time.monotonic() - self.stopped
        self.log.close()
        return code

    def faults(self, bare):
        """What is not as it should be, beside those without traces."""
        worst = lambda of: max(of(it) for it in bare)
        if self.missed() > worst(Case.missed) + MISSED_MAX:
            yield f"{self.missed():.0f} readings missed, {worst(Case.missed):.0f} without traces"
        if self.growth() > max(worst(Case.growth), 0) + GROWTH_MAX:
            yield f"memory grew by {self.growth() / 1e6:.1f} MB, {worst(Case.growth) / 1e6:.1f} MB without traces"
        if self.slowest > max(5.0, 3 * worst(lambda it: it.slowest)):
            yield f"a scrape took {self.slowest:.2f} s"
        if self.took > END_MAX:
            yield f"the end took {self.took:.2f} s"
        if self.arrives is None:
            return
        sent, failed, dropped = (value(self.text, "hostnorm_otlp_exported_spans_total", outcome=it) for it in ("sent", "failed", "dropped"))
        if bool(sent) != self.arrives:
            yield f"{sent:.0f} spans arrived"
        if not self.arrives and not failed + dropped:
            yield "no span is counted as lost"
        told = self.path.read_text().count("traces cannot be sent")
        if told != (0 if self.arrives else 1):
            yield f"told {told} times:\n{self.path.read_text()}"


def refusals(binary):
    """Variables that cannot be end hostnorm with 64 and a sentence that names them."""
    for name, text, sentence in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317", "not a URL of an OTLP endpoint"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "expected one of http/protobuf, grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "header 1 is malformed"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "expected one of always_on"),
    ]:
        done = subprocess.run([binary, "--storage.path=off"], env={**os.environ, name: text}, capture_output=True, text=True, timeout=30)
        if done.returncode != 64 or name not in done.stderr or sentence not in done.stderr or "secret" in done.stderr:
            pytest.fail(f"{name}={text}: {done.returncode}\n{done.stderr}")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://localhost", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"}
    done = subprocess.run([binary, "--storage.path=off"], env={**os.environ, **variables}, capture_output=True, text=True, timeout=30)
    if done.returncode != 64 or "OTEL_EXPORTER_OTLP_CERTIFICATE: /nowhere/ca.pem cannot be read" not in done.stderr:
        pytest.fail(f"a certificate that is not there: {done.returncode}\n{done.stderr}")


@pytest.mark.slow
def test_otlp_hostile(tools):
    refusals(tools.hostnorm)
    with tempfile.TemporaryDirectory() as folder:
        cases = [Case(it, tools.hostnorm, folder) for it in COLLECTORS]
        try:
            for case in cases:
                case.program.ready()
            end = time.monotonic() + tools.ticks * INTERVAL
            while time.monotonic() < end:
                for case in cases:
                    case.look()
                time.sleep(min(1.0, tools.ticks * INTERVAL / 30))
            until("each made its readings", 60, lambda: all(value(it.text, "hostnorm_ticks_total") >= tools.ticks * 0.9 or it.look() for it in cases))
            for case in cases:
                case.stop()
            codes = [case.end() for case in cases]
        finally:
            for case in cases:
                case.program.process.kill()
                case.program.process.wait()
        bare = [it for it in cases if it.arrives is None]
        for case, code in zip(cases, codes):
            note(
                f"{case.name}: {value(case.text, 'hostnorm_ticks_total'):.0f} readings, {case.missed():.0f} missed, "
                f"{case.resident[-1] / 1e6:.1f} MB, grew {case.growth() / 1e6:+.2f} MB, slowest scrape "
                f"{case.slowest * 1000:.0f} ms, end {case.took:.2f} s"
            )
        wrong = [f"{case.name}: {fault}" for case, code in zip(cases, codes) for fault in case.faults(bare)]
        wrong += [f"{case.name}: exit code {code}" for case, code in zip(cases, codes) if code]
        if wrong:
            pytest.fail("\n".join(wrong))
