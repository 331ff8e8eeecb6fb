//! Commands that read a store, as users run them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hostnorm::drift::DriftSamples;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::metric::Metric;
use hostnorm::model_registry::ModelRegistry;
use hostnorm::reading::{MetricLabels, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{Assessment, Episode, EpisodeTransition, LearnedPoint, Report, ScoreDetails};
use hostnorm::sampler;
use hostnorm::signal::Signal;
use hostnorm::sources;
use hostnorm::store::{BaselineRow, FILE, StoreReader, StoreWrite, write_entries_offline};
use hostnorm::table::instant;
use hostnorm::training::{self, TrainingSet, TrainingSettings};
use hostnorm::window::Point;

const START: f64 = 1_795_255_200.123_456;

/// Exit code, standard output, standard error.
fn run(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let path = format!("--storage.path={}", directory.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    let output = command.env_clear().args(args).arg(path).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn metric(name: &str) -> &'static Metric {
    sources::metrics().find(|it| it.name == name).unwrap()
}

/// Values that are easily lost: many digits, tiny, huge, integer.
fn value(t: u32, device: u32) -> f64 {
    match (t + device) % 4 {
        0 => f64::from(t) / 3.0,
        1 => 5e-324 * f64::from(t + 1),
        2 => 1e300 / f64::from(t + 7),
        _ => f64::from(t * 1_000_003),
    }
}

/// Ten readings of two devices, a point and a score, and an episode.
fn filled(directory: &Path) {
    let mut store = crate::store::open(directory);
    let signals: Vec<_> = sources::signals(|_| true).take(2).collect();
    for t in 0..10 {
        let at = Timestamp(START + f64::from(t) * 1.1);
        let mut reading = Reading::new(at);
        for (idx, device) in ["eth0", "a \"b\",c"].into_iter().enumerate() {
            let series = metric("hostnorm_network_receive_bytes_total");
            reading.host().set_by(series, &MetricLabels::new([device]), value(t, idx as u32));
        }
        let point = Point { at, values: vec![0.25, 7.0], missing: vec![false, true] };
        let learned = LearnedPoint { point, signals: signals.clone(), in_episode: false, weight: 1.0 };
        let assessment = Assessment {
            details: Some(ScoreDetails { score: 0.5, instant_score: 1.0 / 3.0, ..ScoreDetails::default() }),
            point: (t == 9).then(|| Arc::new(learned)),
            episode: (t == 3).then_some(Episode { since: at, peak: 1.5, lasted: 0.0 }),
            transition: (t == 3).then_some(EpisodeTransition::Started),
            description: (t == 3).then(|| "Anomaly on host: no single signal stands out".into()),
            ..Assessment::default()
        };
        let assessments = [(Subject::Host, assessment)].into();
        store.append(&Report { reading: Arc::new(reading), assessments, ..Report::default() });
    }
    store.close();
}

#[test]
fn a_verdict_is_stored_without_a_daemon_and_listed() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let (_, listed, _) = run(directory.path(), &["episodes", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(listed[0]["circumstances"], serde_json::json!([]));
    let (code, out, err) = run(directory.path(), &["reject", id]);
    assert!(code == 0 && out.contains("effective at the next start"), "{code} {out} {err}");
    let (_, listed, _) = run(directory.path(), &["episodes", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[0]["verdict"], "rejected");
    let (_, out, _) = run(directory.path(), &["explain", id]);
    assert!(out.contains("verdict   rejected"), "{out}");
    let (code, _, err) = run(directory.path(), &["confirm", "2020-01-01T00:00:00Z"]);
    assert!(code == 1 && err.contains("no episode 2020-01-01T00:00:00Z in the store"), "{err}");
    let (code, _, err) = run(directory.path(), &["confirm", "yesterday"]);
    assert!(code == 64 && err.contains("hostnorm episodes"), "{code} {err}");
}

fn baseline(signal: &&'static Signal) -> BaselineRow {
    BaselineRow {
        subject: Subject::Host,
        signal: signal.name.into(),
        mean: 0.25,
        stddev: 0.1,
        min: 0.0,
        max: 0.5,
        points: 5_000.0,
        at: Timestamp(START),
        p95: 0.4,
        p99: 0.45,
    }
}

#[test]
fn a_new_host_starts_from_a_similar_one() {
    let [sister, own] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    filled(sister.path());
    let signals: Vec<_> = sources::host_signals(|_| true).collect();
    let rows = signals.iter().map(baseline).collect();
    write_entries_offline(sister.path(), &[StoreWrite::Baselines(rows)]).unwrap();
    let origin = format!("store:{}", sister.path().join(FILE).display());
    let (code, out, err) = run(own.path(), &["train", "--from", &origin]);
    let expect = format!("borrowed the statistics of {} signals and no model", signals.len());
    assert!(code == 0 && out.starts_with(&expect), "{code} {out} {err}");

    let blank =
        || (Engine::new(sources::signals(|_| true), &EngineSettings::default()), ModelRegistry::new(1.0));
    let (send, restored) = std::sync::mpsc::channel();
    let mut restore = sampler::restore(blank, Vec::new(), move |it| send.send(it).unwrap());
    restore(StoreReader::open(own.path()).as_ref()).unwrap();
    let mut engine = restored.recv().unwrap().unwrap().engine;
    let mut seen = Vec::new();
    for second in 0..40 {
        let mut reading = Reading::new(Timestamp(START + f64::from(second)));
        reading.host().set(metric("hostnorm_load1"), 1.0);
        let assessment = engine.step(reading).assessments.remove(&Subject::Host).unwrap();
        seen.push((assessment.ready, assessment.uses_kind_prior, assessment.details.is_some()));
    }
    assert_eq!(seen[0], (true, true, false));
    assert_eq!(seen[39], (true, true, true), "a score in the first window");

    // A host with points of its own needs no others.
    let (code, _, err) = run(sister.path(), &["train", "--from", &origin]);
    assert!(code == 1 && err.contains("has points of this host"), "{err}");
    let (code, _, err) = run(own.path(), &["train", "--from", "store:/nowhere"]);
    assert!(code == 1 && err.contains("cannot read the store of the other host"), "{err}");
}

/// Adds a model of a host with these signals, and a point of it, so that a store has both.
fn add_model(directory: &Path, signals: &[&'static Signal]) -> String {
    let at = Timestamp(START + 60.0);
    let mut store = crate::store::open(directory);
    let (values, missing) = (vec![0.25; signals.len()], vec![false; signals.len()]);
    let point = Some(Arc::new(LearnedPoint {
        point: Point { at, values, missing },
        signals: signals.to_vec(),
        in_episode: false,
        weight: 1.0,
    }));
    let assessments = [(Subject::Host, Assessment { point, ..Assessment::default() })].into();
    store.append(&Report { reading: Arc::new(Reading::new(at)), assessments, ..Report::default() });
    store.close();
    let set = crate::detection_forest::cloud(signals.len(), 600);
    let log = DriftSamples::new(signals.iter().map(|it| it.floor).collect());
    let model = training::train(&TrainingSet { log, ..set }, &TrainingSettings::default(), 1).unwrap();
    let mut registry = ModelRegistry::new(1.0);
    let id = registry.add(SubjectKind::Host, at, model).id.to_string();
    write_entries_offline(directory, &sampler::entries(&mut registry)).unwrap();
    id
}

#[test]
fn the_model_of_a_similar_host_is_used_and_what_is_borrowed_is_marked_for_a_day() {
    let [sister, own] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    filled(sister.path());
    let signals: Vec<_> = sources::host_signals(|_| true).collect();
    let id = add_model(sister.path(), &signals);
    write_entries_offline(sister.path(), &[StoreWrite::Baselines(signals.iter().map(baseline).collect())])
        .unwrap();
    let origin = format!("store:{}", sister.path().join(FILE).display());
    let (code, out, err) = run(own.path(), &["train", "--from", &origin]);
    assert!(
        code == 0 && out.contains(" signals and its model; used from the next start"),
        "{code} {out} {err}"
    );

    let settings = EngineSettings { interval: 60.0, window: 1, ..EngineSettings::default() };
    let blank = move || (Engine::new(sources::signals(|_| true), &settings), ModelRegistry::new(1.0));
    let (send, restored) = std::sync::mpsc::channel();
    let mut restore = sampler::restore(blank, Vec::new(), move |it| send.send(it).unwrap());
    restore(StoreReader::open(own.path()).as_ref()).unwrap();
    let restored = restored.recv().unwrap().unwrap();
    assert_eq!(restored.registry.current(SubjectKind::Host).unwrap().id.to_string(), id);
    let mut engine = restored.engine;
    let (mut forest, mut marked) = (Vec::new(), Vec::new());
    for minute in 0..1_500 {
        let mut reading = Reading::new(Timestamp(START + 3_600.0 + 60.0 * f64::from(minute)));
        reading.host().set(metric("hostnorm_load1"), 1.0 + 0.01 * f64::from(minute % 7));
        let assessment = engine.step(reading).assessments.remove(&Subject::Host).unwrap();
        marked.push(assessment.uses_kind_prior);
        forest.push(assessment.details.and_then(|it| it.detectors.forest));
    }
    let first = forest.iter().position(Option::is_some);
    // Rates are known from the second reading on, with which the first window is complete.
    assert_eq!(first, Some(1), "the borrowed model scores the first window");
    let hours = marked.iter().filter(|it| **it).count() as f64 / 60.0;
    assert!(marked[0] && !marked[1_499] && (23.9..=24.1).contains(&hours), "{hours}");

    // With other signals, a model is of no use.
    let [sister, own] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    filled(sister.path());
    add_model(sister.path(), &signals[1..]);
    write_entries_offline(sister.path(), &[StoreWrite::Baselines(signals.iter().map(baseline).collect())])
        .unwrap();
    let origin = format!("store:{}", sister.path().join(FILE).display());
    let (code, out, err) = run(own.path(), &["train", "--from", &origin]);
    assert!(
        code == 0 && out.contains("no model, because it has none of the same signals"),
        "{code} {out} {err}"
    );
}

#[test]
fn exported_readings_equal_the_stored_ones() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let (code, out, err) = run(directory.path(), &["export", "readings", "--format", "parquet-csv"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("timestamp,kind,subject,metric,labels,value"));
    let mut found = BTreeMap::new();
    for line in lines {
        let (at, rest) = line.split_once(',').unwrap();
        let (rest, value) = rest.rsplit_once(',').unwrap();
        let device = u32::from(rest.contains("a \\\"\"b"));
        assert!(
            rest.starts_with("host,host,hostnorm_network_receive_bytes_total,\"{\"\"device\"\":"),
            "{line}"
        );
        found.insert(
            (instant(at.as_bytes()).unwrap().0.to_bits(), device),
            value.parse::<f64>().unwrap().to_bits(),
        );
    }
    let expect = (0..10).flat_map(|t| [0, 1].map(|device| (t, device)));
    let expect = expect
        .map(|(t, device)| (((START + f64::from(t) * 1.1).to_bits(), device), value(t, device).to_bits()));
    assert_eq!(found, expect.collect());
    let (code, out, _) = run(directory.path(), &["export", "readings"]);
    assert_eq!((code, out.lines().count()), (0, 11));
    let header = "timestamp,\"hostnorm_network_receive_bytes_total{device=\"\"eth0\"\"}\",";
    assert!(out.starts_with(header), "{out}");
    let (code, out, _) = run(directory.path(), &["export", "readings", "--to", "2026-11-21T10:00:05Z"]);
    assert_eq!((code, out.lines().count()), (0, 6));
}

#[test]
fn points_and_scores_are_tables() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let signals: Vec<_> = sources::signals(|_| true).take(2).map(|it| it.name).collect();
    let check = |args: &[&str], expect: &str| {
        let output = directory.path().join("out.csv");
        let all = [&["export"], args, &["-o", output.to_str().unwrap()]].concat();
        assert_eq!(run(directory.path(), &all), (0, String::new(), String::new()));
        assert_eq!(std::fs::read_to_string(output).unwrap(), expect);
    };
    let at = "2026-11-21T10:00:10.023456097Z";
    check(&["points"], &format!("timestamp,{},{}\n{at},0.25,\n", signals[0], signals[1]));
    check(
        &["points", "--format", "parquet-csv"],
        &format!(
            "timestamp,kind,subject,signal,value,in_episode,weight\n{at},host,host,{},0.25,false,1\n",
            signals[0]
        ),
    );
    let third = "0.3333333333333333";
    check(
        &["scores"],
        &format!("timestamp,score,instant_score,is_anomaly,confidence\n{at},{third},{third},0,\n"),
    );
    check(
        &["scores", "--format", "parquet-csv", "--subject", "host"],
        &format!(
            "timestamp,kind,subject,score,instant_score,is_anomaly,confidence\n{at},host,host,{third},{third},false,\n"
        ),
    );
}

#[test]
fn episodes_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let (code, out, _) = run(directory.path(), &["episodes"]);
    assert_eq!(code, 0);
    assert!(out.contains("2026-11-21T10:00:03Z"), "{out}");
    assert!(out.contains("Anomaly on host: no single signal stands out"), "{out}");
    let (_, out, _) = run(directory.path(), &["episodes", "--json", "--from=2026-11-21"]);
    let episodes: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&episodes[0]["id"], &episodes[0]["outcome"]),
        (&"2026-11-21T10:00:03Z".into(), &"interrupted".into())
    );
    let (code, out, _) = run(directory.path(), &["episodes", "--to", "2026-11-20"]);
    assert_eq!((code, out.as_str()), (0, "no anomalies stored in this range\n"));
}

/// The clock was set back by an hour during an episode of 80 s.
#[test]
fn an_episode_lasted_as_long_as_its_readings_say() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = crate::store::open(directory.path());
    let episode = |lasted: f64| Episode { since: Timestamp(START), peak: 1.5, lasted };
    for (at, open, transition) in [
        (START, Some(episode(0.0)), EpisodeTransition::Started),
        (START - 3_520.0, None, EpisodeTransition::Ended(episode(80.0))),
    ] {
        let assessment = Assessment {
            episode: open,
            transition: Some(transition),
            description: Some("Anomaly on host: CPU usage 97 %".into()),
            ..Assessment::default()
        };
        let reading = Arc::new(Reading::new(Timestamp(at)));
        let assessments = [(Subject::Host, assessment)].into();
        store.append(&Report { reading, assessments, ..Report::default() });
    }
    store.close();
    let id = "2026-11-21T10:00:00Z";
    let (_, out, _) = run(directory.path(), &["episodes"]);
    assert!(out.contains("1m20s  ended"), "{out}");
    let (_, out, err) = run(directory.path(), &["explain", id]);
    assert!(out.contains("\nlasted    1m20s, ended\n"), "{out}{err}");
    let (_, out, _) = run(directory.path(), &["episodes", "--json"]);
    let episodes: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(episodes[0]["lasted"], 80.0);
    // Only the clock is left to tell it.
    let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute("UPDATE episodes SET lasted = NULL", []).unwrap();
    drop(connection);
    let (_, out, _) = run(directory.path(), &["episodes"]);
    assert!(out.contains("unknown  ended"), "{out}");
    let (_, out, err) = run(directory.path(), &["explain", id]);
    let says = "\nlasted    for an unknown time, because the clock was set back, ended\n";
    assert!(out.contains(says), "{out}{err}");
}

