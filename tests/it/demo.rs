//! `hostnorm demo` from outside: its messages, and that nothing remains, however it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A running demo, with its own directory for the temporary file.
struct Demo {
    child: Child,
    lines: BufReader<ChildStdout>,
    dir: TempDir,
}

impl Demo {
    fn start(args: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        command.env_clear().env("TMPDIR", dir.path()).arg("demo").args(args.split_whitespace());
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, dir }
    }

    /// Reads up to the line with this start; returns all lines.
    fn until(&mut self, start: &str) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "ended without {start}: {lines:#?}");
            lines.push(line.trim_end().to_owned());
            if line.starts_with(start) {
                return lines;
            }
        }
    }

    /// Number of open files of the process that are, or were, in its directory.
    fn scratch_files(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = open.filter_map(|it| std::fs::read_link(it.unwrap().path()).ok());
        targets.filter(|it| it.starts_with(self.dir.path())).count()
    }

    fn children(&self) -> String {
        let id = self.child.id();
        // Not every kernel provides this.
        std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; returns the exit code, the remaining output, and the errors.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.lines.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(files(self.dir.path()), 0, "files are left");
        (status.code(), out, err)
    }
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

const LITTLE: &str = "--cpu 20 --memory 1 --disk 8 --http-rps 20 --warmup 12s";

#[test]
#[ignore = "takes half a minute; ./check runs it"]
fn each_second_is_printed_and_then_a_summary() {
    let mut demo = Demo::start(&format!("{LITTLE} --for 5s"));
    let mut lines = demo.until("-- load");
    assert!(lines[0].starts_with("-- learning for 12s, then 5s of load"), "{}", lines[0]);
    lines.extend(demo.until("-- summary"));
    let status = |word: &str| lines.iter().filter(|it| it.starts_with("tick=") && it.ends_with(word)).count();
    assert!(status("status=LEARNING") > 5, "{lines:#?}");
    assert!(status("status=OK") + status("status=ANOMALY") > 5, "{lines:#?}");
    assert!(lines.iter().any(|it| it.contains(" cpu=") && it.contains(" mem=") && it.contains(" score=")));
    let (code, rest, _) = demo.end();
    assert_eq!(code, Some(0));
    assert!(rest.contains("found"), "{rest}");
}

#[test]
#[ignore = "takes half a minute; ./check runs it"]
fn a_signal_ends_it_and_leaves_nothing_behind() {
    // They run at the same time.
    let demos = [Signal::TERM, Signal::INT, Signal::KILL]
        .map(|signal| (signal, Demo::start(&format!("{LITTLE} --for 10m"))));
    for (signal, mut demo) in demos {
        let under_load = signal != Signal::TERM;
        if under_load {
            demo.until("-- load");
        }
        // At the next line, all of the load runs, and signals are handled.
        demo.until("tick=");
        assert_eq!((demo.scratch_files(), files(demo.dir.path())), (usize::from(under_load), 0));
        assert_eq!(demo.children(), "");
        demo.signal(signal);
        let (code, rest, err) = demo.end();
        if signal == Signal::KILL {
            assert_eq!(code, None);
            continue;
        }
        assert_eq!(code, Some(0), "{err}");
        assert!(rest.contains("-- stopped by SIG") && rest.contains("-- summary"), "{rest}");
    }
}

#[test]
fn a_closed_pipe_ends_it() {
    let mut demo = Demo::start(LITTLE);
    demo.until("-- learning");
    let Demo { mut child, lines, dir } = demo;
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn excessive_load_is_refused() {
    let (code, out, err) = Demo::start("--cpu 100").end();
    assert_eq!((code, out.as_str()), (Some(64), ""));
    assert_eq!(err, "--cpu 100 is too much for a demo; the maximum is 95\n");
}
