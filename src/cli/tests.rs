//! Tests of the whole command line.

use super::*;

fn check(line: &str, expect: &str) {
    let args = std::iter::once("hostnorm").chain(line.split_whitespace()).map(OsString::from);
    let found = match parse(args) {
        Ok(CliCommand::Run(options)) => format!("run{}", shown(&options)),
        Ok(CliCommand::Check(options, print)) => format!("check {print:?}{}", shown(&options)),
        Ok(CliCommand::Replay(options)) => {
            format!("replay {}{}", options.input.display(), shown(&options.options))
        }
        Ok(other) => format!("{other:?}"),
        Err(exit) => format!("exit {} {}", exit.code, exit.text.lines().next().unwrap_or_default()),
    };
    assert_eq!(found, expect, "{line}");
}

fn shown(options: &GlobalOptions) -> String {
    let file = options.file.iter().map(|it| format!(" file={}", it.display()));
    let flags = options.flags.iter().map(|it| format!(" {}={}", it.key, it.words.join(",")));
    file.chain(flags).collect()
}

#[test]
fn the_tree_of_flags_is_sound() {
    command(&settings()).debug_assert();
}

#[test]
fn no_command_is_run() {
    check("", "run");
    check("run", "run");
    check("--interval 200ms --warmup=60s", "run interval=200ms warmup=60s");
    check("--config.file f.yaml run --interval 2s", "run file=f.yaml interval=2s");
}

#[test]
fn flags_of_node_exporter_are_accepted_or_refused_with_what_to_use() {
    check("--collector.filesystem.mount-points-exclude=^/x run", "run filesystem.mount_exclude=^/x");
    check("--collector.netdev.device-exclude=^veth", "run network.device_exclude=^veth");
    let refused = |flag: &str, instead: &str| {
        format!("exit 64 --{flag} is a flag of node_exporter that hostnorm does not have: {instead}")
    };
    check(
        "--web.max-requests=40",
        &refused("web.max-requests", "hostnorm accepts at most 16 connections per address; remove it"),
    );
    for (flag, instead) in [
        ("no-collector.hwmon", "use --no-collector.sensors"),
        ("collector.meminfo", "use --collector.memory"),
        ("no-collector.arp", "it has no such collector; remove it"),
        ("collector.hwmon.chip-include", "its collector sensors has no such option; remove it"),
        ("no-collector.cpu.info", "its collector cpu has no such option; remove it"),
        ("path.udev.data", "it reads nothing of udev; remove it"),
        (
            "collector.systemd.unit-include",
            "it has no such collector, but --collector.cgroup scores each service; remove it",
        ),
        (
            "collector.textfile.directory",
            "it exposes no files with metrics; keep node_exporter for them, and remove it here",
        ),
    ] {
        check(&format!("check --{flag}=x"), &refused(flag, instead));
    }
    check("--no-collector.cpuu", "exit 64 error: unexpected argument '--no-collector.cpuu' found");
    let collectors = crate::sources::SOURCES.len();
    let args = ["hostnorm", "--collector.disable-defaults", "--collector.cpu"].map(OsString::from);
    let Ok(CliCommand::Run(options)) = parse(args) else { panic!("it is refused") };
    assert_eq!(options.flags.len(), collectors + 1);
    let config = LoadedConfig::new(None, [], options.flags).unwrap().config;
    let enabled: Vec<_> =
        config.collector.iter().filter(|(_, is_on)| **is_on).map(|(name, _)| name.as_str()).collect();
    assert_eq!(enabled, ["cpu"]);
}

#[test]
fn settings_may_stand_before_or_behind_the_command() {
    check("check --config.file f.yaml", "check Verdict file=f.yaml");
    check("--window 3 check --print", "check Effective window=3");
    check("check --print-defaults", "check Defaults");
}

