use std::sync::LazyLock;

use super::*;
use crate::detect::forest::FeatureRows;
use crate::detect::seeded_rng::SeededRng;
use crate::drift::DriftSamples;
use crate::training::{TrainedModel, TrainingSet, TrainingSettings};

static MODEL: LazyLock<TrainedModel> = LazyLock::new(|| {
    let (mut random, mut rows, mut row) = (SeededRng::new(2), FeatureRows::new(9), vec![0.0; 9]);
    for _ in 0..120 {
        random.fill_normal(&mut row);
        rows.push(&row);
    }
    let span = Some([Timestamp(0.0), Timestamp(7_200.0)]);
    let set =
        TrainingSet { rows, noise: vec![0.0; 9], starts: Vec::new(), log: DriftSamples::default(), span };
    training::train(&set, &TrainingSettings { trees: 20, sample_size: 32 }, 1).unwrap()
});

const HOST: SubjectKind = SubjectKind::Host;

/// A registry with models trained a day apart, with these AUCs.
fn registry(aucs: &[f64]) -> ModelRegistry {
    let mut registry = ModelRegistry::new(3_600.0);
    for (day, auc) in aucs.iter().enumerate() {
        add(&mut registry, day, *auc);
    }
    registry
}

fn add(registry: &mut ModelRegistry, day: usize, auc: f64) {
    let mut model = MODEL.clone();
    model.evaluation.auc = auc;
    registry.add(HOST, Timestamp(day as f64 * 86_400.0), model);
}

fn tally(seconds: f64, above: f64, above_current: f64) -> ShadowTally {
    ShadowTally { seconds, readings: seconds, above, above_current }
}

