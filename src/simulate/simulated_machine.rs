//! The simulated host: an application server with users, disks and cron jobs.
//!
//! One hidden number, the demand of the users, drives CPU, network, memory, connections and logs; other signals are
//! independent. The parameters are chosen so that the series resemble published ones of servers (Server Machine
//! Dataset, at one minute: an autocorrelation of 0.8 to 0.9 in the median signal, 0.2 to 0.7 from day to day, a
//! kurtosis of 3 to 4 in the median and in the hundreds in the burstiest tenth, half of the pairs hardly correlated, a
//! tenth above 0.8).

use super::cron_jobs::{CronJobs, SimulatedJobLoad};
use super::host_kind::{HostKind, IrregularJobs};
use super::rng::{AutocorrelatedNoise, SimulationRng, along, exp};
use super::simulated_signals::WIDTH;

const DAY: f64 = 86_400.0;
const MB: f64 = 1e6;

/// Demand by hour of the day: a minimum at four in the morning, a working day, an evening.
const HOURS: [f64; 24] = [
    0.35, 0.25, 0.18, 0.14, 0.12, 0.14, 0.22, 0.38, 0.60, 0.80, 0.92, 0.97, 0.93, 0.92, 0.95, 0.93, 0.88,
    0.84, 0.86, 0.95, 1.00, 0.92, 0.74, 0.52,
];

/// Demand by day of the week at noon, starting with Thursday, the weekday of the epoch.
const WEEKDAYS: [f64; 7] = [1.0, 0.96, 0.74, 0.70, 0.98, 1.0, 1.02];

/// Bursts of demand per day: a campaign, a crawler, a customer's batch. They are normal.
const BURSTS_A_DAY: f64 = 5.0;
/// Additional demand of a burst.
const BURST_HEIGHT: [f64; 2] = [0.05, 0.25];
/// Duration of a burst, in seconds.
const BURST_SECONDS: [f64; 2] = [60.0, 480.0];

/// Share of rotated logs that remains after compression.
const KEPT_AFTER_ROTATION: f64 = 0.05;
/// Share of the filesystem from which old archives are deleted, so that it grows slowly and never fills.
const KEPT_MAX: f64 = 0.03;

/// Properties of this machine, drawn once from its seed.
#[derive(Debug, Clone)]
struct MachineTraits {
    /// Share of the demand that follows the hour of the day.
    daily: f64,
    /// Hours by which its users are active later than others.
    later: f64,
    /// User CPU time at full demand; a server has spare capacity.
    user: f64,
    /// System CPU time for each unit of user CPU time.
    system: f64,
    /// Memory in use without demand, and its increase at full demand.
    memory: [f64; 2],
    /// Bytes sent per second at full demand.
    sent: f64,
    /// Bytes received for each byte sent.
    received: f64,
    /// Connections at full demand.
    connections: f64,
    /// Context switches per second at full demand.
    switches: f64,
    /// Share of the filesystem in use at the start, and its increase by a day's logs.
    filesystem: [f64; 2],
}

/// Autocorrelated noise, one for each independent process.
#[derive(Debug, Clone)]
struct MachineNoise {
    /// Demand over hours: some days are busier than others.
    demand_slow: AutocorrelatedNoise,
    /// Demand over minutes: users come in waves.
    demand_fast: AutocorrelatedNoise,
    /// Cost of a request: the mix of requests changes slowly.
    cost: AutocorrelatedNoise,
    /// Memory of caches.
    memory: AutocorrelatedNoise,
    /// Size of answers.
    answer: AutocorrelatedNoise,
    /// Logarithm of disk reads: caches are cold or warm.
    reads: AutocorrelatedNoise,
    /// Loopback traffic of local programs, independent of users.
    loopback: AutocorrelatedNoise,
    /// Packet loss towards the users.
    loss: AutocorrelatedNoise,
}

