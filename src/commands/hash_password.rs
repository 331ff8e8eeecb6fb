//! `hostnorm hash-password`: hashes a password for the web configuration file.

use std::io::{self, BufRead, IsTerminal};

use crate::cli::CommandExit;
use crate::http;

/// Longest line that is read: more than any password that bcrypt takes.
const LINE_BYTES_MAX: u64 = 4096;

/// Prints the hash of a password that is asked for twice, or read from a pipe; exit code 0, or 1 if there is no hash.
pub fn run() -> CommandExit {
    let password = match io::stdin().is_terminal() {
        true => ask(),
        false => first_line(io::stdin().lock()),
    };
    let hash = password.and_then(|it| http::hash_password(&it).map_err(str::to_owned));
    match hash {
        Ok(hash) => CommandExit::success(hash),
        Err(reason) => CommandExit::failure(format!("cannot hash the password: {reason}")),
    }
}

fn ask() -> Result<String, String> {
    let prompt = |text: &str| rpassword::prompt_password(text).map_err(|error| error.to_string());
    let password = prompt("Password: ")?;
    match prompt("Repeat the password: ")? == password {
        true => Ok(password),
        false => Err("the two passwords differ; try again".into()),
    }
}

/// The first line, without the end of the line.
fn first_line(from: impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    from.take(LINE_BYTES_MAX)
        .read_line(&mut line)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_read() {
        let check = |text: &str, expect: &str| assert_eq!(first_line(text.as_bytes()).unwrap(), expect);
        check("secret\nmore\n", "secret");
        check("secret\r\n", "secret");
        check(" with spaces ", " with spaces ");
        check("", "");
        assert!(first_line(&b"\xff\n"[..]).is_err());
    }
}
