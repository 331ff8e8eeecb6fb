//! Maintenance: times in which unusual behavior is expected, by a schedule or started by a command.
//!
//! The state of each window is part of the reading, so that a replay of stored readings knows it. During maintenance an
//! episode starts only at a score of 2, as in grace, and is marked; points are scored and not learned.

use serde::{Deserialize, Serialize};

use crate::duration::HumanDuration;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Timestamp};
use crate::time_zone::TimeZone;

mod cron_schedule;

pub use cron_schedule::{CRON_BYTES_MAX, CronSchedule, ParseCronError};

/// Whether a window is active, by its name.
pub static ACTIVE: Metric = Metric::gauge(
    "hostnorm_maintenance_active",
    "Whether the maintenance window is active (1) or not (0); absent without windows. During maintenance, an episode starts only at a score of 2, and nothing is learned",
)
.by(&["name"]);

/// Metrics of maintenance.
pub static METRICS: &[&Metric] = &[&ACTIVE];

/// Largest number of windows in the settings.
pub const WINDOWS_MAX: usize = 32;
/// Longest name of a window, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Shortest window.
pub const DURATION_MIN: HumanDuration = HumanDuration::minutes(1);
/// Longest window; whatever lasts longer is the new normal.
pub const DURATION_MAX: HumanDuration = HumanDuration::days(7);
/// Name of a window without one.
pub const DEFAULT_NAME: &str = "maintenance";

/// A window that recurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceWindow {
    /// When it starts, in the zone of the setting `time_zone`.
    pub cron: CronSchedule,
    /// How long it lasts.
    pub duration: HumanDuration,
    /// Its name.
    #[serde(default = "default_name")]
    pub name: String,
}

fn default_name() -> String {
    DEFAULT_NAME.to_owned()
}

/// Maintenance that was started by a command.
#[derive(Debug, Clone, PartialEq)]
pub struct ManualMaintenance {
    /// Its name.
    pub name: String,
    /// Its end.
    pub until: Timestamp,
}

impl ManualMaintenance {
    /// The form in which it is stored.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.until.0, self.name)
    }

    /// Reads the stored form; none for any other text, such as that of a stop.
    pub fn from_text(text: &str) -> Option<Self> {
        let (until, name) = text.split_once(' ')?;
        let until = until.parse::<f64>().ok().filter(|it| it.is_finite())?;
        Some(Self { name: name.to_owned(), until: Timestamp(until) })
    }
}

/// Why a name is not one of a window; nothing if it is.
pub fn name_error(name: &str) -> Option<String> {
    let is_valid = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    (!is_valid).then(|| {
        format!("{name:?} is not a valid name for a window; expected 1 to {NAME_BYTES_MAX} bytes without line breaks")
    })
}

/// Why a duration is not one of a window; nothing if it is.
pub fn duration_error(duration: HumanDuration) -> Option<String> {
    (!(DURATION_MIN..=DURATION_MAX).contains(&duration))
        .then(|| format!("a window of {duration} is out of range; expected {DURATION_MIN} to {DURATION_MAX}"))
}

/// Why windows cannot be used together; nothing if they can.
pub fn windows_error(windows: &[MaintenanceWindow]) -> Option<String> {
    if windows.len() > WINDOWS_MAX {
        return Some(format!("{} windows; expected at most {WINDOWS_MAX}", windows.len()));
    }
    let twin =
        |(idx, it): (usize, &MaintenanceWindow)| windows[..idx].iter().any(|other| other.name == it.name);
    let twins = windows
        .iter()
        .enumerate()
        .find(|it| twin(*it))
        .map(|(_, it)| format!("two windows have the name {:?}; give each its own", it.name));
    let errors = windows.iter().find_map(|it| name_error(&it.name).or_else(|| duration_error(it.duration)));
    errors.or(twins)
}

/// Whether a reading was taken during maintenance.
pub fn is_active(reading: &Reading) -> bool {
    reading.host_values().is_some_and(|it| it.each(&ACTIVE).any(|it| it.value > 0.0))
}