/// A machine without faults; each step gives the means over the seconds since the previous one.
#[derive(Debug, Clone)]
pub struct SimulatedMachine {
    rng: SimulationRng,
    traits: MachineTraits,
    drifts: MachineNoise,
    jobs: CronJobs,
    irregular: Option<IrregularJobs>,
    at: f64,
    step: f64,
    /// Standard deviation of white noise averaged over the step, relative to a minute. Within a minute, adjacent
    /// values are correlated, so it is at most doubled below 15 s.
    white: f64,
    /// Demand as memory follows it: sessions last for half an hour.
    sessions: f64,
    /// Remaining seconds and height of the current burst.
    burst: [f64; 2],
    /// Share of the filesystem used by the logs of today and by archives.
    logs: [f64; 2],
}

impl SimulatedMachine {
    /// The web server of a seed, whose first values cover the `step` seconds after `start`.
    pub fn new(seed: u64, start: f64, step: f64) -> Self {
        Self::of(HostKind::WebServer, seed, start, step)
    }

    /// The machine of a kind and a seed.
    pub fn of(kind: HostKind, seed: u64, start: f64, step: f64) -> Self {
        let mut rng = SimulationRng::new(seed);
        let mut traits = MachineTraits::new(&mut rng);
        let [load, rhythm] = kind.load_and_rhythm();
        for of_load in [&mut traits.user, &mut traits.sent, &mut traits.connections, &mut traits.switches] {
            *of_load *= load;
        }
        traits.daily *= rhythm;
        let jobs = CronJobs::new(kind.jobs(), &mut rng);
        let drift = |constant| AutocorrelatedNoise::new(constant, step);
        let drifts = MachineNoise {
            demand_slow: drift(3.0 * 3_600.0),
            demand_fast: drift(300.0),
            cost: drift(6.0 * 3_600.0),
            memory: drift(2.0 * 3_600.0),
            answer: drift(1_200.0),
            reads: drift(600.0),
            loopback: drift(900.0),
            loss: drift(1_800.0),
        };
        let kept = rng.between(0.0, KEPT_MAX);
        let today = (start / DAY - (start / DAY).floor()) * 0.5 * traits.filesystem[1];
        let mut machine = Self {
            rng,
            traits,
            drifts,
            jobs,
            irregular: kind.irregular_jobs(),
            at: start,
            step,
            white: (60.0 / step).sqrt().clamp(0.1, 2.0),
            sessions: 0.0,
            burst: [0.0; 2],
            logs: [today, kept],
        };
        machine.sessions = machine.rhythm();
        machine
    }

    /// Time of the newest values; the start before the first step.
    pub fn at(&self) -> f64 {
        self.at
    }

    /// The next values, in the order of [`COLUMNS`](super::COLUMNS).
    pub fn step(&mut self) -> [f64; WIDTH] {
        self.at += self.step;
        let (mut work, rotated) = self.jobs.step(self.at, self.step, &mut self.rng);
        if let Some(irregular) = &mut self.irregular {
            irregular.add(&mut work, self.at, self.step, &mut self.rng);
        }
        let demand = self.demand();
        self.sessions += (demand - self.sessions) * (1.0 - exp(-self.step / 1_800.0));
        let [received, sent, packets] = self.network(demand, &work);
        let [read, written, operations, disk] = self.disk(demand, &work);
        let [busy, user, system, iowait, steal] = self.cpu(demand, &work, packets, disk);
        let memory = self.memory();
        let [filesystem, inodes] = self.filesystem(demand, rotated);
        let [faults, major, swap] = self.paging(demand, &work);
        let [running, blocked, forks, switches] = self.tasks(demand, &work, busy, disk);
        let loopback = 0.6 * MB * exp(0.25 * self.drifts.loopback.next(&mut self.rng)) * self.noisy(0.05);
        let lost = exp(0.4 * self.drifts.loss.next(&mut self.rng));
        let connections = self.connections();
        [
            busy,
            user,
            system,
            iowait,
            steal,
            memory,
            faults,
            major,
            swap,
            // Waiting for CPUs starts long before all are busy, because requests arrive in bursts.
            ((0.02 + 0.5 * busy * busy * busy) * self.noisy(0.15)).clamp(0.0, 1.0),
            (0.0002 * self.noisy(0.8)).clamp(0.0, 1.0),
            ((0.004 + 0.5 * disk) * self.noisy(0.15)).clamp(0.0, 1.0),
            disk,
            read,
            written,
            operations,
            filesystem,
            inodes,
            received,
            sent,
            packets,
            self.counted(0.005),
            loopback,
            connections,
            self.counted(0.2 + 1.5e-4 * packets * lost),
            running,
            blocked,
            forks,
            switches,
        ]
    }

