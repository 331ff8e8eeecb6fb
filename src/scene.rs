//! Freezes the scene of an episode: who uses what at its start and at its peak, read on a thread beside the sampling
//! loop.
//!
//! The thread also learns what each command usually uses, in a light pass over all processes once a minute. It reads
//! names of commands, never arguments, environments or names of files.
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use crate::clock;
use crate::culprit::{KernelMessages, ProcessNameKey, SceneMoment, UnrankedScene, UsageBaselines};
use crate::reading::Timestamp;
use crate::sources::RootPaths;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod kernel_log;
mod container_or_service;
mod process_files;
mod process_table;

pub use container_or_service::OwnerNames;
use kernel_log::{KernelLog, KernelMessageClass};
use process_table::{ProcessTable, ProcessTablePass};

/// CPU time for one of the two passes of a scene; processes beyond it are not read, and counted.
pub const PASS_CPU_MAX: Duration = Duration::from_millis(22);
/// CPU time of a light pass.
pub const LIGHT_PASS_CPU_MAX: Duration = Duration::from_millis(60);
/// Time between the two passes of a scene.
const BETWEEN_PASSES: Duration = Duration::from_millis(400);
/// Age up to which messages of the kernel belong to a scene.
const KERNEL_MESSAGES_AGE: Duration = Duration::from_secs(60);
/// Largest number of messages of the kernel that are remembered.
pub const KERNEL_MESSAGES_MAX: usize = 1_024;

/// Settings of the thread.
#[derive(Debug, Clone)]
pub struct SceneSettings {
    /// Roots of the kernel's files.
    pub roots: RootPaths,
    /// Time between two light passes.
    pub light_pass_interval: Duration,
}

#[derive(Debug)]
enum SceneRequest {
    Names(OwnerNames),
    Freeze(SceneMoment),
    EpisodeEnded,
}

/// The thread that watches the processes. It ends when this is dropped.
#[derive(Debug)]
pub struct SceneWatcher(Sender<SceneRequest>);

impl SceneWatcher {
    /// Starts the thread, which passes each frozen scene to `report`; `None` if there is no procfs or no thread.
    pub fn start(
        settings: SceneSettings,
        report: impl Fn(SceneMoment, UnrankedScene) + Send + 'static,
    ) -> Option<Self> {
        if !settings.roots.procfs.join("1/stat").exists() && !settings.roots.procfs.join("self/stat").exists()
        {
            tracing::info!("processes cannot be read; episodes name no processes");
            return None;
        }
        let (requests, inbox) = mpsc::channel();
        let watch = move || ProcessWatch::new(&settings).run(&inbox, settings.light_pass_interval, report);
        match std::thread::Builder::new().name("scene".to_owned()).spawn(watch) {
            Ok(_) => Some(Self(requests)),
            Err(error) => {
                tracing::warn!(%error, "cannot start the thread that reads processes; episodes name no processes");
                None
            }
        }
    }

    /// Freezes the scene. What is usual is not learned until [`Self::episode_ended`].
    pub fn freeze(&self, moment: SceneMoment) {
        // If the thread has ended, there is no scene.
        let _ = self.0.send(SceneRequest::Freeze(moment));
    }

    /// Names containers by these names from now on.
    pub fn set_names(&self, names: OwnerNames) {
        let _ = self.0.send(SceneRequest::Names(names));
    }

    /// Learns again what is usual.
    pub fn episode_ended(&self) {
        let _ = self.0.send(SceneRequest::EpisodeEnded);
    }
}

/// A scene after its first pass.
#[derive(Debug)]
struct PendingScene {
    moment: SceneMoment,
    at: Timestamp,
    cpu: Duration,
    /// When the second pass is due.
    due: Instant,
}

/// What the thread knows.
#[derive(Debug)]
struct ProcessWatch {
    table: ProcessTable,
    baselines: UsageBaselines<ProcessNameKey>,
    kernel_log: Option<KernelLog>,
    kernel_messages: VecDeque<(Instant, KernelMessageClass)>,
    /// When the kernel's log was read last.
    kernel_log_read: Instant,
    is_learning: bool,
}

