//! The program: prints what a command says and turns it into an exit code. Nothing else ends the process.

use std::io::Write;
use std::process::ExitCode;

use hostnorm::cli::{self, Command, Exit, Options};
use hostnorm::commands::check;
use hostnorm::config::Loaded;
use hostnorm::telemetry;

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()) {
        Err(exit) => exit,
        Ok(Command::Check(options, print)) => check::run(options, print, std::env::vars_os()),
        Ok(Command::Run(options)) => run(options),
    };
    if !exit.text.is_empty() {
        let text = exit.text.trim_end();
        // A reader that went away is no reason to panic.
        let _ = match exit.code {
            Exit::SUCCESS => writeln!(std::io::stdout(), "{text}"),
            _ => writeln!(std::io::stderr(), "{text}"),
        };
    }
    ExitCode::from(exit.code)
}

fn run(options: Options) -> Exit {
    let loaded = Loaded::new(options.file.as_deref(), std::env::vars_os(), options.flags);
    let config = match loaded.and_then(Loaded::on_this_host) {
        Ok(loaded) => loaded.config,
        Err(problems) => return Exit::usage(problems.to_string()),
    };
    match telemetry::init(config.log) {
        Ok(()) => Exit::failure("hostnorm cannot run yet"),
        Err(error) => Exit::failure(error.to_string()),
    }
}