    /// Demand by hour and day of the week.
    fn rhythm(&self) -> f64 {
        let middle = self.at - 0.5 * self.step;
        let hour = along(&HOURS, middle / 3_600.0 - self.traits.later);
        let weekday = along(&WEEKDAYS, middle / DAY - 0.5);
        (1.0 - self.traits.daily * (1.0 - hour)) * weekday
    }

    /// Demand from the daily rhythm, waves, drifts and bursts. The waves are a few percent, because hundreds of users
    /// average out.
    fn demand(&mut self) -> f64 {
        let [left, height] = &mut self.burst;
        if *left <= 0.0 && self.rng.happens(BURSTS_A_DAY * self.step / DAY) {
            *left = self.rng.between(BURST_SECONDS[0], BURST_SECONDS[1]);
            *height = self.rng.between(BURST_HEIGHT[0], BURST_HEIGHT[1]);
        }
        let burst = *height * (*left / self.step).clamp(0.0, 1.0);
        *left -= self.step;
        let slow = 0.08 * self.drifts.demand_slow.next(&mut self.rng);
        let fast = 0.06 * self.drifts.demand_fast.next(&mut self.rng);
        (self.rhythm() * (1.0 + burst) * exp(slow + fast) * self.noisy(0.015)).min(2.0)
    }

    fn cpu(&mut self, demand: f64, work: &SimulatedJobLoad, packets: f64, disk: f64) -> [f64; 5] {
        let cost = exp(0.04 * self.drifts.cost.next(&mut self.rng));
        let user = (0.015 + self.traits.user * demand * cost + work.cpu) * self.noisy(0.03);
        // Packets and disk operations use system CPU time, too.
        let system = (0.008 + self.traits.system * user + packets * 4e-7 + 0.03 * disk) * self.noisy(0.04);
        // A neighbor's small load, mostly a hundredth of a percent.
        let steal = 0.0004 * self.noisy(0.9);
        // The total cannot exceed 1.
        let fit = (0.98 / (user + system + steal)).min(1.0);
        let [user, system, steal] = [user, system, steal].map(|it| it * fit);
        let busy = user + system + steal;
        let iowait = ((0.001 + 0.12 * disk) * self.noisy(0.25)).min(1.0 - busy);
        [busy, user, system, iowait, steal]
    }

    fn memory(&mut self) -> f64 {
        let [base, sessions] = self.traits.memory;
        let caches = 0.006 * self.drifts.memory.next(&mut self.rng);
        let white = 0.0008 * self.white * self.rng.normal();
        (base + sessions * self.sessions + caches + white).clamp(0.02, 0.98)
    }

    fn network(&mut self, demand: f64, work: &SimulatedJobLoad) -> [f64; 3] {
        let answer = exp(0.08 * self.drifts.answer.next(&mut self.rng));
        let sent = 0.02 * MB + self.traits.sent * demand * answer * self.noisy(0.04) + work.sent;
        let received = 0.02 * MB
            + self.traits.received * self.traits.sent * demand * self.noisy(0.04)
            + 0.02 * work.sent;
        // Full packets in one direction, requests and acknowledgements in the other.
        let packets = (30.0 + sent / 1_100.0 + received / 350.0) * self.noisy(0.02);
        [received, sent, packets]
    }