/// The names of the windows that are active at a reading.
pub fn active_names(reading: &Reading) -> Vec<String> {
    let active =
        reading.host_values().into_iter().flat_map(|it| it.each(&ACTIVE)).filter(|it| it.value > 0.0);
    active.filter_map(|it| it.labels.values().first().map(ToString::to_string)).collect()
}

/// The windows of the settings and the maintenance that was started, with their state.
#[derive(Debug, Clone, Default)]
pub struct MaintenanceCalendar {
    windows: Vec<ScheduledWindow>,
    time_zone: TimeZone,
    started: Option<ManualMaintenance>,
    /// Whether maintenance was started or stopped in this process.
    is_commanded: bool,
    /// The minute in which schedules were last evaluated.
    minute: Option<f64>,
}

#[derive(Debug, Clone)]
struct ScheduledWindow {
    window: MaintenanceWindow,
    labels: MetricLabels,
    /// The last start that was found and the end of that window.
    last: Option<[f64; 2]>,
}

/// A window, and when it ends if it is active.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceWindowState {
    /// Its name.
    pub name: String,
    /// Its schedule; none for maintenance that was started.
    pub cron: Option<String>,
    /// Its end, if it is active.
    pub until: Option<Timestamp>,
}

impl MaintenanceCalendar {
    /// A calendar with these windows, whose schedules are in a zone.
    pub fn new(windows: &[MaintenanceWindow], time_zone: TimeZone) -> Self {
        let scheduled = |it: &MaintenanceWindow| ScheduledWindow {
            window: it.clone(),
            labels: MetricLabels::new([it.name.as_str()]),
            last: None,
        };
        Self {
            windows: windows.iter().take(WINDOWS_MAX).map(scheduled).collect(),
            time_zone,
            ..Self::default()
        }
    }

    /// Starts maintenance, instead of one that was started before.
    pub fn start(&mut self, started: ManualMaintenance) {
        (self.started, self.is_commanded) = (Some(started), true);
    }

    /// Whether maintenance was started or stopped in this process.
    pub fn is_commanded(&self) -> bool {
        self.is_commanded
    }

    /// Ends the maintenance that was started, if it is active.
    pub fn stop(&mut self, at: Timestamp) -> Option<ManualMaintenance> {
        self.is_commanded = true;
        self.started.take().filter(|it| at < it.until)
    }

    /// The state of each window.
    pub fn states(&mut self, at: Timestamp) -> Vec<MaintenanceWindowState> {
        self.advance(at);
        let started = self.started.iter().map(|it| MaintenanceWindowState {
            name: it.name.clone(),
            cron: None,
            until: Some(it.until),
        });
        let scheduled = self.windows.iter().map(|it| MaintenanceWindowState {
            name: it.window.name.clone(),
            cron: Some(it.window.cron.to_string()),
            until: it.until(at),
        });
        started.chain(scheduled).collect()
    }

    /// Adds the state of each window to a reading.
    pub fn add_to(&mut self, reading: &mut Reading) {
        let at = reading.at;
        self.advance(at);
        let (windows, mut started) = (&self.windows, self.started.as_ref());
        for it in windows {
            // A started window may share the name of a scheduled one.
            let is_started = started.take_if(|started| started.name == it.window.name).is_some();
            let is_active = is_started || it.until(at).is_some();
            reading.host().set_by(&ACTIVE, &it.labels, f64::from(u8::from(is_active)));
        }
        if let Some(started) = started {
            reading.host().set_by(&ACTIVE, &MetricLabels::new([started.name.as_str()]), 1.0);
        }
    }

    /// Evaluates the schedules once a minute, and drops what was started and is over.
    fn advance(&mut self, at: Timestamp) {
        self.started.take_if(|it| at >= it.until);
        let minute = (at.0 / 60.0).floor();
        if self.minute == Some(minute) {
            return;
        }
        self.minute = Some(minute);
        for it in &mut self.windows {
            let seconds = it.window.duration.as_seconds();
            let start = it.window.cron.last_start(at, seconds, &self.time_zone);
            it.last = start.map(|it| [it.0, it.0 + seconds]);
        }
    }
}

