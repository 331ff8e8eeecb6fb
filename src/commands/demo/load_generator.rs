//! Generates bounded load on this host. Dropping it ends the load, also on an error or a panic.
//!
//! The load consists of threads of this process at the lowest priority and one unlinked temporary file, so a killed process
//! leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::cli::DemoArgs;
use crate::clock;

/// Largest amount of memory, whatever share was requested.
const MEMORY_BYTES_MAX: f64 = (2_u64 << 30) as f64;
/// Size of the pieces of memory, so that allocation can be stopped.
const PIECE_BYTES: usize = 8 << 20;
/// Largest size of the file, as a divisor of the free space.
const FREE_SHARE_MAX: u64 = 10;
/// The file is written in blocks of this size, each synced to the disk…
const BLOCK_BYTES: usize = 4 << 20;
/// …with a pause after each: at most 40 MB/s, to spare the disk.
const BLOCK_REST: Duration = Duration::from_millis(100);
/// Period in which a CPU is busy and idle in turn.
const TURN: Duration = Duration::from_millis(50);
/// Size of a response.
const ANSWER_BYTES: usize = 16 << 10;
/// Timeout of a request.
const EXCHANGE_MAX: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });
/// Largest request.
const REQUEST_BYTES_MAX: usize = 4096;

/// Running load.
#[derive(Debug)]
pub(super) struct RunningLoad {
    shared: Arc<SharedLoadState>,
    threads: Vec<JoinHandle<()>>,
    listener: Option<SocketAddr>,
}

/// State shared by its threads.
#[derive(Debug, Default)]
struct SharedLoadState {
    state: Mutex<LoadState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LoadState {
    stopped: bool,
    /// Failures, at most one per thread.
    problems: Vec<String>,
}

impl SharedLoadState {
    /// Sleeps until the end, or at most this long; returns whether the end has come.
    fn rest(&self, time: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, time, |it| !it.stopped);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopped
    }