#[test]
fn a_table_is_validated() {
    check(
        "validate t.csv --every 5m --format json",
        "Validate(ValidateArgs { file: \"t.csv\", every: Some(HumanDuration { millis: 300000 }), format: Json })",
    );
    check("validate -", "Validate(ValidateArgs { file: \"-\", every: None, format: Text })");
    check("validate", "exit 64 error: the following required arguments were not provided:");
    check("--window 3 validate -", "exit 64 validate does not use --window; remove it");
    check(
        "validate - --every 5",
        "exit 64 error: invalid value '5' for '--every <DURATION>': has no unit; write ms, s, m, h, d, w or y after the number",
    );
    check(
        "validate - --every 0",
        "exit 64 error: invalid value '0' for '--every <DURATION>': it must be above 0",
    );
}

#[test]
fn a_table_is_replayed() {
    check(
        "--threshold 3 replay --input t.csv --threshold 4 --seed 2",
        "replay t.csv threshold=3 threshold=4 seed=2",
    );
    check("--window 3 replay --input t.csv", "exit 64 error: replay does not use --window; remove it");
}

#[test]
fn addresses_repeat_and_the_last_of_others_counts() {
    check("--web.listen-address :1 --web.listen-address [::1]:2", "run web.listen_address=:1,[::1]:2");
    check("--no-collector.cpu", "run collector.cpu=false");
    check("--no-collector.cpu --collector.cpu", "run collector.cpu=true");
    check("--collector.cpu --no-collector.cpu --no-metrics.raw", "run metrics.raw=false collector.cpu=false");
    check("--interval -5", "run interval=-5");
    check("--interval 1s run --interval 2s", "run interval=1s interval=2s");
    check("--no-collector.cpu run --collector.cpu", "run collector.cpu=false collector.cpu=true");
}

#[test]
fn wrong_lines_exit_with_64_and_help_with_0() {
    check("--intervall 1s", "exit 64 error: unexpected argument '--intervall' found");
    check(
        "--interval",
        "exit 64 error: a value is required for '--interval <DURATION>' but none was supplied",
    );
    check("--window 3 simulate --output d", "exit 64 simulate does not use --window; remove it");
    check("--config.file f demo", "exit 64 demo does not use --config.file; remove it");
    check("fly", "exit 64 error: unrecognized subcommand 'fly'");
    check("-h", &format!("exit 0 {}", env!("CARGO_PKG_DESCRIPTION")));
    check("--version", &format!("exit 0 {}", version::line()));
    check("-V", &format!("exit 0 {}", version::line()));
}

/// The structure of the printed flags, without their texts.
fn printed(line: &str) -> String {
    match parse(line.split_whitespace().map(OsString::from)) {
        Ok(CliCommand::Print(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn each_command_has_a_page_and_each_shell_its_completions() {
    let whole = command(&settings());
    for it in whole.get_subcommands() {
        let page = printed(&format!("hostnorm man {}", it.get_name()));
        let synopsis = format!(".SH SYNOPSIS\nhostnorm {}", it.get_name().replace('-', "\\-"));
        assert!(page.contains(&synopsis) && page.contains(".TH hostnorm-"), "{page}");
    }
    let page = printed("hostnorm man");
    assert!(page.contains(".SH SUBCOMMANDS") && page.contains("web.listen"), "{page}");
    for shell in ["bash", "zsh", "fish"] {
        let text = printed(&format!("hostnorm completions {shell}"));
        assert!(text.contains("web.listen-address") && text.contains("episodes"), "{shell}");
    }
    check("man nonsense", "exit 64 unknown command \"nonsense\"; hostnorm -h lists all commands");
    check("--window 3 man", "exit 64 man does not use --window; remove it");
    check(
        "health --web.listen-address :1",
        "Health(GlobalOptions { file: None, flags: [FlagValue { key: \"web.listen_address\", flag: \"web.listen-address\", words: 1 }] })",
    );
}

#[test]
fn short_help_fits_on_a_screen() {
    let mut whole = command(&settings()).term_width(100);
    whole.build();
    let fits = |text: String| assert!(text.lines().count() <= 44, "{text}");
    fits(whole.render_help().to_string());
    whole.get_subcommands_mut().for_each(|it| fits(it.render_help().to_string()));
}
