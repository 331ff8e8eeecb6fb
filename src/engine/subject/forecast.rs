//! The forecasts of one subject, from its history and its seasons.

use super::SubjectState;
use crate::forecast::{
    self, FILLING_SIGNALS, ForecastInput, ForecastPoint, ForecastTimes, PerDeviceHistory, TimeUntilFull,
};
use crate::reading::Timestamp;
use crate::report::FillingSignal;
use crate::signal::ReadingPair;

impl SubjectState {
    /// The forecast of a signal by its name; `None` for an unknown signal, or with too little history.
    pub(in super::super) fn forecast(
        &self,
        signal: &str,
        horizon: &ForecastTimes,
    ) -> Option<Vec<ForecastPoint>> {
        let idx = self.signal_index(signal)?;
        let season = self.scorer.detectors.seasonal.offset(idx);
        let season = season.as_ref().map(|it| it as &dyn Fn(Timestamp) -> f64);
        let signal = self.signals[idx];
        let fills = FILLING_SIGNALS.contains(&signal.name);
        let signal = ForecastInput { history: &self.history, idx, max: signal.max(), fills, season };
        forecast::forecast(&signal, horizon)
    }

    /// Seconds of the past of a signal that its forecast is made from; `None` for an unknown signal.
    pub(in super::super) fn forecast_past_seconds(&self, signal: &str, now: Timestamp) -> Option<f64> {
        self.history.past_seconds(self.signal_index(signal)?, now)
    }

    /// The time until a signal that can be full is full, or the first of its devices.
    pub(in super::super) fn time_until_full(&self, signal: &str, now: Timestamp) -> Option<TimeUntilFull> {
        let idx = self.signal_index(signal).filter(|_| FILLING_SIGNALS.contains(&signal))?;
        Some(self.first_full(idx, now)?.1)
    }

    /// Takes the newest point into the history; once a minute tells anew what is filling up.
    pub(super) fn update_filling_signals(&mut self, change: Option<&ReadingPair<'_>>) {
        if !self.history.push(self.window.point()) {
            return;
        }
        let now = self.at();
        self.follow_devices(change, now);
        let filling = self.signals.iter().enumerate().filter_map(|(idx, signal)| {
            let (device, time_until_full) = self.first_full(idx, now)?;
            // Without a device of its own it is that of the signal.
            let device = device.or_else(|| signal.highest_device(change?));
            Some(FillingSignal { signal, device: device.map(str::to_owned), time_until_full })
        });
        self.filling = filling.collect();
    }

    /// Takes the values of devices into their histories. A single one has the history of its signal.
    fn follow_devices(&mut self, change: Option<&ReadingPair<'_>>, now: Timestamp) {
        let Some(change) = change else { return };
        for (idx, signal) in self.signals.iter().enumerate() {
            if !FILLING_SIGNALS.contains(&signal.name) {
                continue;
            }
            let devices = signal.devices(change);
            if 1 < devices.len() || self.devices.contains_key(&idx) {
                let capacity = self.history.capacity();
                self.devices.entry(idx).or_insert_with(|| PerDeviceHistory::new(capacity)).push(now, devices);
            }
        }
    }

    /// When this signal is full, or the first of its devices, and which that is.
    fn first_full(&self, idx: usize, now: Timestamp) -> Option<(Option<&str>, TimeUntilFull)> {
        if !FILLING_SIGNALS.contains(&self.signals[idx].name) {
            return None;
        }
        let own = forecast::time_until_full(&self.history, idx, now).map(|it| (None, it));
        let device = self.devices.get(&idx).and_then(|it| it.first_full(now));
        let device = device.map(|(name, it)| (Some(name), it));
        // Of equal ones, the first: a device has a name.
        device.into_iter().chain(own).min_by(|one, other| one.1.cmp_urgency(&other.1))
    }

    fn signal_index(&self, signal: &str) -> Option<usize> {
        self.signals.iter().position(|it| it.name == signal)
    }
}