#[test]
fn without_a_daemon_commands_change_the_store_or_explain_why_not() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("hostnorm.sock");
    let check = |args: &[&str], code: i32, expect: &[&str]| {
        let (found, out, err) = run(directory.path(), args);
        let output_text = out + &err;
        let missing: Vec<_> = expect.iter().filter(|it| !output_text.contains(**it)).collect();
        assert!(found == code && missing.is_empty(), "{args:?}: {found} {output_text:?}, not {missing:?}");
    };
    let tried = socket.display().to_string();
    let nobody = format!("no hostnorm listens on {tried}");
    check(&["learn", "off"], 1, &[&nobody, "no store in"]);
    filled(directory.path());
    for args in [&["accept"][..], &["status"], &["train", "--now"]] {
        check(args, 1, &[&nobody]);
    }
    check(&["explain"], 0, &[&nobody, "from the store", "Nothing is known of host"]);
    let done = "hostnorm is not running; done in the store";
    check(&["learn", "off"], 0, &[done]);
    check(&["forget", "--from=-2h", "--to=-1h"], 0, &[done]);
    for args in [&["forget"][..], &["episodes"], &["export", "points"]] {
        check(&[args, &["--from=-1h", "--to=-2h"]].concat(), 64, &["--from is after --to"]);
        check(&[args, &["--from=20261201", "--to=now"]].concat(), 64, &["write 2026-12-01"]);
    }
    check(&["forget", "--from=2999-01-01", "--to=3000-01-01"], 64, &["--from is in the future"]);
    check(&["export", "points", "--subject=nope"], 1, &["no subject \"nope\" in the store; it has host"]);
    check(&["maintenance", "stop"], 1, &[&nobody, "no maintenance was started"]);
    check(&["maintenance", "start", "--for=2h"], 0, &[done]);
    check(&["maintenance", "stop"], 0, &[done]);
    check(&["models", "promote", "none"], 1, &[&nobody, "no model none"]);
    check(&["models", "rollback"], 1, &[&nobody, "no previous model to roll back to"]);
    let reader = StoreReader::open(directory.path()).unwrap();
    assert!(!reader.is_learning().unwrap());
    assert_eq!(reader.markers("forget").unwrap().len(), 1);
    let writer = crate::store::open(directory.path());
    check(&["learn", "on"], 1, &[&nobody, "another hostnorm uses this store"]);
    writer.close();
    check(&["learn", "on", "--web.control-socket=off"], 0, &[done]);
    for args in [&["accept", "--web.control-socket=off"], &["status", "--web.control-socket=off"]] {
        check(args, 64, &["no control socket in these settings"]);
    }
}

