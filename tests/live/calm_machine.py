"""A machine of files, which is as busy as a test wants it, whatever else runs on the real one."""

import os
import pathlib
import shutil
import threading
import time

FIXTURES = pathlib.Path(__file__).parent.parent / "fixtures"
CALM = (0.2, 0)
# A fork bomb: news even to a program that knows the machine for seconds.
OVERLOADED = (0.9, 2000)


class CalmMachine(threading.Thread):
    """Works at a fifth of its capacity, half of it the system's, until its load is changed.

    A load is the ratio of CPU time that is used, and forks a second.
    """

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.roots = [f"--path.procfs={folder}/proc", f"--path.sysfs={folder}/sys", f"--path.rootfs={folder}"]
        # How late readings are tells of the real machine.
        self.roots.append("--no-collector.timing")
        shutil.copytree(FIXTURES, folder, dirs_exist_ok=True)
        self.stat = os.open(f"{folder}/proc/stat", os.O_WRONLY | os.O_TRUNC)
        self.uptime = os.open(f"{folder}/proc/uptime", os.O_WRONLY | os.O_TRUNC)
        self.load = CALM
        # A tick is a hundredth of a second.
        self.ticks = time.time() * 100 % 10**9
        self.busy = self.ticks * CALM[0]
        self.forks = 58774.0
        self.write()

    def write(self):
        ticks = time.time() * 100 % 10**9
        busy_ratio, forks_per_second = self.load
        self.busy += (ticks - self.ticks) * busy_ratio
        self.forks += (ticks - self.ticks) / 100 * forks_per_second
        self.ticks = ticks
        # Each number keeps its width, so that a reader finds whole lines at any moment.
        half = f"{int(self.busy / 2):010}"
        cpu = f"{half} 0 {half} {int(ticks - self.busy):010} 0 0 0 0 0 0\n"
        text = (
            f"cpu  {cpu}cpu0 {cpu}ctxt {int(ticks) * 10:012}\nbtime 1795256721\n"
            f"processes {int(self.forks):010}\nprocs_running 1\nprocs_blocked 0\n"
        )
        os.pwrite(self.stat, text.encode(), 0)
        os.pwrite(self.uptime, f"{time.time() - 1_700_000_000:015.2f} 0.00\n".encode(), 0)

    def run(self):
        while True:
            self.write()
            time.sleep(0.01)
