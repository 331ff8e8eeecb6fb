//! `hostnorm top`: shows the state of the running hostnorm in the terminal, again each second.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use super::daemon_client::{self, DaemonNotRunning};
use crate::cli::{CommandExit, GlobalOptions, TopArgs};

mod screen;
#[cfg(unix)]
mod terminal;

use screen::{DaemonResponses, ScreenSize};

/// Time between two screens.
const REFRESH: Duration = Duration::from_secs(1);

/// Shows the state once if standard output is not a terminal, else until Ctrl-C, SIGTERM or the key q. Exit code 0; 1 if no
/// hostnorm runs.
pub fn run(options: &TopArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    let daemon = Daemon { options: options.options.clone(), environment: environment.into_iter().collect() };
    let first = daemon.ask();
    let text = |answers: &DaemonResponses| screen::render_screen(answers, ScreenSize::UNLIMITED);
    if first.detection.is_none() {
        return CommandExit::failure(text(&first));
    }
    if options.once || cfg!(not(unix)) || !io::stdout().is_terminal() {
        return CommandExit::success(text(&first));
    }
    match refresh(daemon, first) {
        Ok(()) => CommandExit::success(""),
        Err(error) => {
            CommandExit::failure(format!("the terminal cannot be used: {error}; run hostnorm top --once"))
        }
    }
}

/// The hostnorm that runs with these settings.
struct Daemon {
    options: GlobalOptions,
    environment: Vec<(OsString, OsString)>,
}

impl Daemon {
    fn ask(&self) -> DaemonResponses {
        let mut answers = DaemonResponses::default();
        let mut get = |resource: &str| {
            let found = daemon_client::get(&self.options, self.environment.iter().cloned(), resource);
            let found = match found {
                Ok(Ok(found)) => return Some(found),
                Ok(Err(DaemonNotRunning { reason, .. })) => reason,
                Err(exit) => exit.text,
            };
            // The first problem is the cause of the others.
            answers.problem.get_or_insert(found);
            None
        };
        let detection = get("detect");
        let episodes = if detection.is_some() { get("episodes") } else { None };
        DaemonResponses { detection, episodes, ..answers }
    }
}

#[cfg(unix)]
fn refresh(daemon: Daemon, first: DaemonResponses) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shown = runtime.block_on(show_until_stopped(Arc::new(daemon), first));
    // A thread may still wait for a key.
    runtime.shutdown_background();
    shown
}

#[cfg(not(unix))]
fn refresh(_: Daemon, _: DaemonResponses) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
async fn show_until_stopped(daemon: Arc<Daemon>, first: DaemonResponses) -> io::Result<()> {
    use super::run::unix_signals::{UnixSignalRequest, UnixSignals};

    // Before the terminal changes: a signal must find somebody who restores it.
    let mut signals = UnixSignals::new()?;
    let terminal = terminal::Terminal::enter()?;
    let mut keys = keys();
    let mut has_keys = true;
    let mut answers = first;
    loop {
        terminal.show(&screen::render_screen(&answers, terminal.size()))?;
        let own = Arc::clone(&daemon);
        let next = async {
            tokio::time::sleep(REFRESH).await;
            tokio::task::spawn_blocking(move || own.ask()).await.map_err(io::Error::other)
        };
        tokio::select! {
            found = next => {
                let found = found?;
                // The last state stays on the screen, below what failed.
                answers = match found.detection {
                    Some(_) => found,
                    None => DaemonResponses { problem: found.problem, ..answers },
                };
            }
            request = signals.next() => {
                if let UnixSignalRequest::Stop(_) = request {
                    return Ok(());
                }
            }
            key = keys.recv(), if has_keys => match key {
                Some(b'q') => return Ok(()),
                // After the end of standard input, only signals stop it.
                key => has_keys = key.is_some(),
            },
        }
    }
}

/// The bytes of standard input.
#[cfg(unix)]
fn keys() -> tokio::sync::mpsc::Receiver<u8> {
    use std::io::Read;

    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        let mut byte = [0];
        while io::stdin().lock().read_exact(&mut byte).is_ok() && sender.blocking_send(byte[0]).is_ok() {}
    });
    receiver
}
