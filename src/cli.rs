//! The command line, generated from the table of settings.
//!
//! Values are not parsed here: flags, environment and file share one parser in `config`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, ArgMatches, value_parser};

use crate::config::{
    self, ConfigProblems, FILE_VARIABLE, FlagValue, LoadedConfig, STANDARD_FILE, Setting, SettingType,
    lower_first, settings,
};
use crate::control_characters::one_line;
use crate::duration::HumanDuration;
use crate::episode_pattern::OperatorVerdict;
use crate::url_credentials::{address, without_credentials};
use crate::version;

mod accept;
mod check;
mod completions;
mod demo;
mod episodes;
mod evaluate;
mod exit;
mod explain;
mod export;
mod forget;
mod hash_password;
mod health;
mod learn;
mod maintenance;
mod man_pages;
mod mcp;
mod models;
mod node_exporter_flags;
mod remediate;
mod replay;
mod simulate;
mod status;
mod store_args;
mod top;
mod train;
#[cfg(test)]
mod tests;
mod validate;
mod verdict;

pub use check::CheckOutput;
pub use demo::DemoArgs;
pub use episodes::EpisodesArgs;
pub use evaluate::{EvaluateArgs, EvaluationInput, ReplayMode};
pub use exit::CommandExit;
pub use explain::{ExplainArgs, ExplainTarget};
pub use export::{ColumnLayout, ExportArgs, ExportTable};
pub use forget::ForgetArgs;
pub use learn::LearningSwitchArgs;
pub use maintenance::{MaintenanceAction, MaintenanceArgs};
pub use models::{ModelsAction, ModelsArgs};
pub use remediate::RemediateArgs;
pub use replay::ReplayArgs;
pub use simulate::SimulateArgs;
pub use status::StatusArgs;
pub use store_args::TimeRangeArgs;
pub use top::TopArgs;
pub use train::{TrainArgs, TrainFrom, TrainSearch};
pub use validate::{ReportFormat, ValidateArgs};
pub use verdict::VerdictArgs;

/// A parsed command.
#[derive(Debug, Clone, PartialEq)]
pub enum CliCommand {
    /// Samples, scores and serves.
    Run(GlobalOptions),
    /// Checks or prints the settings.
    Check(GlobalOptions, CheckOutput),
    /// Checks a table of numbers.
    Validate(ValidateArgs),
    /// Scores the rows of a table.
    Replay(ReplayArgs),
    /// Acts on alerts.
    Remediate(RemediateArgs),
    /// Computes metrics of scores.
    Evaluate(EvaluateArgs),
    /// Generates load on this machine and shows how it is detected.
    Demo(DemoArgs),
    /// Learns from a history, or searches settings for it.
    Train(TrainArgs),
    /// Writes a simulated machine to files.
    Simulate(SimulateArgs),
    /// Lists anomalies.
    Episodes(EpisodesArgs),
    /// Explains one anomaly, or the present state.
    Explain(ExplainArgs),
    /// Exports stored data as tables.
    Export(ExportArgs),
    /// Accepts the current anomalies of all subjects as normal.
    Accept(GlobalOptions),
    /// Rejects or confirms an episode.
    SetVerdict(VerdictArgs),
    /// Forgets a time range.
    Forget(ForgetArgs),
    /// Enables or pauses learning.
    Learn(LearningSwitchArgs),
    /// Starts or stops maintenance, or shows the windows.
    Maintenance(MaintenanceArgs),
    /// Shows the state of the running hostnorm.
    Status(StatusArgs),
    /// Checks the health of the running hostnorm.
    Health(GlobalOptions),
    /// Hashes a password for the web configuration file.
    HashPassword,
    /// Prints shell completions or a manual page.
    Print(String),
    /// Show the state of a running hostnorm in the terminal.
    Top(TopArgs),
    /// Answer an assistant on standard input and output.
    Mcp(GlobalOptions),
    /// Shows models, or selects one.
    Models(ModelsArgs),
}

