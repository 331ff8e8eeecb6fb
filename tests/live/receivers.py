"""Loopback servers that stand for those who get messages: Slack, Discord, PagerDuty, a webhook, a mail server."""

import collections
import contextlib
import email
import email.policy
import http.server
import json
import socketserver
import threading
import time

class LoopbackServer:
    """A server on a free port of loopback that answers by `_handler`, from the start of a block to its end."""

    def __init__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


Message = collections.namedtuple("Message", "kind at content")


class Receivers:
    """What arrives, as messages with the time of arrival, by the path that it arrives at; mail has the path mail."""

    def __init__(self):
        self.messages = []
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._http_handler())
        self.smtp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._smtp_handler())
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.smarthost = f"127.0.0.1:{self.smtp.server_address[1]}"

    def __enter__(self):
        for server in (self.http, self.smtp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        for server in (self.http, self.smtp):
            server.shutdown()
            server.server_close()

    def of(self, kind):
        return [it for it in self.messages if it.kind == kind]

    def keep(self, kind, content):
        self.messages.append(Message(kind, time.time(), content))

    def _http_handler(receivers):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receivers.keep(self.path.split("?")[0].strip("/"), json.loads(body))
                # Slack answers ok; PagerDuty with JSON, which Alertmanager does not read.
                self.send_response(202 if "pagerduty" in self.path else 200)
                self.end_headers()
                # Alertmanager does not wait for ever.
                with contextlib.suppress(BrokenPipeError):
                    self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        return Handler

    def _smtp_handler(receivers):
        """As much of RFC 5321 as Alertmanager speaks."""

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(line.encode() + b"\r\n")

            def handle(self):
                self.say("220 test")
                for line in self.rfile:
                    verb = line.split()[0].upper() if line.split() else b""
                    if verb == b"EHLO":
                        self.say("250-test")
                        self.say("250 AUTH PLAIN")
                    elif verb == b"AUTH":
                        self.say("235 welcome")
                    elif verb == b"DATA":
                        self.say("354 go on")
                        lines = iter(self.rfile.readline, b".\r\n")
                        message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                        receivers.keep("mail", message)
                        self.say("250 kept")
                    elif verb == b"QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok")

        return Handler
