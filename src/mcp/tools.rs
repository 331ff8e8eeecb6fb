//! The tools: the resources of the API that each gets, and the part of them that it returns.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::{JsonSchema, Schema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::duration::HumanDuration;

/// Number of values of a forecast.
const FORECAST_VALUES: f64 = 12.0;

/// Fields of episodes that an explanation has as fields of their subject, for the explained one.
const SAID_BY_THE_SUBJECT: [&str; 5] = ["causes", "culprits", "templates", "kind", "subject"];

/// The arguments of a tool by name.
type ToolArguments = Map<String, Value>;
/// A resource, or the reason why it is unavailable.
type ToolAnswer = Result<Value, String>;

/// A tool.
#[derive(Debug)]
pub struct ToolDefinition {
    /// Its name.
    pub name: &'static str,
    /// When to call it and what it returns.
    pub description: &'static str,
    /// JSON schema of its arguments; absent if it takes none.
    pub schema: Option<fn() -> Schema>,
    /// The resources of the API that it gets, all with the same query.
    pub resources: &'static [&'static str],
    /// The query that the arguments make, with its question mark.
    pub query: fn(ToolArguments) -> Result<String, String>,
    /// The answer from the resources, in their order.
    pub select: fn(Vec<ToolAnswer>) -> ToolAnswer,
}

/// All tools.
pub static TOOLS: &[ToolDefinition] = &[
    ToolDefinition {
        name: "explain",
        description: "Unusual behavior of this host around an instant or in a range: a sentence, the anomalies, the signals behind them with \
                      their normal ranges, the processes whose use grew most, the signals that left their range of the day before first, and similar earlier anomalies. Also says \
                      when nothing was unusual. Call this first.",
        schema: Some(|| schema_for!(ExplainArguments)),
        resources: &["explain"],
        query: query::<ExplainArguments>,
        select: explanation,
    },
    ToolDefinition {
        name: "status",
        description: "The state now: version, learning, jobs, subjects, and the score of the host with its detectors. \
                      A score of 1 is unusual; from alert_level on, it is worth an alert.",
        schema: None,
        resources: &["status", "detect"],
        query: query::<NoArguments>,
        select: status,
    },
    ToolDefinition {
        name: "episodes",
        description: "Recorded anomalies of all subjects or of one, the newest first, with start, end, peak score and causes.",
        schema: Some(|| schema_for!(EpisodesArguments)),
        resources: &["episodes"],
        query: query::<EpisodesArguments>,
        select: episodes,
    },
    ToolDefinition {
        name: "signals",
        description: "The signals of a subject now, each with its value, expected value and normal range; those outside their \
                      range come first.",
        schema: Some(|| schema_for!(SignalsArguments)),
        resources: &["signals"],
        query: query::<SignalsArguments>,
        select: signals,
    },
    ToolDefinition {
        name: "forecast",
        description: "Expected values of a signal ahead with their 90 % interval, and for filesystems and memory the time until \
                      full. A time that is absent cannot be told from the past.",
        schema: Some(|| schema_for!(ForecastArguments)),
        resources: &["predict"],
        query: forecast_query,
        select: first,
    },
];

/// Arguments of `explain`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExplainArguments {
    /// Middle of the range: Unix seconds, RFC 3339 such as 2026-11-21T10:00:00Z, or -2h for two hours ago; default now
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// Time before and after that instant, such as 30m; default 10m, at most 1d
    #[serde(default, skip_serializing_if = "Option::is_none")]
    window: Option<String>,
    /// Start of a range, instead of at and window, such as -6h; at most 2d before its end
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// End of that range; default now
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Name of the subject, such as host; default the host and each other subject that was unusual
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Kind of the subject: host, container, log, pod or service; needed where two kinds have a subject of this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// Arguments of `episodes`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EpisodesArguments {
    /// Start of the range: Unix seconds, RFC 3339 or -7d; default the first episode in the store
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// End of the range; default now
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Name of the subject, such as host; default all subjects
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Kind of the subject: host, container, log, pod or service; needed where two kinds have a subject of this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// Arguments of `signals`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SignalsArguments {
    /// Name of the subject; default host
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Kind of the subject: host, container, log, pod or service; needed where two kinds have a subject of this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// Arguments of `forecast`.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ForecastArguments {
    /// Name of the signal, as the tool signals lists it, such as filesystem_used_ratio
    metric: String,
    /// Time to look ahead, such as 6h; default 1h, at most 7d
    #[serde(default, skip_serializing_if = "Option::is_none")]
    horizon: Option<String>,
    /// Name of the subject; default host
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Kind of the subject: host, container, log, pod or service; needed where two kinds have a subject of this name
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
}

/// For a tool without arguments.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

/// The arguments as a query. Models write `""` or null for an argument that they leave out, and numbers for Unix time.
fn query<A: DeserializeOwned + Serialize>(mut arguments: ToolArguments) -> Result<String, String> {
    arguments.retain(|_, value| !value.is_null() && value != "");
    for value in arguments.values_mut().filter(|it| it.is_number()) {
        *value = Value::String(value.to_string());
    }
    let typed: A = serde_json::from_value(Value::Object(arguments))
        .map_err(|error| format!("the arguments are malformed: {error}"))?;
    let Ok(Value::Object(typed)) = serde_json::to_value(typed) else { return Ok(String::new()) };
    let encoded =
        |value: &Value| utf8_percent_encode(value.as_str().unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let pairs: Vec<String> = typed.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    Ok(if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) })
}

