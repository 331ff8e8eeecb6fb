//! The command line of `hostnorm demo`.

use clap::ArgMatches;

use super::{CommandExit, defaulted};
use crate::duration::HumanDuration;

/// Amount of load, within ranges that keep the machine usable; 0 disables a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoArgs {
    /// Percentage of the time of each CPU.
    pub cpu: u64,
    /// Percentage of the memory that is available at the start of the load.
    pub memory: u64,
    /// Size of the temporary file, in megabytes.
    pub disk: u64,
    /// HTTP requests per second to the demo's own listener.
    pub http_rps: u64,
    /// Duration of the load.
    pub lasts: HumanDuration,
    /// Duration of learning before it.
    pub warmup: HumanDuration,
}

/// An integer argument with its range.
struct WholeSeconds {
    name: &'static str,
    default: &'static str,
    max: u64,
    help: &'static str,
}

/// The ranges keep a twentieth of each CPU and half of the memory free, a file that fits on most disks, and fewer
/// connections than a minute of ports.
const WHOLES: [WholeSeconds; 4] = [
    WholeSeconds { name: "cpu", default: "90", max: 95, help: "Load on each CPU, in percent" },
    WholeSeconds {
        name: "memory",
        default: "20",
        max: 50,
        help: "Part of the available memory to allocate, never more than 2 GiB, in percent",
    },
    WholeSeconds {
        name: "disk",
        default: "256",
        max: 1024,
        help: "Size of the temporary file to rewrite, in megabytes",
    },
    WholeSeconds {
        name: "http-rps",
        default: "200",
        max: 400,
        help: "HTTP requests per second to the demo's own listener on the loopback device",
    },
];

/// Shortest and longest load.
const LASTS: [HumanDuration; 2] = [HumanDuration::seconds(5), HumanDuration::minutes(10)];
/// Shortest warm-up, with two whole points, and longest.
const WARMUP: [HumanDuration; 2] = [HumanDuration::seconds(12), HumanDuration::minutes(60)];

pub(super) fn command() -> clap::Command {
    let wholes = WHOLES
        .iter()
        .map(|it| defaulted(it.name, "NUMBER", it.default, format!("{}, 0 to {}", it.help, it.max)));
    clap::Command::new("demo")
        .about("Generate load on this host for a minute and show how it is detected")
        .args(wholes)
        .arg(defaulted(
            "for",
            "DURATION",
            "60s",
            format!("Duration of the load, {} to {}", LASTS[0], LASTS[1]),
        ))
        .arg(defaulted(
            "warmup",
            "DURATION",
            "60s",
            format!("Learning time before the load, {} to {}", WARMUP[0], WARMUP[1]),
        ))
}

pub(super) fn options(matches: &ArgMatches) -> Result<DemoArgs, CommandExit> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let wrong = |name: &str, why: String| CommandExit::usage(format!("--{name} {} {why}", text(name)));
    let whole = |whole: &WholeSeconds| match text(whole.name).parse::<u64>() {
        Err(_) => Err(wrong(whole.name, "is not a whole number".into())),
        Ok(value) if value > whole.max => {
            Err(wrong(whole.name, format!("is too much for a demo; the maximum is {}", whole.max)))
        }
        Ok(value) => Ok(value),
    };
    let span = |name: &str, [least, most]: [HumanDuration; 2]| match text(name).parse::<HumanDuration>() {
        Err(error) => Err(wrong(name, error.to_string())),
        Ok(span) if span < least || span > most => {
            Err(wrong(name, format!("is not between {least} and {most}")))
        }
        Ok(span) => Ok(span),
    };
    let [cpu, memory, disk, http_rps] = &WHOLES;
    let demo = DemoArgs {
        cpu: whole(cpu)?,
        memory: whole(memory)?,
        disk: whole(disk)?,
        http_rps: whole(http_rps)?,
        lasts: span("for", LASTS)?,
        warmup: span("warmup", WARMUP)?,
    };
    match demo.cpu + demo.memory + demo.disk + demo.http_rps {
        0 => Err(CommandExit::usage(
            "no load requested; set one of --cpu, --memory, --disk and --http-rps above 0",
        )),
        _ => Ok(demo),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: Result<[u64; 4], &str>) {
        let args = std::iter::once("demo").chain(line.split_whitespace());
        let found = options(&command().get_matches_from(args));
        let found = found.map(|it| [it.cpu, it.memory, it.disk, it.http_rps]).map_err(|it| it.text);
        assert_eq!(found, expect.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn load_has_bounds() {
        check("", Ok([90, 20, 256, 200]));
        check("--cpu 0 --memory 50 --disk 1 --http-rps 0 --for 5s --warmup 1h", Ok([0, 50, 1, 0]));
        check("--cpu 100", Err("--cpu 100 is too much for a demo; the maximum is 95"));
        check("--memory -1", Err("--memory -1 is not a whole number"));
        check("--disk 5000", Err("--disk 5000 is too much for a demo; the maximum is 1024"));
        check("--for 1h", Err("--for 1h is not between 5s and 10m"));
        check("--warmup 5", Err("--warmup 5 has no unit; write ms, s, m, h, d, w or y after the number"));
        check(
            "--cpu 0 --memory 0 --disk 0 --http-rps 0",
            Err("no load requested; set one of --cpu, --memory, --disk and --http-rps above 0"),
        );
    }
}