    /// Bytes read and written, operations, and the share of time in which the disk is busy.
    fn disk(&mut self, demand: f64, work: &SimulatedJobLoad) -> [f64; 4] {
        // Reads are cache misses: mostly few, sometimes a hundred times as many.
        let read = 0.08 * MB * exp(1.1 * self.drifts.reads.next(&mut self.rng)) * self.noisy(0.5) + work.read;
        let written = (0.3 * MB + 2.2 * MB * demand) * self.noisy(0.12) + work.written;
        let operations = (8.0 + read / 60e3 + written / 40e3) * self.noisy(0.08);
        // A disk is fully busy at 3000 operations or 250 MB per second.
        let busy = ((operations / 3_000.0 + (read + written) / (250.0 * MB)) * self.noisy(0.08)).min(1.0);
        [read, written, operations, busy]
    }

    fn filesystem(&mut self, demand: f64, rotated: bool) -> [f64; 2] {
        let [base, daily] = self.traits.filesystem;
        let [today, kept] = &mut self.logs;
        *today += daily * demand * self.step / DAY;
        if rotated {
            *kept += KEPT_AFTER_ROTATION * *today;
            *today = 0.0;
            if *kept > KEPT_MAX {
                *kept = 0.0;
            }
        }
        // Inodes follow the number of archives: steps so small that the signal looks constant on most days.
        [base + *today + *kept, 0.061 + 0.02 * *kept]
    }

    fn paging(&mut self, demand: f64, work: &SimulatedJobLoad) -> [f64; 3] {
        let faults = (400.0 + 5_500.0 * demand + 150.0 * work.forks) * self.noisy(0.08);
        let major = self.counted(0.02 + work.read * 5e-7);
        // Swap is used a few times a day, when an old page is needed.
        let swap =
            if self.rng.happens(8.0 * self.step / DAY) { self.rng.poisson(6.0) * self.white } else { 0.0 };
        [faults, major, swap]
    }

    fn connections(&mut self) -> f64 {
        // Connections outlast requests, so they follow sessions rather than the minute.
        let expected = 15.0 + self.traits.connections * self.sessions;
        (expected + 0.5 * self.white * expected.sqrt() * self.rng.normal()).round().max(0.0)
    }

    fn tasks(&mut self, demand: f64, work: &SimulatedJobLoad, busy: f64, disk: f64) -> [f64; 4] {
        // Running tasks, and a queue that grows without bound as all CPUs become busy.
        let queue = busy + busy * busy * busy / (1.05 - busy);
        let running = queue * self.noisy(0.08);
        // Sampled about six times a minute.
        let looks = (self.step / 10.0).clamp(1.0, 60.0);
        let blocked = self.rng.poisson(looks * (0.01 + 1.2 * disk)) / looks;
        let forks = self.counted(1.5 + 2.0 * demand + work.forks);
        let switches = (1_200.0 + self.traits.switches * demand) * self.noisy(0.04) + 40.0 * work.forks;
        [running, blocked, forks, switches]
    }

    /// A factor around 1 whose logarithm has this standard deviation at steps of a minute.
    fn noisy(&mut self, sigma: f64) -> f64 {
        self.rng.log_normal(sigma * self.white)
    }

    /// The rate of single events with this expected rate per second.
    fn counted(&mut self, rate: f64) -> f64 {
        self.rng.poisson(rate * self.step) / self.step
    }
}

impl MachineTraits {
    /// Machines that are half idle and never full, as most are.
    fn new(rng: &mut SimulationRng) -> Self {
        Self {
            daily: rng.between(0.55, 0.85),
            later: rng.between(-1.0, 2.0),
            user: rng.between(0.18, 0.38),
            system: rng.between(0.18, 0.3),
            memory: [rng.between(0.35, 0.55), rng.between(0.05, 0.12)],
            sent: rng.between(2.0, 8.0) * MB,
            received: rng.between(0.1, 0.3),
            connections: rng.between(150.0, 600.0),
            switches: rng.between(8_000.0, 30_000.0),
            filesystem: [rng.between(0.35, 0.6), rng.between(0.01, 0.03)],
        }
    }
}