#[test]
fn an_export_overwrites_nothing_that_is_read() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let database = std::fs::read(directory.path().join(FILE)).unwrap();
    let at = |name: &str| format!("--output={}", directory.path().join(name).display());
    for name in [FILE, "hostnorm.db-wal", "hostnorm.lock", "../hostnorm.db"] {
        let (code, _, err) = run(directory.path(), &["export", "points", &at(name)]);
        let is_store = !name.starts_with("..");
        assert_eq!(
            code == 64 && err.contains("would overwrite a file of the store"),
            is_store,
            "{name}: {err}"
        );
    }
    std::fs::remove_file(directory.path().join("../hostnorm.db")).unwrap();
    assert!(std::fs::read(directory.path().join(FILE)).unwrap() == database);
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn a_store_that_cannot_be_read_is_named_with_a_remedy() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("store");
    std::fs::create_dir(&directory).unwrap();
    filled(&directory);
    let file = directory.join(FILE);
    let intact = std::fs::read(&file).unwrap();
    let commands =
        [&["episodes"][..], &["export", "points"], &["explain", "2026-11-21T10:00:00Z"], &["models", "list"]];
    let check = |directory: &Path, says: &str| {
        for args in commands {
            let (code, _, err) = run(directory, args);
            let is_named = err.contains(&directory.file_name().unwrap().display().to_string());
            assert!(code == 1 && err.contains(says) && is_named, "{args:?}: {code} {err}");
        }
    };
    std::fs::write(&file, "x".repeat(8_192)).unwrap();
    check(&directory, "hostnorm.db: file is not a database; start hostnorm, which sets it aside");
    std::fs::write(&file, [&intact[..100], &vec![0xff; intact.len() - 100]].concat()).unwrap();
    check(&directory, "start hostnorm, which sets it aside");
    std::fs::write(&file, &intact).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;").unwrap();
    let (code, _, err) = run(&directory, &["episodes"]);
    assert!(
        code == 1 && err.contains("hostnorm.db: another process has locked it; end that"),
        "{code} {err}"
    );
    drop(other);
    let plain = parent.path().join("afile");
    std::fs::write(&plain, "").unwrap();
    check(&plain, "afile is not a directory; set another --storage.path");
    let (code, _, err) = run(&plain, &["learn", "off"]);
    assert!(code == 1 && err.contains("afile is not a directory"), "{code} {err}");
}

#[test]
fn without_a_store_the_error_says_what_to_do() {
    let output = Command::new(env!("CARGO_BIN_EXE_hostnorm")).env_clear().arg("episodes").output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let output_text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output_text, "no directory for the store; set --storage.path\n");
    for command in ["accept", "status", "episodes", "learn on"] {
        let mut hostnorm = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        let output =
            hostnorm.env_clear().args(command.split(' ')).arg("--storage.path=off").output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{command}: {output:?}");
    }
}
