//! Asks Alertmanager for silences, on its own thread.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};

use crate::alertmanager_silences::AlertmanagerClient;
use crate::config::Config;
use crate::sampler::SamplerHandle;

/// Stops the thread when dropped; a request in progress is finished first.
#[derive(Debug)]
pub(super) struct SilencePoller {
    _running: Sender<()>,
}

/// Starts the thread, if the settings name a server.
pub(super) fn start(config: &Config, handle: &SamplerHandle) -> Option<SilencePoller> {
    let settings = config.alertmanager.clone();
    if !settings.is_set() {
        return None;
    }
    let (running, ended) = mpsc::channel();
    let handle = handle.clone();
    let job = move || {
        let mut reader = AlertmanagerClient::new(&settings);
        loop {
            // A password that was wrong may be right after its file changed.
            if reader.is_err() {
                reader = AlertmanagerClient::new(&settings);
            }
            let answer = match &mut reader {
                Ok(reader) => reader.read().map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if !handle.silences(answer)
                || ended.recv_timeout(settings.interval.duration()) != Err(RecvTimeoutError::Timeout)
            {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("silences".to_owned()).spawn(job) {
        Ok(_) => Some(SilencePoller { _running: running }),
        Err(error) => {
            tracing::warn!(%error, "cannot ask Alertmanager for silences");
            None
        }
    }
}
