//! Cost: measures hostnorm at each reading, and switches features off and on.
//!
//! CPU time of requests does not count: a client that scrapes often must not switch features off. `rate_limit` of the web
//! configuration bounds clients.

use super::persist::PersistentState;
use crate::cost_limit::{CostLimiter, CostLimits, CostSample, LIMIT, OptionalFeature, USED};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, SubjectValues};
use crate::{request_cpu, sources};

pub(super) static REQUEST_CPU: Metric = Metric::counter(
    "hostnorm_http_cpu_seconds_total",
    "CPU time that HTTP requests used, in seconds; part of process_cpu_seconds_total, and not compared with limits.cpu",
);

/// The cost, and what is off because of it.
#[derive(Debug)]
pub(super) struct CostState {
    limiter: CostLimiter,
    /// CPU time without that of requests, in seconds. It never falls, though the two are not measured at the same instant.
    own_cpu_seconds: f64,
}

impl CostState {
    pub(super) fn new(limits: CostLimits) -> Self {
        Self { limiter: CostLimiter::new(limits), own_cpu_seconds: 0.0 }
    }

    /// Whether a feature is on.
    pub(super) fn is_active(&self, feature: OptionalFeature) -> bool {
        self.limiter.is_active(feature)
    }

    /// Takes the cost from a reading, and adds to it which features are on.
    pub(super) fn update(&mut self, reading: &mut Reading, persistent: &mut PersistentState) {
        let cost = self.without_requests(sources::own_cost(reading), request_cpu::seconds());
        let switched = self.limiter.step(reading.at, cost);
        self.limiter.add_to(reading);
        let Some((feature, is_on)) = switched else { return };
        let [memory_bytes, cpus] = self.limiter.used().map(|(_, it)| it);
        let name = feature.name();
        if is_on {
            tracing::info!(
                feature = name,
                memory_bytes,
                cpus,
                "cost is well within its limits; a feature is on again"
            );
        } else {
            tracing::warn!(
                feature = name,
                memory_bytes,
                cpus,
                "cost is above its limits; a feature is off until it is well within them"
            );
        }
        if feature == OptionalFeature::ShadowModel {
            persistent.pause_shadows(!is_on);
        }
    }

    /// The cost of what hostnorm does without any client.
    fn without_requests(&mut self, cost: CostSample, request_seconds: f64) -> CostSample {
        let own = cost.cpu_seconds.map(|it| (it - request_seconds).max(self.own_cpu_seconds));
        self.own_cpu_seconds = own.unwrap_or(self.own_cpu_seconds);
        CostSample { cpu_seconds: own, ..cost }
    }

    /// The limits and what is used.
    pub(super) fn values(&self, values: &mut SubjectValues) {
        values.set(&REQUEST_CPU, request_cpu::seconds());
        let rows = [(&LIMIT, self.limiter.limits()), (&USED, self.limiter.used())];
        for (metric, rows) in rows {
            for (resource, value) in rows {
                value.iter().for_each(|it| values.set_by(metric, &MetricLabels::new([resource]), *it));
            }
        }
    }
}

impl PersistentState {
    /// Stops scoring with shadow models, or resumes it.
    fn pause_shadows(&mut self, is_paused: bool) {
        let kinds: Vec<_> = self.engine.kinds().collect();
        for kind in kinds {
            match self.registry.shadow(kind) {
                Some(_) if is_paused => self.engine.drop_shadow(kind),
                Some(shadow) => self.engine.start_shadow(kind, shadow.eif()),
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byte_size::ByteSize;
    use crate::reading::Timestamp;

    /// The features that are off after an hour of this use, in CPUs, of hostnorm itself and of requests.
    fn features_off(own: f64, requests: f64) -> usize {
        let limits = CostLimits { series: 0, memory: ByteSize::default(), cpu: 0.25 };
        let mut state = CostState::new(limits);
        for second in 0..3_600 {
            let at = f64::from(second);
            // The two are not measured at the same instant.
            let noted = requests * at.div_euclid(5.0) * 5.0;
            let measured = CostSample { memory_bytes: None, cpu_seconds: Some((own + requests) * at) };
            let cost = state.without_requests(measured, noted);
            state.limiter.step(Timestamp(at), cost);
        }
        OptionalFeature::ORDER.iter().filter(|it| !state.is_active(**it)).count()
    }

    #[test]
    fn a_client_that_scrapes_often_switches_nothing_off() {
        assert_eq!([features_off(0.02, 0.0), features_off(0.02, 1.0), features_off(0.2, 3.0)], [0; 3]);
        assert_eq!(features_off(0.3, 1.0), OptionalFeature::ORDER.len());
    }
}