impl ProcessWatch {
    fn new(settings: &SceneSettings) -> Self {
        Self {
            table: ProcessTable::new(&settings.roots.procfs),
            baselines: UsageBaselines::default(),
            kernel_log: KernelLog::open(&settings.roots.rootfs),
            kernel_messages: VecDeque::new(),
            kernel_log_read: clock::instant(),
            is_learning: true,
        }
    }

    fn run(
        mut self,
        inbox: &Receiver<SceneRequest>,
        interval: Duration,
        report: impl Fn(SceneMoment, UnrankedScene),
    ) {
        if !self.table.pass(LIGHT_PASS_CPU_MAX).sees_kernel {
            tracing::info!(
                "only some processes of this host are visible, so episodes name only those; set --path.procfs, or mount procfs without hidepid"
            );
        }
        let mut due = clock::instant() + interval;
        let mut frozen: Option<PendingScene> = None;
        loop {
            let next = frozen.as_ref().map_or(due, |it| it.due);
            match inbox.recv_timeout(next.saturating_duration_since(clock::instant())) {
                Err(RecvTimeoutError::Timeout) => match frozen.take() {
                    Some(pending) => report(pending.moment, self.complete(&pending)),
                    None => {
                        self.light_pass();
                        due = clock::instant() + interval;
                    }
                },
                Ok(SceneRequest::Freeze(moment)) => {
                    self.is_learning = false;
                    self.baselines.discard_pending();
                    frozen.get_or_insert_with(|| self.begin(moment));
                }
                Ok(SceneRequest::Names(names)) => self.table.set_names(Arc::new(names)),
                Ok(SceneRequest::EpisodeEnded) => self.is_learning = true,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    fn light_pass(&mut self) {
        let pass = self.table.pass(LIGHT_PASS_CPU_MAX);
        self.read_kernel_log();
        if self.is_learning && pass.has_rates {
            self.baselines.learn(pass.groups.iter().map(|it| (it.key.clone(), it.now)));
        }
        tracing::debug!(
            processes = pass.processes,
            unread = pass.unread,
            groups = pass.groups.len(),
            cpu_ms = pass.cpu.as_secs_f64() * 1e3,
            "processes read"
        );
    }

    /// The first of two passes; their difference is what each command uses now.
    fn begin(&mut self, moment: SceneMoment) -> PendingScene {
        let at = clock::now();
        let cpu = self.table.pass(PASS_CPU_MAX).cpu;
        PendingScene { moment, at, cpu, due: clock::instant() + BETWEEN_PASSES }
    }

    fn complete(&mut self, pending: &PendingScene) -> UnrankedScene {
        let ProcessTablePass { mut groups, processes, unread, sees_kernel, cpu, .. } =
            self.table.pass(PASS_CPU_MAX);
        groups.iter_mut().for_each(|it| it.usual = self.baselines.usual(&it.key));
        let cpu_seconds = (pending.cpu + cpu).as_secs_f64();
        tracing::debug!(processes, unread, cpu_ms = cpu_seconds * 1e3, "scene frozen");
        let kernel = self.read_kernel_log();
        UnrankedScene {
            at: pending.at.0,
            groups,
            containers: Vec::new(),
            processes,
            unread,
            sees_host: sees_kernel,
            cpu_seconds,
            kernel,
        }
    }

    /// Reads new messages of the kernel; returns those of the last minute, by class.
    fn read_kernel_log(&mut self) -> Option<KernelMessages> {
        let new = self.kernel_log.as_mut()?.new_messages();
        let (now, monotonic) = (clock::instant(), clock::monotonic_time());
        let before = std::mem::replace(&mut self.kernel_log_read, now);
        self.kernel_messages.extend(new.into_iter().map(|it| (it.at(before, (now, monotonic)), it.class)));
        let is_old = |at: &Instant| now.saturating_duration_since(*at) > KERNEL_MESSAGES_AGE;
        while self.kernel_messages.len() > KERNEL_MESSAGES_MAX
            || self.kernel_messages.front().is_some_and(|(at, _)| is_old(at))
        {
            self.kernel_messages.pop_front();
        }
        let mut counts = KernelMessages::default();
        for (_, class) in &self.kernel_messages {
            *counts.0.entry(class.name().to_owned()).or_default() += 1;
        }
        Some(counts)
    }
}
