"""Logs are read through rotation and kill -9: a file and syslog, as metrics and the positions in the store show."""

import os
import socket
import sqlite3

from program import fetch, free_port, hostnorm, samples, until

OPTIONS = ["--interval=100ms", "--window=10", "--warmup=2s", "--storage.commit-interval=200ms"]


def test_positions_survive_a_rotation_and_a_crash(tools, tmp_path):
    log, rotated, port, store = tmp_path / "app.log", tmp_path / "app.log.1", free_port(), tmp_path / "store"
    settings = tmp_path / "hostnorm.yaml"
    settings.write_text(
        f"logs:\n- {{name: app, file: {{paths: [{log}], from: start}}}}\n"
        f"- {{name: net, syslog: {{udp: '127.0.0.1:{port}', unix: {tmp_path}/socket}}}}\n"
    )
    log.write_text("one\n")

    def offsets():
        with sqlite3.connect(f"file:{store}/hostnorm.db?mode=ro", uri=True) as database:
            rows = database.execute("SELECT position FROM log_positions WHERE log = 'app' AND part <> 'begun'")
            return sorted(int(position.split()[0]) for (position,) in rows)

    def start():
        return hostnorm(tools.hostnorm, f"--config.file={settings}", f"--storage.path={store}", *OPTIONS)

    def metric(program, name, subject):
        text = fetch(f"{program.url}/metrics")[2]
        return next((number for found, has, number in samples(text) if found == name and has.get("subject") == subject), None)

    with start() as program:
        program.ready()
        until("the file is read", 20, lambda: metric(program, "hostnorm_log_last_line_timestamp_seconds", "app"))
        os.rename(log, rotated)
        with rotated.open("a") as file:
            file.write("two\n")
        log.write_text("three is longer\n")
        until("both positions are stored", 30, lambda: offsets() == [8, 16])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"<11>Oct 11 22:14:15 host app: broken", ("127.0.0.1", port))
        until("the message arrives", 20, lambda: metric(program, "hostnorm_log_last_line_timestamp_seconds", "net"))
        assert metric(program, "hostnorm_log_lines_total", "app") == 3
        program.process.kill()
        program.process.wait()
    with rotated.open("a") as file:
        file.write("late\n")
    with log.open("a") as file:
        file.write("four\n")
    with start() as program:
        program.ready()
        until("reading goes on where it was", 30, lambda: offsets() == [13, 21])
        assert metric(program, "hostnorm_log_lines_total", "app") == 2
        # The socket of the killed process was taken over.
        assert metric(program, "hostnorm_log_source_success", "net") == 1
