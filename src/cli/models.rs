//! The command line of `hostnorm models`.

use clap::{Arg, ArgAction, ArgMatches};

use super::{GlobalOptions, store_args};
use crate::config::Setting;

/// Arguments of `models`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelsArgs {
    /// Settings, for store and daemon.
    pub options: GlobalOptions,
    /// Whether to print JSON.
    pub json: bool,
    /// The subcommand.
    pub action: ModelsAction,
}

/// Subcommands of `models`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelsAction {
    /// Lists all models.
    List,
    /// Shows one model; the current one by default.
    Show(Option<String>),
    /// Compares two models, including their scores of the stored points.
    Compare(String, Option<String>),
    /// Makes a model current.
    Promote(String),
    /// Makes the previous model current.
    Rollback,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    let id = |name: &'static str| Arg::new(name).value_name("MODEL");
    let json =
        || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON instead of a table");
    let sub = |name: &'static str, about: &'static str| {
        clap::Command::new(name).about(about).args(store_args::place(settings))
    };
    clap::Command::new("models")
        .about("List, compare, promote or roll back models")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(sub("list", "List the stored models: state, training time and training data").arg(json()))
        .subcommand(
            sub("show", "Show the evaluation of a model")
                .arg(id("model").help("Identifier of the model [default: the current one]"))
                .arg(json()),
        )
        .subcommand(
            sub("compare", "Compare the evaluations of two models and their scores of the stored points")
                .arg(id("model").required(true).help("Identifier of the first model"))
                .arg(id("other").help("Identifier of the second model [default: the current one]"))
                .arg(json()),
        )
        .subcommand(
            clap::Command::new("promote")
                .about("Make this model the current one")
                .args(store_args::socket(settings))
                .arg(id("model").required(true).help("Identifier of the model")),
        )
        .subcommand(
            clap::Command::new("rollback")
                .about("Make the previous model the current one again")
                .args(store_args::socket(settings)),
        )
}

pub(super) fn options(matches: &ArgMatches, mut options: GlobalOptions, settings: &[Setting]) -> ModelsArgs {
    let (name, below) = matches.subcommand().unwrap_or(("list", matches));
    options = match name {
        "promote" | "rollback" => store_args::socket_options(below, options, settings),
        _ => store_args::options(below, options, settings),
    };
    let text = |name: &str| below.get_one::<String>(name).cloned();
    let model = || text("model").unwrap_or_default();
    let action = match name {
        "show" => ModelsAction::Show(text("model")),
        "compare" => ModelsAction::Compare(model(), text("other")),
        "promote" => ModelsAction::Promote(model()),
        "rollback" => ModelsAction::Rollback,
        _ => ModelsAction::List,
    };
    // Subcommands of the daemon have no such flag.
    let json = matches!(below.try_get_one::<bool>("json"), Ok(Some(true)));
    ModelsArgs { options, json, action }
}
