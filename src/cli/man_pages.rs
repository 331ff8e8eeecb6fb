//! `hostnorm man`: manual pages, generated from the flags.

use std::io::{self, Write};

use clap::{Arg, ArgMatches};
use clap_mangen::Man;

use super::CommandExit;

pub(super) fn command() -> clap::Command {
    clap::Command::new("man")
        .about("Print a manual page; read it with: hostnorm man | man -l -")
        .arg(Arg::new("command").value_name("COMMAND").help("Command [default: hostnorm itself]"))
}

pub(super) fn page(matches: &ArgMatches, whole: clap::Command) -> Result<String, CommandExit> {
    // Revision and compiler are left out, so that equal sources give equal pages.
    let mut whole = whole.version(env!("CARGO_PKG_VERSION"));
    whole.build();
    let about = match matches.get_one::<String>("command") {
        None => whole,
        Some(name) => {
            let Some(command) = whole.find_subcommand(name) else {
                return Err(CommandExit::usage(format!(
                    "unknown command {name:?}; hostnorm -h lists all commands"
                )));
            };
            command.clone().name(format!("hostnorm-{name}")).version(env!("CARGO_PKG_VERSION"))
        }
    };
    let mut about = about.disable_help_subcommand(true);
    let usage = about.render_usage().to_string();
    render(&Man::new(about).manual("hostnorm"), usage.trim_start_matches("Usage: "))
        .map_err(|error| CommandExit::failure(error.to_string()))
}

/// A page with a synopsis as short as that of the help, because there are a hundred flags.
fn render(page: &Man, usage: &str) -> io::Result<String> {
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    writeln!(
        out,
        ".ad l\n.SH SYNOPSIS\n{}",
        usage.replace('\\', "\\\\").replace('-', "\\-").replace('\n', "\n.br\n")
    )?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    page.render_subcommands_section(&mut out)?;
    page.render_extra_section(&mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}