/// The sources of settings on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GlobalOptions {
    /// The settings file.
    pub file: Option<PathBuf>,
    /// Settings given as flags, which override the file.
    pub flags: Vec<FlagValue>,
}

/// Parses a command line, the program's name first.
///
/// # Errors
/// If the process must end at once: after help or version, or with an invalid command line.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<CliCommand, CommandExit> {
    let (settings, args) = (settings(), args.into_iter().collect::<Vec<_>>());
    node_exporter_flags::refuse(&args)?;
    let matches = command(&settings).try_get_matches_from(args).map_err(refusal)?;
    let mut options = GlobalOptions::default();
    options.add(&matches, &settings);
    let Some((name, below)) = matches.subcommand() else { return Ok(CliCommand::Run(options)) };
    // Commands that do not monitor this host accept no settings before their name.
    if matches!(name, "completions" | "demo" | "evaluate" | "hash-password" | "man" | "simulate" | "validate")
    {
        options.none(name)?;
    }
    match name {
        "completions" => return completions::text(below, command(&settings)).map(CliCommand::Print),
        "man" => return man_pages::page(below, command(&settings)).map(CliCommand::Print),
        "demo" => return demo::options(below).map(CliCommand::Demo),
        "hash-password" => return Ok(CliCommand::HashPassword),
        "episodes" => return Ok(CliCommand::Episodes(episodes::options(below, options, &settings))),
        "explain" => return Ok(CliCommand::Explain(explain::options(below, options, &settings))),
        "export" => return Ok(CliCommand::Export(export::options(below, options, &settings))),
        "accept" => return Ok(CliCommand::Accept(accept::options(below, options, &settings))),
        "forget" => return forget::options(below, options, &settings).map(CliCommand::Forget),
        "models" => return Ok(CliCommand::Models(models::options(below, options, &settings))),
        "top" => return Ok(CliCommand::Top(top::options(below, options, &settings))),
        "mcp" => return Ok(CliCommand::Mcp(mcp::options(below, options, &settings))),
        "status" => return Ok(CliCommand::Status(status::options(below, options, &settings))),
        "learn" => return Ok(CliCommand::Learn(learn::options(below, options, &settings))),
        "reject" | "confirm" => {
            let verdict =
                if name == "reject" { OperatorVerdict::Rejected } else { OperatorVerdict::Confirmed };
            let judged = verdict::options(below, options, &settings, verdict);
            return judged
                .map(CliCommand::SetVerdict)
                .ok_or_else(|| CommandExit::usage("no episode is named"));
        }
        "maintenance" => return Ok(CliCommand::Maintenance(maintenance::options(below, options, &settings))),
        "evaluate" => return evaluate::options(below).map(CliCommand::Evaluate),
        "remediate" => return remediate::options(below, &options).map(CliCommand::Remediate),
        "replay" => return replay::options(below, options, &settings).map(CliCommand::Replay),
        "train" => return train::options(below, options, &settings).map(CliCommand::Train),
        "simulate" => return simulate::options(below).map(CliCommand::Simulate),
        "validate" => return Ok(CliCommand::Validate(validate::options(below))),
        _ => options.add(below, &settings),
    }
    Ok(match name {
        "check" => CliCommand::Check(options, check::print(below)),
        "health" => CliCommand::Health(options),
        _ => CliCommand::Run(options),
    })
}

/// The message of clap. What it refuses may be an address with a secret, or what a terminal would act on.
fn refusal(mut error: clap::Error) -> CommandExit {
    let mut hidden = Vec::new();
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        let Some(ContextValue::String(given)) = error.get(kind) else { continue };
        let shown = one_line(&address(given));
        if shown != *given {
            hidden.push((given.clone(), shown.clone()));
            error.insert(kind, ContextValue::String(shown));
        }
    }
    // The reason behind it may quote it, too.
    let text = error.render().to_string();
    let text = hidden.iter().fold(text, |text, (given, shown)| text.replace(given, shown));
    let text = without_credentials(text.trim_end());
    if error.use_stderr() { CommandExit::usage(text) } else { CommandExit::success(text) }
}

