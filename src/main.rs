//! The program: prints the output of a command and exits with its code. Nothing else ends the process.

use std::io::Write;
use std::process::ExitCode;

use hostnorm::cli::{self, CliCommand, CommandExit};
use hostnorm::commands::{
    accept, check, demo, episodes, evaluate, explain, export, forget, hash_password, health, learn,
    maintenance, mcp, models, remediate, replay, run, simulate, status, top, train, validate, verdict,
};
use hostnorm::{file_size_limit, open_files};

fn main() -> ExitCode {
    let command = cli::parse(std::env::args_os());
    // The daemon does so itself. Without free descriptors, the runtime panics.
    if !matches!(command, Ok(CliCommand::Run(_))) && open_files::check().is_ok() {
        file_size_limit::catch_signal();
    }
    let exit = match command {
        Err(exit) => exit,
        Ok(CliCommand::Check(options, print)) => check::run(&options, print, std::env::vars_os()),
        Ok(CliCommand::Validate(options)) => validate::run(&options, &mut std::io::stdout().lock()),
        Ok(CliCommand::Replay(options)) => {
            replay::run(&options, std::env::vars_os(), &mut std::io::stderr().lock())
        }
        Ok(CliCommand::Remediate(options)) => remediate::run(&options, std::env::vars_os()),
        Ok(CliCommand::Evaluate(options)) => evaluate::run(&options),
        Ok(CliCommand::Demo(options)) => demo::run(options),
        Ok(CliCommand::Train(options)) => train::run(&options, std::env::vars_os()),
        Ok(CliCommand::Simulate(options)) => simulate::run(options),
        Ok(CliCommand::Episodes(options)) => episodes::run(&options, std::env::vars_os()),
        Ok(CliCommand::Explain(options)) => explain::run(&options, std::env::vars_os()),
        Ok(CliCommand::Export(options)) => export::run(&options, std::env::vars_os()),
        Ok(CliCommand::Accept(options)) => accept::run(&options, std::env::vars_os()),
        Ok(CliCommand::SetVerdict(options)) => verdict::run(&options, std::env::vars_os()),
        Ok(CliCommand::Forget(options)) => forget::run(&options, std::env::vars_os()),
        Ok(CliCommand::Models(options)) => models::run(&options, std::env::vars_os()),
        Ok(CliCommand::Top(options)) => top::run(&options, std::env::vars_os()),
        Ok(CliCommand::Mcp(options)) => mcp::run(options, std::env::vars_os()),
        Ok(CliCommand::Status(options)) => status::run(&options, std::env::vars_os()),
        Ok(CliCommand::Learn(options)) => learn::run(&options, std::env::vars_os()),
        Ok(CliCommand::Maintenance(options)) => maintenance::run(&options, std::env::vars_os()),
        Ok(CliCommand::Health(options)) => health::run(&options, std::env::vars_os()),
        Ok(CliCommand::HashPassword) => hash_password::run(),
        Ok(CliCommand::Print(text)) => CommandExit::success(text),
        Ok(CliCommand::Run(options)) => run::run(options, std::env::vars_os()),
    };
    if !exit.text.is_empty() {
        let text = exit.text.trim_end();
        let written = match exit.code {
            CommandExit::SUCCESS => {
                writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush())
            }
            _ => writeln!(std::io::stderr(), "{text}"),
        };
        // A closed pipe is no error: its reader has enough. A full disk loses output.
        if let Err(error) = written
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            let _ = writeln!(
                std::io::stderr(),
                "error: standard output cannot be written: {}",
                file_size_limit::reason(&error)
            );
            return ExitCode::from(CommandExit::FAILURE);
        }
    }
    ExitCode::from(exit.code)
}
