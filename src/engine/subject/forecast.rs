//! The forecasts of one subject, from its history and its seasons.

use super::SubjectState;
use crate::forecast::{self, FILLING_SIGNALS, ForecastInput, ForecastPoint, ForecastTimes, TimeUntilFull};
use crate::reading::Timestamp;
use crate::report::FillingSignal;

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

    /// The time until a signal that can be full is full.
    pub(in super::super) fn time_until_full(&self, signal: &str, now: Timestamp) -> Option<TimeUntilFull> {
        let idx = self.signal_index(signal).filter(|_| FILLING_SIGNALS.contains(&signal))?;
        forecast::time_until_full(&self.history, idx, now)
    }

    /// Takes the newest point into the history; once a minute tells anew what is filling up.
    pub(super) fn watch_filling(&mut self) {
        if self.history.push(self.window.point()) {
            let now = self.at();
            let filling = self.signals.iter().filter_map(|it| {
                Some(FillingSignal { signal: it, time_until_full: self.time_until_full(it.name, now)? })
            });
            self.filling = filling.collect();
        }
    }

    fn signal_index(&self, signal: &str) -> Option<usize> {
        self.signals.iter().position(|it| it.name == signal)
    }
}
