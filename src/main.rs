//! The program: prints the output of a command and exits with its code. Nothing else ends the process.

use std::io::Write;
use std::process::ExitCode;

use hostnorm::cli::{self, Command, Exit};
use hostnorm::commands::{
    accept, check, demo, episodes, evaluate, explain, export, forget, hash_password, health, learn,
    maintenance, mcp, models, remediate, replay, run, simulate, status, top, train, validate, verdict,
};

fn main() -> ExitCode {
    let exit = match cli::parse(std::env::args_os()) {
        Err(exit) => exit,
        Ok(Command::Check(options, print)) => check::run(&options, print, std::env::vars_os()),
        Ok(Command::Validate(options)) => validate::run(&options, &mut std::io::stdout().lock()),
        Ok(Command::Replay(options)) => {
            replay::run(&options, std::env::vars_os(), &mut std::io::stderr().lock())
        }
        Ok(Command::Remediate(options)) => remediate::run(&options, std::env::vars_os()),
        Ok(Command::Evaluate(options)) => evaluate::run(&options),
        Ok(Command::Demo(options)) => demo::run(options),
        Ok(Command::Train(options)) => train::run(&options, std::env::vars_os()),
        Ok(Command::Simulate(options)) => simulate::run(options),
        Ok(Command::Episodes(options)) => episodes::run(&options, std::env::vars_os()),
        Ok(Command::Explain(options)) => explain::run(&options, std::env::vars_os()),
        Ok(Command::Export(options)) => export::run(&options, std::env::vars_os()),
        Ok(Command::Accept(options)) => accept::run(&options, std::env::vars_os()),
        Ok(Command::Judge(options)) => verdict::run(&options, std::env::vars_os()),
        Ok(Command::Forget(options)) => forget::run(&options, std::env::vars_os()),
        Ok(Command::Models(options)) => models::run(&options, std::env::vars_os()),
        Ok(Command::Top(options)) => top::run(&options, std::env::vars_os()),
        Ok(Command::Mcp(options)) => mcp::run(options, std::env::vars_os()),
        Ok(Command::Status(options)) => status::run(&options, std::env::vars_os()),
        Ok(Command::Learn(options)) => learn::run(&options, std::env::vars_os()),
        Ok(Command::Maintenance(options)) => maintenance::run(&options, std::env::vars_os()),
        Ok(Command::Health(options)) => health::run(&options, std::env::vars_os()),
        Ok(Command::HashPassword) => hash_password::run(),
        Ok(Command::Print(text)) => Exit::success(text),
        Ok(Command::Run(options)) => run::run(options, std::env::vars_os()),
    };
    if !exit.text.is_empty() {
        let text = exit.text.trim_end();
        let written = match exit.code {
            Exit::SUCCESS => writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush()),
            _ => writeln!(std::io::stderr(), "{text}"),
        };
        // A closed pipe is no error: its reader has enough. A full disk loses output.
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            let _ = writeln!(std::io::stderr(), "error: standard output cannot be written: {error}");
            return ExitCode::from(Exit::FAILURE);
        }
    }
    ExitCode::from(exit.code)
}