impl ScheduledWindow {
    fn until(&self, at: Timestamp) -> Option<Timestamp> {
        self.last.filter(|[from, to]| (*from..*to).contains(&at.0)).map(|[_, to]| Timestamp(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of a Sunday.
    const SUNDAY: f64 = 1_795_910_400.0;
    const HOUR: f64 = 3_600.0;

    fn window(cron: &str, minutes: u64, name: &str) -> MaintenanceWindow {
        let duration = HumanDuration::minutes(minutes);
        MaintenanceWindow { cron: cron.parse().unwrap(), duration, name: name.into() }
    }

    /// The windows in a reading, active ones in upper case.
    fn noted(calendar: &mut MaintenanceCalendar, at: f64) -> String {
        let mut reading = Reading::new(Timestamp(at));
        calendar.add_to(&mut reading);
        let values = reading.host_values().map(|it| it.iter().collect::<Vec<_>>()).unwrap_or_default();
        let names = values.iter().map(|it| {
            let name = &it.labels.values()[0];
            if it.value > 0.0 { name.to_uppercase() } else { name.to_string() }
        });
        assert_eq!(is_active(&reading), values.iter().any(|it| it.value > 0.0));
        names.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn windows_are_in_the_reading_from_their_start_to_their_end() {
        let windows = [window("0 2 * * sun", 90, "backup"), window("30 3 * * *", 60, "vacuum")];
        let mut calendar = MaintenanceCalendar::new(&windows, TimeZone::default());
        for (hours, expect) in [
            (1.999, "backup vacuum"),
            (2.0, "BACKUP vacuum"),
            (3.499, "BACKUP vacuum"),
            (3.5, "backup VACUUM"),
            (4.5, "backup vacuum"),
            (27.5, "backup VACUUM"),
        ] {
            assert_eq!(noted(&mut calendar, SUNDAY + hours * HOUR), expect, "at {hours} h");
        }
        assert_eq!(noted(&mut MaintenanceCalendar::default(), SUNDAY), "");
    }

    #[test]
    fn a_restart_within_a_window_continues_it() {
        let windows = [window("0 2 * * sun", 90, "backup")];
        assert_eq!(
            noted(&mut MaintenanceCalendar::new(&windows, TimeZone::default()), SUNDAY + 3.0 * HOUR),
            "BACKUP"
        );
    }

    #[test]
    fn started_maintenance_ends_by_itself_or_by_a_stop() {
        let mut calendar =
            MaintenanceCalendar::new(&[window("0 2 * * sun", 90, "backup")], TimeZone::default());
        let started = |name: &str| ManualMaintenance { name: name.into(), until: Timestamp(SUNDAY + 60.0) };
        calendar.start(started("kernel"));
        assert_eq!(noted(&mut calendar, SUNDAY), "backup KERNEL");
        assert_eq!(noted(&mut calendar, SUNDAY + 60.0), "backup");
        calendar.start(started("backup"));
        assert_eq!(noted(&mut calendar, SUNDAY), "BACKUP", "one series for a name");
        assert_eq!(calendar.stop(Timestamp(SUNDAY + 1.0)), Some(started("backup")));
        assert_eq!(calendar.stop(Timestamp(SUNDAY + 1.0)), None);
        assert_eq!(noted(&mut calendar, SUNDAY + 2.0), "backup");
    }

    #[test]
    fn a_started_window_is_stored_as_text() {
        let started = ManualMaintenance { name: "new kernel".into(), until: Timestamp(SUNDAY + 0.25) };
        assert_eq!(ManualMaintenance::from_text(&started.to_text()), Some(started));
        for text in ["stop", "", "x kernel", "NaN kernel"] {
            assert_eq!(ManualMaintenance::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn windows_have_distinct_names_and_sensible_lengths() {
        assert_eq!(windows_error(&[window("@daily", 10, "a"), window("@daily", 10, "b")]), None);
        for (windows, says) in [
            (vec![window("@daily", 10, "a"), window("@weekly", 10, "a")], "two windows"),
            (vec![window("@daily", 0, "a")], "out of range"),
            (vec![window("@daily", 8 * 1_440, "a")], "out of range"),
            (vec![window("@daily", 10, "")], "not a valid name"),
            (vec![window("@daily", 10, "a\nb")], "not a valid name"),
        ] {
            let error = windows_error(&windows).unwrap();
            assert!(error.contains(says), "{error}");
        }
    }
}
