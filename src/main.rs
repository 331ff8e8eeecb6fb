//! The program: prints what a command says and turns it into an exit code. Nothing else ends the process.

use std::io::Write;
use std::process::ExitCode;

use hostnorm::cli::{self, Command, Exit};
use hostnorm::commands::{check, demo, evaluate, replay, run, simulate, train, validate};

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()) {
        Err(exit) => exit,
        Ok(Command::Check(options, print)) => check::run(options, print, std::env::vars_os()),
        Ok(Command::Validate(options)) => validate::run(&options, &mut std::io::stdout().lock()),
        Ok(Command::Replay(options)) => {
            replay::run(&options, std::env::vars_os(), &mut std::io::stderr().lock())
        }
        Ok(Command::Evaluate(options)) => evaluate::run(&options),
        Ok(Command::Demo(options)) => demo::run(options),
        Ok(Command::Train(options)) => train::run(&options),
        Ok(Command::Simulate(options)) => simulate::run(options),
        Ok(Command::Run(options)) => run::run(options, std::env::vars_os()),
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
