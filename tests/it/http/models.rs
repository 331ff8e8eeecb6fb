//! Stored models over the API.

use hostnorm::reading::Timestamp;
use hostnorm::store::{ModelRow, StoreWrite, write_entries_offline};
use serde_json::json;

use super::api::{Api, START};

fn model(id: &str, state: &str) -> StoreWrite {
    StoreWrite::Model(ModelRow {
        id: id.into(),
        kind: "host".into(),
        created: Timestamp(START),
        state: state.into(),
        evaluation: r#"{"trees": 100}"#.into(),
        digest: "0".into(),
        format: 1,
        bytes: vec![1, 2, 3],
    })
}

#[test]
fn models_are_listed_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    super::api::fill(directory.path());
    let rows = [model("20261121T090000Z", "retired"), model("20261121T100000Z", "current")];
    write_entries_offline(directory.path(), &rows).unwrap();
    let api = Api::of(directory);
    let current = json!({
        "id": "20261121T100000Z", "kind": "host", "created": START, "state": "current",
        "evaluation": {"trees": 100},
    });
    let list = api.get("/api/v1/models");
    let ids: Vec<&str> =
        list["models"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["20261121T090000Z", "20261121T100000Z"]);
    assert_eq!(list["models"][1], current);
    assert_eq!(api.get("/api/v1/models/20261121T100000Z"), current);
    api.check_problem("/api/v1/models/20261121T110000Z", 404, "/api/v1/models lists all");
    api.server.stop();
}
