//! The command line of `hostnorm train`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, value_parser};

use super::{CommandExit, GlobalOptions, every, shared};
use crate::backfill::{HistorySource, LOOKBACK_MAX, LOOKBACK_MIN};
use crate::config::Setting;
use crate::duration::HumanDuration;
use crate::evaluate::EvaluationFormat;
use crate::remote::ServerConnection;
use crate::secret_text::SecretText;

/// Arguments of `train`.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainArgs {
    /// Search settings for a history.
    Search(TrainSearch),
    /// Learn a history from a server or a file.
    Backfill(Box<TrainFrom>),
    /// Print the mapping of server names.
    Mapping,
    /// Request a training of the running hostnorm.
    Now(GlobalOptions),
}

/// Arguments of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainSearch {
    /// Table with normal rows.
    pub history: PathBuf,
    /// Interval of rows without times.
    pub every: Option<HumanDuration>,
    /// Output settings file.
    pub output: Option<PathBuf>,
    /// Whether to use the full grid.
    pub full: bool,
    /// Seed of the faults.
    pub seed: u64,
    /// Output format.
    pub style: EvaluationFormat,
}

/// Source of a history, and which part to use.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainFrom {
    /// A file or a server.
    pub origin: HistorySource,
    /// Length of the history; for a file, all of it by default.
    pub lookback: Option<HumanDuration>,
    /// Signals to use; all if empty.
    pub metrics: Vec<String>,
    /// How the server names the host.
    pub host: Option<String>,
    /// Further conditions on series.
    pub selector: Option<String>,
    /// File with the metric names of the server.
    pub mapping: Option<PathBuf>,
    /// Credentials and TLS options.
    pub access: ServerConnection,
    /// Output file for the points as CSV.
    pub output: Option<PathBuf>,
    /// The settings.
    pub options: GlobalOptions,
}

/// The settings that affect points and models.
const COUNTING: &[&str] = &[
    "interval",
    "window",
    "threshold",
    "half_life",
    "forest.trees",
    "forest.sample_size",
    "anomaly_learning_weight",
];

fn counting(settings: &[Setting]) -> Vec<Setting> {
    settings.iter().filter(|it| counts(&it.key)).cloned().collect()
}

fn counts(key: &str) -> bool {
    COUNTING.contains(&key) || key.starts_with("storage.") || key == "web.control_socket"
}

fn file(name: &'static str) -> Arg {
    Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf))
}

fn word(name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).hide_possible_values(true)
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("train")
        .about("Train a model, learn from another server, or search for settings")
        .long_about(
            "Train a model, learn from another server's history, or search for settings.\n\n\
             --from reads the history of this host from a table or a server, and trains a model on it. Prometheus, \
             VictoriaMetrics, Thanos and Mimir must have the series of hostnorm or node_exporter, InfluxDB 1.x those of \
             Telegraf. The history must have at least 1,440 points, which is 12 hours by default. --print-mapping prints the \
             metric names; --mapping takes an edited \
             copy.\n\n\
             --from store:FILE takes the store of a similar host, such as a copy of its hostnorm.db. After its first window, \
             this host then has a score with the statistics and the model of the other host, until it has its own.\n\n\
             --search tries combinations of forest.trees, forest.sample_size, half_life, smoothing and window. Each combination \
             learns the first 70 % of the history, then scores the next 15 % with simulated faults. Combinations are ranked \
             by the mean of two figures: VUS-PR, which is 1 if the score distinguishes all faults from other rows, and the \
             share of faults found at one false alert per day. A combination with more false episodes than the defaults is \
             not chosen. The last 15 %, with other faults, measure the result. If no combination is clearly better than the \
             defaults, the output has the defaults. A window combines several rows into one point; hostnorm replay \
             ignores window, so it cannot check this value.",
        )
        .group(ArgGroup::new("what").args(["from", "search", "print-mapping", "now"]).required(true))
        .arg(
            Arg::new("now")
                .long("now")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["from", "search", "print-mapping", "output"])
                .help("Train a model of the running hostnorm now; see hostnorm models"),
        )
        .arg(file("output").help("Output file: the points as CSV with --from, without storing them; the settings found with --search"))
        .args(from_args())
        .args(server_args())
        .args(search_args())
        .args(shared(&counting(settings)))
}

