//! `hostnorm demo`: runs the real engine on this host and generates load for it to detect.
//!
//! Sources and engine are those of `run`, at five times the speed. Nothing is served, and no settings are read.

use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::mpsc as reports;

use super::run;
use super::run::unix_signals::{UnixSignalRequest, UnixSignals};
use crate::cli::{CommandExit, DemoArgs};
use crate::config::{Config, LoadedConfig};
use crate::duration::HumanDuration;
use crate::logs::LogPositions;
use crate::sampler;
use crate::store::Store;
use crate::telemetry;

mod load_generator;
mod demo_script;

use demo_script::{DemoReading, DemoScript, LoadAction};
use load_generator::RunningLoad;

/// Largest number of reports that wait for output; a slow terminal skips some.
const WAITING_MAX: usize = 64;

/// Learns, generates load and shows how it is detected. Exit code 0, also after a signal; 1 for a failure.
pub fn run(demo: DemoArgs) -> CommandExit {
    let config = match LoadedConfig::new(None, [], Vec::new()).and_then(LoadedConfig::check_paths_exist) {
        Ok(loaded) => shortened_settings(loaded.config, &demo),
        Err(problems) => return CommandExit::usage(problems.to_string()),
    };
    if let Err(error) = telemetry::init(config.log, None) {
        return CommandExit::failure(format!("cannot start logging: {error}"));
    }
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(play(&config, &demo)));
    match ended {
        Ok(()) => CommandExit::success(""),
        // A closed pipe is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => CommandExit::success(""),
        Err(error) => CommandExit::failure(error.to_string()),
    }
}

/// Five readings per second, points of six seconds, and a quick end of episodes, for a demo of minutes.
fn shortened_settings(mut config: Config, demo: &DemoArgs) -> Config {
    config.detection.interval = HumanDuration::millis(200);
    config.detection.warmup = demo.warmup;
    config.detection.score_hold = HumanDuration::seconds(3);
    config.detection.resolve.duration = HumanDuration::seconds(5);
    config.log.level = telemetry::LogLevel::Warn;
    config
}

async fn play(config: &Config, demo: &DemoArgs) -> io::Result<()> {
    say(&format!(
        "-- learning for {}, then {} of load (cpu {} %, memory {} %, disk {} MB, http {}/s)",
        demo.warmup, demo.lasts, demo.cpu, demo.memory, demo.disk, demo.http_rps
    ))?;
    let (sender, mut readings) = reports::channel(WAITING_MAX);
    let (handle, inbox) = sampler::channel();
    let sampler = run::sampler(
        config,
        run::time_zone(config),
        (Store::memory(), LogPositions::default()),
        Vec::new(),
        (handle.clone(), inbox),
    );
    let thread = std::thread::Builder::new().name("sample".to_owned()).spawn(move || {
        let mut tick = 0;
        sampler.run(|report| {
            tick += 1;
            // The receiver may be gone or slow; neither must delay the loop.
            let _ = sender.try_send(DemoReading::of(tick, &report));
            Arc::new(report)
        });
    })?;
    let mut signals = UnixSignals::new()?;
    let mut story = DemoScript::new(demo.lasts.as_seconds());
    // Dropping this ends the load, even after a panic.
    let mut load = None;
    loop {
        let seen = tokio::select! {
            // Signals first, so that they are handled from the first tick on.
            biased;
            readings = signals.next() => {
                // Closing the terminal ends the demo.
                let signal = if let UnixSignalRequest::Stop(signal) = readings { signal } else { "SIGHUP" };
                say(&format!("-- stopped by {signal}; cleaning up"))?;
                break;
            }
            seen = readings.recv() => seen,
        };
        let seen = seen.ok_or_else(|| {
            io::Error::other("the sampling loop ended unexpectedly; this is a bug in hostnorm")
        })?;
        let (lines, act) = story.step(&seen);
        lines.iter().try_for_each(|line| say(line))?;
        match act {
            LoadAction::None => (),
            LoadAction::Start => load = Some(RunningLoad::start(demo, seen.available.unwrap_or_default())?),
            LoadAction::Stop => finish(load.take())?,
            LoadAction::End => break,
        }
    }
    finish(load.take())?;
    handle.stop();
    let _ = thread.join();
    story.summary().iter().try_for_each(|line| say(line))
}

/// Ends the load and reports which parts failed.
fn finish(load: Option<RunningLoad>) -> io::Result<()> {
    let problems = load.map(RunningLoad::end).unwrap_or_default();
    problems.iter().try_for_each(|problem| say(&format!("-- a part of the load ended early: {problem}")))
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
