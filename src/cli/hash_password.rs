//! The command line of `hostnorm hash-password`.

pub(super) fn command() -> clap::Command {
    clap::Command::new("hash-password").about("Hash a password for basic_auth_users of the web configuration file").long_about(
        "Hash a password for basic_auth_users of the web configuration file.\n\n\
         Asks for the password twice without showing it, or reads one line from standard input if that is not a terminal.",
    )
}
