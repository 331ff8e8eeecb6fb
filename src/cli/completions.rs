//! `hostnorm completions`: shell completions, generated from the flags.

use clap::{Arg, ArgMatches};
use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use super::CommandExit;

pub(super) fn command() -> clap::Command {
    clap::Command::new("completions")
        .about("Print completions for bash, zsh or fish")
        .after_help(
            "For bash: hostnorm completions bash > ~/.local/share/bash-completion/completions/hostnorm",
        )
        .arg(
            Arg::new("shell")
                .value_name("bash|zsh|fish")
                .required(true)
                .value_parser(["bash", "zsh", "fish"])
                .hide_possible_values(true)
                .help("Shell"),
        )
}

pub(super) fn text(matches: &ArgMatches, mut whole: clap::Command) -> Result<String, CommandExit> {
    const NAME: &str = "hostnorm";
    let mut out = Vec::new();
    match matches.get_one::<String>("shell").map(String::as_str) {
        Some("zsh") => generate(Zsh, &mut whole, NAME, &mut out),
        Some("fish") => generate(Fish, &mut whole, NAME, &mut out),
        _ => generate(Bash, &mut whole, NAME, &mut out),
    }
    String::from_utf8(out).map_err(|error| CommandExit::failure(error.to_string()))
}