    fn change(&self, change: impl FnOnce(&mut LoadState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

impl RunningLoad {
    /// Starts the requested load, with this much memory available.
    ///
    /// # Errors
    /// If a thread, the file or the listener cannot be created; the load is then stopped.
    pub(super) fn start(demo: &DemoArgs, available: f64) -> io::Result<Self> {
        let mut load = Self { shared: Arc::default(), threads: Vec::new(), listener: None };
        if demo.cpu > 0 {
            let busy = TURN.mul_f64(demo.cpu as f64 / 100.0);
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                load.spawn("demo-cpu", move |shared| {
                    burn(shared, busy);
                    Ok(())
                })?;
            }
        }
        if demo.memory > 0 {
            let bytes = (available * demo.memory as f64 / 100.0).min(room() / 2.0).min(MEMORY_BYTES_MAX);
            load.spawn("demo-memory", move |shared| {
                take(shared, bytes as usize);
                Ok(())
            })?;
        }
        if demo.disk > 0 {
            let mut scratch = ScratchFile::create(&directory(), demo.disk * 1_000_000)?;
            load.spawn("demo-disk", move |shared| scratch.write(shared))?;
        }
        if demo.http_rps > 0 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.local_addr()?;
            load.spawn("demo-server", move |shared| {
                serve(shared, &listener);
                Ok(())
            })?;
            load.listener = Some(address);
            let pause = Duration::from_secs(1) / u32::try_from(demo.http_rps).unwrap_or(u32::MAX);
            load.spawn("demo-client", move |shared| ask(shared, address, pause))?;
        }
        Ok(load)
    }

    /// Ends the load and returns its failures.
    pub(super) fn end(mut self) -> Vec<String> {
        self.stop();
        let mut problems = Vec::new();
        self.shared.change(|it| problems = std::mem::take(&mut it.problems));
        problems
    }

    fn spawn(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&SharedLoadState) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            crate::sampler::lower_priority();
            if let Err(error) = work(&shared) {
                shared.change(|it| it.problems.push(format!("{name}: {error}")));
            }
        })?;
        self.threads.push(thread);
        Ok(())
    }

    fn stop(&mut self) {
        self.shared.change(|it| it.stopped = true);
        if let Some(address) = self.listener.take() {
            // A last connection wakes the waiting server.
            let _ = TcpStream::connect_timeout(&address, EXCHANGE_MAX);
        }
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Keeps one CPU busy for part of each period.
fn burn(shared: &SharedLoadState, busy: Duration) {
    let mut number = 1_u64;
    loop {
        let until = clock::instant() + busy;
        while clock::instant() < until {
            for _ in 0..1000 {
                number = black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
        if shared.rest(TURN.saturating_sub(busy)) {
            return;
        }
    }
}

/// Allocates memory piece by piece, touches each page, and holds it to the end.
fn take(shared: &SharedLoadState, bytes: usize) {
    let mut pieces = Vec::new();
    for _ in 0..bytes / PIECE_BYTES {
        pieces.push(black_box(vec![1_u8; PIECE_BYTES]));
        if shared.rest(Duration::from_millis(5)) {
            return;
        }
    }
    while !shared.rest(Duration::from_secs(1)) {}
    black_box(&pieces);
}

/// Memory that this control group may still allocate; infinite without a limit.
#[expect(clippy::disallowed_methods, reason = "a demo must not have its container killed")]
fn room() -> f64 {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
    let of = |limit: &str, used: &str| Some((number(limit)? - number(used)?).max(0.0));
    of("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current")
        .or_else(|| {
            of("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes")
        })
        .unwrap_or(f64::INFINITY)
}

/// A directory for temporary files on a disk; `/tmp` is often in memory.
fn directory() -> PathBuf {
    let (given, disk) = (std::env::temp_dir(), Path::new("/var/tmp"));
    // A directory set by the user is respected.
    if given == Path::new("/tmp") && disk.is_dir() { disk.to_owned() } else { given }
}

/// A temporary file of bounded size.
#[derive(Debug)]
struct ScratchFile {
    file: File,
    size: u64,
    /// Its path, as long as it has one.
    path: Option<PathBuf>,
}

impl ScratchFile {
    fn create(directory: &Path, size: u64) -> io::Result<Self> {
        let path = directory.join(format!("hostnorm-demo-{}", std::process::id()));
        let named = |error: io::Error| {
            let text = format!("cannot write {}: {error}", path.display());
            io::Error::new(error.kind(), text)
        };
        let size = size.min(free(directory).map_err(named)? / FREE_SHARE_MAX).max(BLOCK_BYTES as u64);
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(named)?;
        let mut scratch = Self { file, size, path: Some(path) };
        // On Unix, an unlinked file exists until it is closed.
        if cfg!(unix) {
            scratch.remove();
        }
        Ok(scratch)
    }

    fn remove(&mut self) {
        if let Some(path) = self.path.take() {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Writes the file repeatedly.
    fn write(&mut self, shared: &SharedLoadState) -> io::Result<()> {
        let block = vec![0xa5; BLOCK_BYTES];
        let mut written = 0;
        loop {
            if written + block.len() as u64 > self.size {
                self.file.seek(SeekFrom::Start(0))?;
                written = 0;
            }
            self.file.write_all(&block)?;
            self.file.sync_data()?;
            written += block.len() as u64;
            if shared.rest(BLOCK_REST) {
                return Ok(());
            }
        }
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Free bytes of the filesystem of a directory.
#[cfg(unix)]
fn free(directory: &Path) -> io::Result<u64> {
    let it = rustix::fs::statvfs(directory)?;
    Ok(it.f_bavail.saturating_mul(it.f_frsize))
}

/// Unknown on this system; the requested size is small.
#[cfg(not(unix))]
fn free(_: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Serves requests one by one until the end.
fn serve(shared: &SharedLoadState, listener: &TcpListener) {
    let body = vec![b'x'; ANSWER_BYTES];
    while let Ok((stream, _)) = listener.accept() {
        if shared.rest(Duration::ZERO) {
            return;
        }
        // A client that disconnects does not matter.
        let _ = answer(stream, &body);
    }
}

fn answer(mut stream: TcpStream, body: &[u8]) -> io::Result<()> {
    stream.set_read_timeout(Some(EXCHANGE_MAX))?;
    stream.set_write_timeout(Some(EXCHANGE_MAX))?;
    let mut request = Vec::new();
    let mut part = [0; 512];
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            count => request.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)
}

/// Sends requests at a steady rate.
fn ask(shared: &SharedLoadState, address: SocketAddr, pause: Duration) -> io::Result<()> {
    let mut due = clock::instant();
    let mut answer = Vec::new();
    loop {
        due = (due + pause).max(clock::instant().checked_sub(EXCHANGE_MAX).unwrap_or(due));
        if shared.rest(due.saturating_duration_since(clock::instant())) {
            return Ok(());
        }
        if let Err(error) = exchange(address, &mut answer) {
            // At the end the server closes connections without an answer, and then its port.
            return if shared.rest(Duration::ZERO) { Ok(()) } else { Err(error) };
        }
    }
}

/// Sends one request and reads its response.
fn exchange(address: SocketAddr, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, EXCHANGE_MAX)?;
    stream.set_read_timeout(Some(EXCHANGE_MAX))?;
    stream.set_write_timeout(Some(EXCHANGE_MAX))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    answer.clear();
    stream.read_to_end(answer)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::HumanDuration;

    #[test]
    fn a_load_ends_and_leaves_nothing_behind() {
        let demo = DemoArgs {
            cpu: 5,
            memory: 1,
            disk: 4,
            http_rps: 50,
            lasts: HumanDuration::seconds(5),
            warmup: HumanDuration::seconds(12),
        };
        let load = RunningLoad::start(&demo, 1e9).unwrap();
        let address = load.listener.unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n") && text.len() > ANSWER_BYTES);
        assert_eq!(load.end(), Vec::<String>::new());
        assert!(TcpStream::connect(address).is_err());
        let name = format!("hostnorm-demo-{}", std::process::id());
        assert!(!directory().join(name).exists());
    }

    #[test]
    fn a_request_that_the_end_interrupts_is_no_failure() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(SharedLoadState::default());
        let client = Arc::clone(&shared);
        let ask = move || ask(&client, address, Duration::ZERO);
        let client = std::thread::Builder::new().spawn(ask).unwrap();
        let (stream, _) = listener.accept().unwrap();
        shared.change(|it| it.stopped = true);
        // Closed unread, which resets the connection.
        drop((stream, listener));
        client.join().unwrap().unwrap();
    }

    #[test]
    fn a_server_that_is_gone_is_a_failure() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        ask(&SharedLoadState::default(), address, Duration::ZERO).unwrap_err();
    }

    #[test]
    fn a_missing_directory_is_reported() {
        let error = ScratchFile::create(Path::new("/does/not/exist"), 1).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /does/not/exist/hostnorm-demo-"), "{error}");
    }
}