fn from_args() -> Vec<Arg> {
    let needs = |it: Arg| it.requires("from").help_heading("Backfill");
    let origin = |text: &str| match text.parse::<HistorySource>() {
        // It may contain a password.
        Ok(origin) => Ok(origin),
        Err(error) => Err(error.to_string()),
    };
    let lookback = |text: &str| match text.parse::<HumanDuration>() {
        Ok(span) if (LOOKBACK_MIN..=LOOKBACK_MAX).contains(&span) => Ok(span),
        Ok(span) => Err(format!("{span} is out of range; expected {LOOKBACK_MIN} to {LOOKBACK_MAX}")),
        Err(error) => Err(error.to_string()),
    };
    vec![
        Arg::new("from")
            .long("from")
            .value_name("ORIGIN")
            .value_parser(origin)
            .conflicts_with("search")
            .help_heading("Backfill")
            .help("Learn from this history: csv:FILE, prometheus:URL or influxdb:URL/DATABASE. Or start with the statistics and the model of a similar host: store:FILE"),
        needs(word("lookback", "DURATION").value_parser(lookback))
            .help("Length of the history to learn from, 1h to 90d. The history must have at least 1,440 points: 12h with the default interval and window [default: 1d; all of a file]"),
        needs(word("metric", "NAME").num_args(1..).action(ArgAction::Append))
            .help("Only these signals, such as cpu_busy_ratio [default: all]"),
        needs(word("host", "NAME"))
            .help("How the server names this host: its label instance, with or without the port, or Telegraf's tag host"),
        needs(word("match", "TEXT"))
            .help("Further selector for series, such as 'job=\"node\"', or an InfluxQL condition"),
        needs(file("mapping")).help("File with the server's metric names: an edited copy of --print-mapping"),
        Arg::new("print-mapping")
            .long("print-mapping")
            .action(ArgAction::SetTrue)
            .conflicts_with_all(["from", "search"])
            .help_heading("Backfill")
            .help("Print the default metric names of supported servers, as YAML"),
    ]
}

fn server_args() -> Vec<Arg> {
    let needs = |it: Arg| it.requires("from").help_heading("Server access").hide_short_help(true);
    vec![
        needs(word("user", "NAME")).help("User, or NAME:PASSWORD; prefer --password-file"),
        needs(file("password-file")).help("File with the user's password"),
        needs(file("token-file")).help("File with a token: Bearer for Prometheus, Token for InfluxDB"),
        needs(word("header", "TEXT").action(ArgAction::Append))
            .help("Further header, such as 'X-Scope-OrgID: tenant'; repeatable"),
        needs(file("ca-file")).help("CA certificates to trust instead of those of the host, in PEM"),
        needs(file("cert-file")).help("Client certificate, in PEM"),
        needs(file("key-file")).help("Key of the client certificate, in PEM"),
        needs(Arg::new("insecure-skip-verify").long("insecure-skip-verify").action(ArgAction::SetTrue))
            .help("Accept any certificate. Anyone on the network path to the server can then read and change the traffic"),
    ]
}

fn search_args() -> Vec<Arg> {
    let needs = |it: Arg| it.requires("search").help_heading("Search for settings");
    vec![
        Arg::new("search")
            .long("search")
            .action(ArgAction::SetTrue)
            .requires("history")
            .help_heading("Search for settings")
            .help("Search a grid for the settings that detect best on a history"),
        needs(file("history")).help("Normal data as CSV; see hostnorm validate --help"),
        needs(every())
            .help("Time between two rows; required without timestamps, else taken from the first rows"),
        needs(word("grid", "SIZE").value_parser(["small", "full"]))
            .help("Size of the grid: small (32 combinations) or full (432) [default: small]"),
        needs(word("seed", "NUMBER").value_parser(value_parser!(u64)))
            .help("Seed for the injected faults; equal seeds give equal output [default: 1]"),
        needs(word("format", "FORMAT").value_parser(["table", "json", "markdown"]))
            .help("Output format: table, json, markdown [default: table]"),
    ]
}