impl GlobalOptions {
    /// Merges the settings. If neither a flag nor the environment names a file, [`STANDARD_FILE`] is read if it
    /// exists, so that commands on a packaged host use the settings of the daemon.
    ///
    /// # Errors
    /// All problems of the settings.
    pub fn load(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<LoadedConfig, ConfigProblems> {
        let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
        let is_named = self.file.is_some() || environment.contains_key(OsStr::new(FILE_VARIABLE));
        let standard = Path::new(STANDARD_FILE);
        let standard = (!is_named && standard.is_file()).then_some(standard);
        LoadedConfig::new(self.file.as_deref().or(standard), environment, self.flags.clone())
    }

    /// Refuses settings before the name of a command that takes none, instead of ignoring them.
    fn none(&self, name: &str) -> Result<(), CommandExit> {
        let flag = match (&self.file, self.flags.first()) {
            (None, None) => return Ok(()),
            (Some(_), _) => "config.file",
            (None, Some(given)) => &given.flag,
        };
        Err(CommandExit::usage(format!("{name} does not use --{flag}; remove it")))
    }

    /// Adds the settings after the name of a command, which override those before it.
    fn add(&mut self, matches: &ArgMatches, settings: &[Setting]) {
        if let Some(file) = matches.get_one::<PathBuf>("config.file") {
            self.file = Some(file.clone());
        }
        self.flags.extend(node_exporter_flags::disabled(matches, settings));
        self.flags.extend(settings.iter().filter_map(|setting| given(matches, setting)));
    }
}

/// A flag with a default at the end of its help, like settings have it.
fn defaulted(name: &'static str, value: &'static str, default: &'static str, help: impl fmt::Display) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name(value)
        .default_value(default)
        .allow_negative_numbers(true)
        .hide_default_value(true)
        .help(format!("{help} [default: {default}]"))
}

/// The flag for the interval of a table's rows.
fn every() -> Arg {
    let span = |text: &str| match text.parse::<HumanDuration>() {
        Ok(span) if span == HumanDuration::default() => Err("it must be above 0".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    };
    Arg::new("every").long("every").value_name("DURATION").value_parser(span)
}

fn given(matches: &ArgMatches, setting: &Setting) -> Option<FlagValue> {
    let (key, flag) = (setting.key.to_string(), setting.flag());
    if setting.takes == SettingType::Bool {
        let no_flag = format!("no-{flag}");
        return match (matches.get_flag(&flag), matches.get_flag(&no_flag)) {
            (_, true) => Some(FlagValue { key, flag: no_flag, words: vec!["false".into()] }),
            (true, false) => Some(FlagValue { key, flag, words: vec!["true".into()] }),
            (false, false) => None,
        };
    }
    let words = matches.get_many::<String>(&flag)?.cloned().collect();
    Some(FlagValue { key, flag, words })
}

fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("hostnorm")
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .bin_name("hostnorm")
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .version(version::line().trim_start_matches("hostnorm ").to_owned())
        .after_help("Run hostnorm --help for all settings.")
        .after_long_help(
            "Settings can also be given in the environment and in the settings file; flags override both.\n\
             hostnorm check --print-defaults prints a settings file with all defaults.",
        )
        .arg(Arg::new("version").short('V').long("version").action(ArgAction::Version).help("Print version"))
        .args(shared(settings))
        .subcommand(
            clap::Command::new("run")
                .about("Monitor this host and serve metrics (the default)")
                .args(shared(settings)),
        )
        .subcommand(accept::command(settings))
        .subcommand(check::command(settings))
        .subcommand(completions::command())
        .subcommand(verdict::confirm(settings))
        .subcommand(demo::command())
        .subcommand(episodes::command(settings))
        .subcommand(explain::command(settings))
        .subcommand(evaluate::command())
        .subcommand(export::command(settings))
        .subcommand(forget::command(settings))
        .subcommand(hash_password::command())
        .subcommand(health::command(settings))
        .subcommand(learn::command(settings))
        .subcommand(maintenance::command(settings))
        .subcommand(man_pages::command())
        .subcommand(mcp::command(settings))
        .subcommand(models::command(settings))
        .subcommand(verdict::reject(settings))
        .subcommand(remediate::command())
        .subcommand(replay::command(settings))
        .subcommand(simulate::command())
        .subcommand(status::command(settings))
        .subcommand(top::command(settings))
        .subcommand(train::command(settings))
        .subcommand(validate::command())
}

/// Flags that may come before or after the name of a command. They are not clap's global ones: for a switch and its
/// opposite at two levels, clap could not tell which came last.
fn shared(settings: &[Setting]) -> impl Iterator<Item = Arg> {
    let file = Arg::new("config.file")
        .long("config.file")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help(format!("Settings file in YAML [default: {STANDARD_FILE}]"));
    let has_collectors = settings.iter().any(|it| it.section() == "collector");
    let none = has_collectors.then(node_exporter_flags::disable_defaults);
    std::iter::once(file).chain(settings.iter().flat_map(args)).chain(none)
}

/// The settings that `-h` shows; `--help` shows all.
const COMMON: [&str; 6] = ["interval", "warmup", "threshold", "budget", "web.listen_address", "storage.path"];

/// The flags of a setting; a switch has two.
fn args(setting: &Setting) -> Vec<Arg> {
    let flag = setting.flag();
    let default = config::default_of(setting);
    let is_common = COMMON.contains(&&*setting.key);
    let arg = |name: &str, help: &str, end: &str| {
        let arg = Arg::new(name.to_owned()).long(name.to_owned()).hide_short_help(!is_common);
        let arg = if is_common { arg } else { arg.help_heading(heading(setting.section())) };
        arg.help(format!("{}{end}", first_sentence(help))).long_help(format!("{help}{end}"))
    };
    if setting.takes == SettingType::Bool {
        let no_flag = format!("no-{flag}");
        let no_help = format!("Do not {}", lower_first(first_sentence(&setting.help)));
        let is_on = default == "true";
        let yes = arg(&flag, &setting.help, "").overrides_with(no_flag.clone()).hide(is_on);
        let no = arg(&no_flag, &no_help, "").overrides_with(flag).hide(!is_on);
        // Help shows the flag that changes the default.
        return [yes, no].map(|it| it.action(ArgAction::SetTrue)).into();
    }
    let words = match setting.takes {
        SettingType::OneOf(words) => format!(" [possible values: {}]", words.join(", ")),
        _ => String::new(),
    };
    let action = if matches!(setting.takes, SettingType::TextList | SettingType::Windows | SettingType::Logs)
    {
        ArgAction::Append
    } else {
        ArgAction::Set
    };
    // With negative numbers allowed, `-5` gets the message of the setting instead of that of an unknown flag.
    vec![
        arg(&flag, &setting.help, &format!("{words} [default: {default}]"))
            .action(action)
            .aliases(node_exporter_flags::aliases(&setting.key))
            .value_name(setting.takes.placeholder())
            .allow_negative_numbers(true),
    ]
}

/// The heading of the flags of a section.
fn heading(section: &str) -> String {
    match section {
        "" => "Detection".to_owned(),
        "path" => "Paths".to_owned(),
        "otlp" => "OTLP".to_owned(),
        "collector" => "Collectors, all enabled by default; --collector.NAME enables one again".to_owned(),
        section => format!("{}{}", section[..1].to_uppercase(), &section[1..]),
    }
}

fn first_sentence(help: &str) -> &str {
    help.split_once(". ").map_or(help, |(first, _)| first)
}
