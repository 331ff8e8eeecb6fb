//! How often a template is used.

/// Time constant of the recent count, in seconds.
pub const RECENT_SECONDS: f64 = 30.0;

/// Time constant of the usual count, in seconds.
pub const USUAL_SECONDS: f64 = 3_600.0;

/// A kind of lines, and when they came.
#[derive(Debug, Clone, PartialEq)]
pub struct LogTemplate {
    /// Its words, with masks.
    pub text: String,
    /// Time of its first line, in seconds.
    pub first_at: f64,
    /// Time of its last line, in seconds.
    pub used_at: f64,
    /// Lines, each of which counts less as time goes by: as of `used_at`.
    recent: f64,
    usual: f64,
}

impl LogTemplate {
    pub(super) fn new(text: &str, at: f64) -> Self {
        Self { text: text.to_owned(), first_at: at, used_at: at, recent: 0.0, usual: 0.0 }
    }

    pub(super) fn count(&mut self, at: f64, weight: f64) {
        let elapsed = at - self.used_at;
        self.recent = self.recent * decay(elapsed, RECENT_SECONDS) + weight;
        self.usual = self.usual * decay(elapsed, USUAL_SECONDS) + weight;
        self.used_at = self.used_at.max(at);
    }

    /// Recent lines, weighted by age.
    pub fn recent(&self, at: f64) -> f64 {
        self.recent * decay(at - self.used_at, RECENT_SECONDS)
    }

    /// The recent rate as a multiple of the usual one; at least a line a minute is taken as usual.
    pub fn growth(&self, at: f64) -> f64 {
        let age = (at - self.first_at).clamp(RECENT_SECONDS, USUAL_SECONDS);
        let usual = self.usual * decay(at - self.used_at, USUAL_SECONDS) / age;
        self.recent(at) / RECENT_SECONDS / usual.max(1.0 / 60.0)
    }
}

/// What is left of a count; a clock that stepped back leaves it.
pub fn decay(elapsed: f64, constant: f64) -> f64 {
    (-elapsed.max(0.0) / constant).exp()
}