pub(super) fn options(
    matches: &ArgMatches,
    mut options: GlobalOptions,
    settings: &[Setting],
) -> Result<TrainArgs, CommandExit> {
    if matches.get_flag("print-mapping") {
        return Ok(TrainArgs::Mapping);
    }
    if matches.get_flag("now") {
        options.add(matches, &counting(settings));
        return Ok(TrainArgs::Now(options));
    }
    let Some(origin) = matches.get_one::<HistorySource>("from") else {
        options.add(matches, &counting(settings));
        options.none("train --search")?;
        return Ok(TrainArgs::Search(search(matches)));
    };
    if let Some(given) = options.flags.iter().find(|it| !counts(&it.key)) {
        let text = format!("error: train does not use --{}; remove it", given.flag);
        return Err(CommandExit::usage(text));
    }
    options.add(matches, &counting(settings));
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let texts = |name: &str| matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    Ok(TrainArgs::Backfill(Box::new(TrainFrom {
        origin: origin.clone(),
        lookback: matches.get_one::<HumanDuration>("lookback").copied(),
        metrics: texts("metric"),
        host: text("host"),
        selector: text("match"),
        mapping: path("mapping"),
        access: ServerConnection {
            user: text("user").unwrap_or_default().into(),
            password_file: path("password-file").unwrap_or_default(),
            token_file: path("token-file").unwrap_or_default(),
            headers: texts("header").into_iter().map(SecretText::from).collect(),
            ca_file: path("ca-file").unwrap_or_default(),
            cert_file: path("cert-file").unwrap_or_default(),
            key_file: path("key-file").unwrap_or_default(),
            insecure_skip_verify: matches.get_flag("insecure-skip-verify"),
        },
        output: path("output"),
        options,
    })))
}

fn search(matches: &ArgMatches) -> TrainSearch {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let word = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    TrainSearch {
        history: path("history").unwrap_or_default(),
        every: matches.get_one::<HumanDuration>("every").copied(),
        output: path("output"),
        full: word("grid") == Some("full"),
        seed: matches.get_one::<u64>("seed").copied().unwrap_or(1),
        style: match word("format") {
            Some("json") => EvaluationFormat::Json,
            Some("markdown") => EvaluationFormat::Markdown,
            _ => EvaluationFormat::Table,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings;

    fn check(line: &str, expect: &str) {
        let settings = settings();
        let args = std::iter::once("train").chain(line.split_whitespace());
        let parsed = command(&settings).try_get_matches_from(args);
        let found = match parsed.map(|it| options(&it, GlobalOptions::default(), &settings)) {
            Ok(Ok(TrainArgs::Search(it))) => format!(
                "{:?} {:?} {:?} {} {} {:?}",
                it.history,
                it.every.map(HumanDuration::as_seconds),
                it.output,
                it.full,
                it.seed,
                it.style
            ),
            Ok(Ok(TrainArgs::Mapping)) => "mapping".into(),
            Ok(Ok(TrainArgs::Now(it))) => format!("now {}", it.flags.len()),
            Ok(Ok(TrainArgs::Backfill(it))) => {
                format!(
                    "{:?} {:?} {:?} {:?} {}",
                    it.lookback.map(HumanDuration::as_seconds),
                    it.metrics,
                    it.host,
                    it.selector,
                    it.options.flags.len()
                )
            }
            Ok(Err(exit)) => exit.text,
            Err(error) => error.to_string().lines().take(2).collect::<Vec<_>>().join(""),
        };
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn the_tree_of_flags_is_sound() {
        command(&settings()).debug_assert();
    }

    #[test]
    fn flags_of_a_search_are_read() {
        check("--search --history h.csv", "\"h.csv\" None None false 1 Table");
        check(
            "--search --history h.csv --every 5m --output o.yaml --grid full --seed 7 --format markdown",
            "\"h.csv\" Some(300.0) Some(\"o.yaml\") true 7 Markdown",
        );
        check(
            "--search --history h --grid huge",
            "error: invalid value 'huge' for '--grid <SIZE>'  [possible values: small, full]",
        );
    }

    #[test]
    fn flags_of_a_past_are_read() {
        check("--from csv:h.csv", "None [] None None 0");
        check(
            "--from prometheus:http://h --lookback 7d --metric a b --host x --match y --window 10",
            "Some(604800.0) [\"a\", \"b\"] Some(\"x\") Some(\"y\") 1",
        );
        check(
            "--from h.csv",
            "error: invalid value 'h.csv' for '--from <ORIGIN>': expected csv:FILE, store:FILE, prometheus:URL or influxdb:URL, such as prometheus:http://localhost:9090",
        );
        check(
            "--from csv:h --lookback 0",
            "error: invalid value '0' for '--lookback <DURATION>': 0s is out of range; expected 1h to 90d",
        );
    }

    #[test]
    fn one_of_both_is_required() {
        let missing = "error: the following required arguments were not provided:  <--from <ORIGIN>|--search|--print-mapping|--now>";
        check("--output o", missing);
        check("--print-mapping", "mapping");
        check("--now --storage.path d", "now 1");
        check(
            "--search --from csv:h",
            "error: the argument '--search' cannot be used with '--from <ORIGIN>'",
        );
        check("--search --history h --window 3", "train --search does not use --window; remove it");
    }
}