fn stages(registry: &ModelRegistry) -> String {
    registry.versions().map(|it| it.stage.name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_judges_at_once_and_the_next_is_a_shadow() {
    let mut registry = registry(&[0.9]);
    assert_eq!(stages(&registry), "current");
    add(&mut registry, 1, 0.9);
    assert_eq!(stages(&registry), "current shadow");
    add(&mut registry, 2, 0.9);
    assert_eq!(stages(&registry), "current retired shadow");
    assert_eq!(registry.review(HOST, &tally(3_599.0, 0.0, 0.0)), None);
    let outcome = registry.review(HOST, &tally(3_600.0, 0.0, 0.0));
    assert_eq!(outcome, Some(ShadowOutcome::Promoted(VersionId::read("19700103T000000Z").unwrap())));
    assert_eq!(stages(&registry), "retired retired current");
    assert_eq!(registry.review(HOST, &tally(3_600.0, 0.0, 0.0)), None);
}

#[test]
fn a_shadow_that_is_worse_is_refused() {
    let check = |auc: f64, tally: ShadowTally, expect: Option<&str>| {
        let mut registry = registry(&[0.9, auc]);
        let why = match registry.review(HOST, &tally) {
            Some(ShadowOutcome::Refused { why, .. }) => Some(why),
            _ => None,
        };
        assert_eq!(why.as_deref(), expect);
        assert_eq!(stages(&registry), if expect.is_some() { "current refused" } else { "retired current" });
    };
    let hour = |above, current| tally(3_600.0, above, current);
    check(0.86, hour(0.0, 0.0), None);
    check(0.9, hour(30.0, 0.0), None);
    check(0.9, hour(500.0, 490.0), None);
    check(0.7, hour(0.0, 0.0), Some("its AUC on injected faults is 0.700, that of the current model 0.900"));
    check(
        0.95,
        hour(72.0, 18.0),
        Some("with it, 2.0 % of the readings are unusual, with the current model 0.5 %"),
    );
}

#[test]
fn the_current_models_history_limits_the_shadow_time() {
    let mut registry = registry(&[0.9, 0.9]);
    let current = registry.versions.get_mut(&HOST).unwrap().first_mut().unwrap();
    current.model.evaluation.to = Some(Timestamp(600.0));
    assert_eq!(registry.review(HOST, &tally(599.0, 0.0, 0.0)), None);
    assert!(registry.review(HOST, &tally(600.0, 0.0, 0.0)).is_some());
}

#[test]
fn there_is_a_way_back_and_forth() {
    let mut registry = registry(&[0.9, 0.9]);
    assert_eq!(registry.before(HOST).unwrap_err(), SelectVersionError::NoneBefore);
    registry.promote("19700102T000000Z").unwrap();
    assert_eq!(stages(&registry), "retired current");
    let before = registry.before(HOST).unwrap();
    assert_eq!(before.as_str(), "19700101T000000Z");
    registry.promote(before.as_str()).unwrap();
    assert_eq!(stages(&registry), "current retired");
    assert_eq!(registry.before(HOST).unwrap_err(), SelectVersionError::NoneBefore, "it is not forth");
    assert!(matches!(registry.promote("19700101T000000Z"), Err(SelectVersionError::Current(_))));
    let error = registry.promote("x").unwrap_err().to_string();
    assert_eq!(error, "no model x; `hostnorm models list` lists all");
}

#[test]
fn five_are_kept_and_what_changes_is_written_down() {
    let mut registry = registry(&[0.9]);
    registry.take_changes();
    for day in 1..9 {
        add(&mut registry, day, 0.9);
        assert!(registry.versions().count() <= MODELS_MAX);
    }
    assert_eq!(stages(&registry), "current retired retired retired shadow");
    let said: Vec<String> = registry
        .take_changes()
        .iter()
        .rev()
        .take(3)
        .map(|it| match it {
            RegistryChange::New(record) => format!("new {}", record.id),
            RegistryChange::Stage(id, stage) => format!("{id} {stage}"),
            RegistryChange::Gone(id) => format!("gone {id}"),
        })
        .collect();
    assert_eq!(said, ["gone 19700105T000000Z", "new 19700109T000000Z", "19700108T000000Z retired"]);
    assert!(registry.take_changes().is_empty());
}

#[test]
fn inactive_models_are_records_until_activated() {
    let mut registry = ModelRegistry::new(3_600.0).drop_models(true);
    let id = |day: usize| format!("197001{:02}T000000Z", day + 1);
    (0..5).for_each(|day| add(&mut registry, day, 0.9));
    assert_eq!(stages(&registry), "current shadow");
    let kept: Vec<bool> = (0..5).map(|day| registry.is_inactive(&id(day))).collect();
    assert_eq!(kept, [false, true, true, true, false]);
    let records: Vec<VersionRecord> = registry
        .take_changes()
        .into_iter()
        .filter_map(|it| if let RegistryChange::New(record) = it { Some(record) } else { None })
        .collect();
    assert_eq!(registry.promote(&id(2)).unwrap_err(), SelectVersionError::Unknown(id(2)));
    let version = |day: usize| ModelVersion::from_record(&records[day]).unwrap();
    assert!(registry.activate(version(2)) && !registry.activate(version(2)), "it wakes once");
    registry.promote(&id(2)).unwrap();
    assert_eq!(stages(&registry), "current shadow");
    assert!(registry.is_inactive(&id(0)) && !registry.is_inactive(&id(2)));
    assert_eq!(registry.before(HOST).unwrap().as_str(), id(1));
    // A restart restores the same.
    let mut restored = ModelRegistry::new(3_600.0).drop_models(true);
    for (day, state) in ["retired", "retired", "current", "retired", "shadow"].into_iter().enumerate() {
        restored.restore(
            ModelVersion::from_record(&VersionRecord { state: state.into(), ..records[day].clone() })
                .unwrap(),
        );
    }
    assert_eq!(
        (stages(&restored), restored.before(HOST).unwrap()),
        (stages(&registry), registry.before(HOST).unwrap())
    );
    // A sixth exceeds the maximum: the oldest inactive one is removed.
    add(&mut registry, 5, 0.9);
    assert!(
        matches!(registry.take_changes().last(), Some(RegistryChange::Gone(gone)) if gone.as_str() == id(0))
    );
    assert!(!registry.is_inactive(&id(0)) && !registry.activate(version(0)));
}

#[test]
fn a_row_restores_a_version_or_has_an_error() {
    let mut registry = registry(&[0.9, 0.8]);
    let records: Vec<VersionRecord> = registry.versions().map(ModelVersion::record).collect();
    let mut restored = ModelRegistry::new(3_600.0);
    // In any order, and twice.
    for record in records.iter().rev().chain(&records) {
        restored.restore(ModelVersion::from_record(record).unwrap());
    }
    assert_eq!(restored.versions().map(ModelVersion::record).collect::<Vec<_>>(), records);
    assert!(restored.take_changes().is_empty() && !registry.take_changes().is_empty());
    let check = |change: fn(&mut VersionRecord), expect: &str| {
        let mut record = records[0].clone();
        change(&mut record);
        assert_eq!(ModelVersion::from_record(&record).unwrap_err().to_string(), expect);
    };
    check(|it| it.id = "../x".into(), "column id of the model has an invalid value");
    check(|it| it.kind = "house".into(), "column kind of the model has an invalid value");
    check(|it| it.created = f64::NAN, "column created of the model has an invalid value");
    check(|it| it.state = String::new(), "column state of the model has an invalid value");
    check(|it| it.blob[100] ^= 1, "the model is corrupt; it will be retrained");
    check(|it| it.digest = "0".into(), "the forest does not match the evaluation of the model");
    let mut record = records[0].clone();
    record.evaluation = "{}".into();
    assert!(matches!(ModelVersion::from_record(&record), Err(InvalidRecord::Evaluation(_))));
}