/// The query for a forecast of [`FORECAST_VALUES`] values.
fn forecast_query(arguments: ToolArguments) -> Result<String, String> {
    let horizon = match arguments.get("horizon") {
        None | Some(Value::Null) => "1h".to_owned(),
        Some(Value::String(it)) if it.is_empty() => "1h".to_owned(),
        Some(Value::String(it)) => it.clone(),
        Some(it) => it.to_string(),
    };
    // The API says what is wrong with a horizon that is malformed.
    let horizon = horizon.parse::<HumanDuration>().ok().map(HumanDuration::as_seconds);
    let step = horizon.map(|it| HumanDuration::nearest((it / FORECAST_VALUES).max(it.min(1.0))));
    let step = step.map(|it| format!("&step={it}")).unwrap_or_default();
    Ok(query::<ForecastArguments>(arguments)? + &step)
}

fn first(found: Vec<ToolAnswer>) -> ToolAnswer {
    found.into_iter().next().unwrap_or_else(|| Err("no answer".into()))
}

/// The explanation without what it says twice. The explained episode is the first one, the others follow, the newest first,
/// because a list is cut at its end.
fn explanation(found: Vec<ToolAnswer>) -> ToolAnswer {
    let mut found = first(found)?;
    for subject in found.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(subject) = subject.as_object_mut() else { continue };
        // The message has the sentence of each subject.
        subject.remove("sentence");
        let explained = subject.remove("explained");
        let Some(episodes) = subject.get_mut("episodes").and_then(Value::as_array_mut) else { continue };
        episodes.reverse();
        episodes.sort_by_key(|it| explained.as_ref() != Some(&it["id"]));
        for episode in episodes.iter_mut().filter_map(Value::as_object_mut) {
            episode.retain(|name, _| !SAID_BY_THE_SUBJECT.contains(&name.as_str()));
        }
    }
    Ok(found)
}

/// The episodes, or that there are none.
fn episodes(found: Vec<ToolAnswer>) -> ToolAnswer {
    let mut found = first(found)?;
    if found["episodes"].as_array().is_some_and(Vec::is_empty) {
        found["message"] = "no anomaly is recorded in this time".into();
    }
    Ok(found)
}

/// A reason of the API in which tools stand for their routes: a client of tools cannot call these.
pub(super) fn with_tools_for_routes(reason: &str) -> String {
    let routes = TOOLS.iter().flat_map(|tool| tool.resources.iter().map(move |it| (tool.name, *it)));
    routes.fold(reason.to_owned(), |text, (tool, resource)| {
        text.replace(&format!("/api/v1/{resource}"), &format!("the tool {tool}"))
    })
}

/// The reply of `status`, with the assessment of the host if there is one; the signals have a tool of their own.
fn status(found: Vec<ToolAnswer>) -> ToolAnswer {
    let mut found = found.into_iter();
    let mut status = found.next().unwrap_or_else(|| Err("no answer".into()))?;
    if let Some(Ok(mut host)) = found.next() {
        if let Some(host) = host.as_object_mut() {
            host.remove("signals");
        }
        status["host"] = host;
    }
    Ok(status)
}

