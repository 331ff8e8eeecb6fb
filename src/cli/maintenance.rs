//! The command line of `hostnorm maintenance`.

use clap::{Arg, ArgAction, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;
use crate::duration::HumanDuration;
use crate::maintenance::{DEFAULT_NAME, duration_error, name_error};

/// Arguments of `maintenance`.
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceArgs {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// Whether to print JSON.
    pub json: bool,
    /// The subcommand.
    pub action: MaintenanceAction,
}

/// Subcommands of `maintenance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaintenanceAction {
    /// Starts maintenance.
    Start {
        /// Its name.
        name: String,
        /// How long it lasts.
        duration: HumanDuration,
    },
    /// Ends what was started.
    Stop,
    /// Shows the windows.
    Status,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    let sub = |name: &'static str, about: &'static str| {
        clap::Command::new(name).about(about).args(store_args::socket(settings))
    };
    let duration = |text: &str| {
        let duration = text.parse::<HumanDuration>().map_err(|it| it.to_string())?;
        duration_error(duration).map_or(Ok(duration), Err)
    };
    let name = |text: &str| name_error(text).map_or(Ok(text.to_owned()), Err);
    clap::Command::new("maintenance")
        .about("Start or stop maintenance: no learning, and anomalies start only at a score of 2")
        .long_about(
            "Start or stop maintenance, or show the windows. During maintenance, readings are scored and not learned, an \
             anomaly starts only at a score of 2, and its episode is marked. Maintenance continues after a restart. The \
             setting maintenance has recurring windows.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(
            sub("start", "Start maintenance. If hostnorm is not running, the maintenance begins when hostnorm starts")
                .arg(
                    Arg::new("for")
                        .long("for")
                        .value_name("DURATION")
                        .value_parser(duration)
                        .required(true)
                        .help("Length of the maintenance, such as 2h; at most 7d"),
                )
                .arg(
                    Arg::new("name")
                        .long("name")
                        .value_name("NAME")
                        .value_parser(name)
                        .default_value(DEFAULT_NAME)
                        .hide_default_value(true)
                        .help(format!("Name of the maintenance, in metrics and log [default: {DEFAULT_NAME}]")),
                ),
        )
        .subcommand(sub("stop", "End the maintenance that was started"))
        .subcommand(
            sub("status", "Show the windows of the running hostnorm, and which are active").arg(
                Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON instead of text"),
            ),
        )
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> MaintenanceArgs {
    let (verb, below) = matches.subcommand().unwrap_or(("status", matches));
    let action = match verb {
        "start" => MaintenanceAction::Start {
            name: below.get_one::<String>("name").cloned().unwrap_or_default(),
            duration: below.get_one::<HumanDuration>("for").copied().unwrap_or_default(),
        },
        "stop" => MaintenanceAction::Stop,
        _ => MaintenanceAction::Status,
    };
    let json = matches!(below.try_get_one::<bool>("json"), Ok(Some(true)));
    MaintenanceArgs { options: store_args::socket_options(below, options, settings), json, action }
}
