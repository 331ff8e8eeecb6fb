//! The command line of `hostnorm mcp`.

use clap::ArgMatches;

use super::{GlobalOptions, store_args};
use crate::config::Setting;

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("mcp")
        .about("Serve the Model Context Protocol (MCP) on standard input and output")
        .long_about(
            "Serve the Model Context Protocol (MCP) on standard input and output, for AI assistants that start their tools as \
             programs. The tools explain, status, episodes, signals and forecast ask the running hostnorm; without it, explain and \
             episodes read the store. The tools change nothing.\n\n\
             The running hostnorm serves the same tools over HTTP at /mcp.",
        )
        .args(store_args::socket(settings))
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> GlobalOptions {
    store_args::socket_options(matches, options, settings)
}