/// The signals, those outside their range first, then by contribution to the score.
fn signals(found: Vec<ToolAnswer>) -> ToolAnswer {
    let mut found = first(found)?;
    if let Some(signals) = found.get_mut("signals").and_then(Value::as_array_mut) {
        let contribution = |it: &Value| it["contribution"].as_f64().unwrap_or(0.0);
        signals.sort_by(|one, other| {
            let in_range = |it: &Value| it["in_range"] != json!(false);
            let by_range = in_range(one).cmp(&in_range(other));
            by_range.then_with(|| contribution(other).total_cmp(&contribution(one)))
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &Value, expected: &str) {
        let found = query::<ExplainArguments>(arguments.as_object().unwrap().clone());
        assert_eq!(found.unwrap_or_else(|it| it), expected, "{arguments}");
    }

    #[test]
    fn arguments_become_a_query() {
        check(&json!({}), "");
        check(&json!({"at": "-2h", "window": "", "subject": null}), "?at=%2D2h");
        check(&json!({"at": 1_790_000_000, "subject": "a&b"}), "?at=1790000000&subject=a%26b");
        check(
            &json!({"time": "now"}),
            "the arguments are malformed: unknown field `time`, expected one of `at`, `window`, `from`, `to`, `subject`, `kind`",
        );
        check(&json!({"subject": "web", "kind": "service"}), "?kind=service&subject=web");
        check(&json!({"at": [1]}), "the arguments are malformed: invalid type: sequence, expected a string");
    }

    #[test]
    fn a_forecast_has_few_values() {
        let check = |arguments: &Value, expected: &str| {
            let found = forecast_query(arguments.as_object().unwrap().clone());
            assert_eq!(found.unwrap_or_else(|it| it), expected, "{arguments}");
        };
        check(&json!({"metric": "cpu"}), "?metric=cpu&step=5m");
        check(&json!({"metric": "cpu", "horizon": "6h"}), "?horizon=6h&metric=cpu&step=30m");
        check(&json!({"metric": "cpu", "horizon": "5s"}), "?horizon=5s&metric=cpu&step=1s");
        check(&json!({"metric": "cpu", "horizon": "500ms"}), "?horizon=500ms&metric=cpu&step=500ms");
        check(&json!({"metric": "cpu", "horizon": 3600}), "?horizon=3600&metric=cpu");
        check(
            &json!({"metric": "cpu", "subject": "web", "kind": "pod"}),
            "?kind=pod&metric=cpu&subject=web&step=5m",
        );
        check(&json!({"metric": "cpu", "horizon": "soon"}), "?horizon=soon&metric=cpu");
        check(&json!({}), "the arguments are malformed: missing field `metric`");
    }

    #[test]
    fn the_explained_episode_comes_first_and_nothing_twice() {
        let episode = |id: &str| json!({"id": id, "kind": "host", "causes": [1], "peak": 2.0});
        let subject = json!({
            "subject": "host", "sentence": "s", "explained": "b", "causes": [1],
            "episodes": [episode("a"), episode("b"), episode("c"), episode("d")],
        });
        let found = explanation(vec![Ok(json!({"message": "s", "subjects": [subject]}))]).unwrap();
        let listed = |id: &str| json!({"id": id, "peak": 2.0});
        let subject = json!({
            "subject": "host", "causes": [1], "episodes": [listed("b"), listed("d"), listed("c"), listed("a")],
        });
        assert_eq!(found, json!({"message": "s", "subjects": [subject]}));
    }

    #[test]
    fn the_explained_episode_is_not_cut() {
        let description = "Anomaly on host: runnable tasks per CPU 12 (expected 0.5, range 0–1.3)".repeat(3);
        let episode =
            |idx: usize| json!({"id": idx.to_string(), "description": description, "causes": [1, 2, 3]});
        let sentence = format!("{description}; since 2026-12-01T04:05:20Z, for 1m so far, peak score 5.8");
        let others = format!("Also in this time: {description}. ").repeat(2);
        let message = format!("{sentence}. {others}And 4 more episodes");
        let culprits: Vec<Value> = (0..20)
            .map(|idx| json!({"name": "process", "cgroup": "/system.slice".repeat(9), "pid": idx}))
            .collect();
        let subject = json!({
            "sentence": message, "explained": "6", "culprits": culprits, "causes": culprits, "nearby": culprits,
            "episodes": (0..7).map(episode).collect::<Vec<_>>(),
        });
        let answer = explanation(vec![Ok(json!({"message": message, "subjects": [subject]}))]).unwrap();
        let text = crate::mcp::compact(answer);
        let found: Value = serde_json::from_str(&text).unwrap();
        assert!(found["message"].as_str().unwrap().starts_with(&sentence), "{text}");
        assert_eq!(found["subjects"][0]["episodes"][0]["id"], "6", "{text}");
    }

    #[test]
    fn no_episode_is_an_answer() {
        let found = episodes(vec![Ok(json!({"episodes": [], "skipped": 0}))]).unwrap();
        assert_eq!(found["message"], "no anomaly is recorded in this time");
        assert_eq!(episodes(vec![Ok(json!({"episodes": [1]}))]), Ok(json!({"episodes": [1]})));
    }

    #[test]
    fn reasons_name_tools_instead_of_routes() {
        for (reason, expected) in [
            (
                "no subject is named \"web\"; /api/v1/status lists the subjects",
                "no subject is named \"web\"; the tool status lists the subjects",
            ),
            ("/api/v1/signals lists its signals", "the tool signals lists its signals"),
            ("the maximum is 1d", "the maximum is 1d"),
        ] {
            assert_eq!(with_tools_for_routes(reason), expected);
        }
    }

    #[test]
    fn signals_outside_their_range_come_first() {
        let list = json!({"signals": [
            {"metric": "a", "in_range": true, "contribution": 0.1},
            {"metric": "b"},
            {"metric": "c", "in_range": false, "contribution": 0.2},
            {"metric": "d", "in_range": false, "contribution": 2.0},
        ]});
        let found = signals(vec![Ok(list)]).unwrap();
        let names: Vec<_> =
            found["signals"].as_array().unwrap().iter().map(|it| it["metric"].as_str()).collect();
        assert_eq!(names, [Some("d"), Some("c"), Some("a"), Some("b")]);
    }

    #[test]
    fn a_status_without_a_reading_is_an_answer() {
        let found = status(vec![Ok(json!({"message": "up"})), Err("no reading yet".into())]);
        assert_eq!(found, Ok(json!({"message": "up"})));
        assert_eq!(
            status(vec![Err("hostnorm is not running".into())]),
            Err("hostnorm is not running".into())
        );
    }
}
