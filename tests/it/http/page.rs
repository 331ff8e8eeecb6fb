//! The page from outside: with and without a past, its assets and its events.

use std::io::Read;
use std::sync::Arc;

use hostnorm::control_command::{CommandRefusal, ControlCommand, ControlReply, ForecastReply, ForecastValue};
use hostnorm::http::LOCAL_EVENT_STREAMS_MAX;
use hostnorm::reading::{Subject, Timestamp};
use hostnorm::report::AlertState;

use super::api::{Api, POINTS, report};
use super::client::Client;
use super::server::{Server, Start};
use super::{PROBLEM, TEXT, check, until};

const HTML: &str = "text/html; charset=utf-8";

#[test]
fn the_page_shows_the_state_and_leads_to_the_metrics() {
    let server = Server::start(Start { telemetry_path: "/deep/metrics", ..Start::default() });
    let client = &mut server.client();
    let page = check(client, ("GET", "/", ""), 200, HTML);
    // The script fills these in once there is a reading.
    for part in [
        "There is no reading of host yet",
        "id=\"badge\"",
        "id=\"score\"",
        "id=\"at\"",
        "id=\"open\"",
        "id=\"actions\"",
    ] {
        assert!(page.text().contains(part), "{part} is not in {}", page.text());
    }
    assert!(
        page.text().contains("href=\"./deep/metrics\"") && page.text().contains(env!("CARGO_PKG_VERSION"))
    );
    server.publish(1, 1000.0);
    let page = check(client, ("GET", "/", ""), 200, HTML);
    let sentence = "Learning what is normal on host; the first score comes at 00:26 UTC";
    assert!(page.text().contains(sentence), "{}", page.text());
    assert!(page.text().contains("hostnorm keeps no history: storage.path is off"), "{}", page.text());
    check(client, ("GET", "/deep/metrics", ""), 200, TEXT);
    check(client, ("GET", "/metrics", ""), 404, PROBLEM);
    server.stop();

    let server = Server::start(Start { telemetry_path: "/", ..Start::default() });
    server.publish(1, 1000.0);
    check(&mut server.client(), ("GET", "/", ""), 200, TEXT);
    server.stop();
}

#[test]
fn the_past_is_shown_in_charts_and_tables() {
    let api = Api::start();
    let page = check(&mut api.server.client(), ("GET", "/", ""), 200, HTML);
    let page = page.text();
    for part in [
        "Nothing is unusual on host",
        "<title id=\"score-chart-title\">Score, last 1 hour</title>",
        "Highest score 3.00; 1 is unusual; 1 episode is shaded",
        "<rect class=\"episode\" ",
        "<title id=\"cpu_busy_ratio-title\">CPU usage, last 1 hour</title>",
        "<rect class=\"normal\" ",
        "Last 1 hour: 120 points, 10 of them in 1 episode, highest score 3.00",
        "1 of 2 signals outside their normal range",
        "href=\"./episodes/2026%2D11%2D21T10%3A50%3A00Z\"",
        "100 % of the votes agree",
        "<line class=\"threshold\" ",
        "unusual level 1",
        "<noscript><meta http-equiv=\"refresh\"",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let chosen = "<a href=\"./?range=7d&amp;show=anomalies\" aria-current=\"true\">7 days</a>";
    for range in ["1h", "6h", "24h", "7d"] {
        let path = format!("/?range={range}&show=anomalies");
        let page = check(&mut api.server.client(), ("GET", &path, ""), 200, HTML);
        assert_eq!(page.text().matches("<tr data-state=\"anomaly\">").count(), 10, "{range}");
        assert!(!page.text().contains("<tr data-state=\"normal\">"), "{range}");
        assert_eq!(page.text().contains(chosen), range == "7d");
    }
    let refused = check(&mut api.server.client(), ("GET", "/?range=2h", ""), 400, HTML);
    assert!(refused.text().contains("expected 1h, 6h, 24h or 7d"), "{}", refused.text());
    for query in ["range=2h", "unknown=1", "kind=service", "kind=disk"] {
        let refused = check(&mut api.server.client(), ("GET", &format!("/?{query}"), ""), 400, HTML);
        // Relative to the page, so that a proxy may serve it below a path.
        assert!(refused.text().contains("href=\"./page.css\""), "{query}: {}", refused.text());
    }
    api.server.stop();
}

#[test]
fn the_alert_level_is_the_one_in_effect() {
    let api = Api::start();
    let mut young = report(POINTS - 1);
    let host = young.assessments.get_mut(&Subject::Host).unwrap();
    host.alert = Some(AlertState {
        is_active: false,
        level: 4.0 / 3.0,
        threshold: 2.5,
        budget_spent: None,
        withheld: None,
    });
    api.server.reports.send_replace(Some(Arc::new(young)));
    let page = check(&mut api.server.client(), ("GET", "/", ""), 200, HTML);
    let expect = "Highest score 3.00; 1 is unusual, 1.33 is worth an alert now; 1 episode is shaded";
    assert!(page.text().contains(expect), "{}", page.text());
    api.server.stop();
}

#[test]
fn an_open_episode_has_causes() {
    let api = Api::start();
    api.server.reports.send_replace(Some(Arc::new(report(105))));
    let page = check(&mut api.server.client(), ("GET", "/", ""), 200, HTML);
    let page = page.text();
    let title = "<title>Anomaly on host";
    let sentence = "Anomaly on host: CPU usage 90 %";
    for part in [
        title,
        sentence,
        "<h2 id=\"causes\">Causes</h2>",
        "Signals of the anomaly",
        "hostnorm accept",
        "<code>zscore</code></th><td class=\"number\">3.00</td><td><span class=\"state\" data-state=\"anomaly\">",
        "<code>eif</code></th><td class=\"number\"></td><td><span class=\"state\" data-state=\"abstains\">",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    api.server.stop();
}

#[test]
fn an_episode_has_a_page_of_its_own() {
    let api = Api::start();
    let client = &mut api.server.client();
    let page = check(client, ("GET", "/episodes/2026%2D11%2D21T10%3A50%3A00Z", ""), 200, HTML);
    let page = page.text();
    for part in [
        "<h1>Episode 2026-11-21T10:50:00Z</h1>",
        "from 2026-11-21T10:50:00Z for 5m, ended, peak score 3.0",
        "<title id=\"score-chart-title\">Score around the episode</title>",
        "<h2 id=\"causes\">Causes</h2>",
        "Signals that left their range of the day before",
        "hostnorm forget --from 2026-11-21T10:50:00Z --to 2026-11-21T10:55:00Z",
        "href=\"../page.css\"",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let unknown = check(client, ("GET", "/episodes/2026-01-01T00:00:00Z", ""), 404, HTML);
    assert!(unknown.text().contains("no episode &quot;2026-01-01T00:00:00Z&quot;"), "{}", unknown.text());
    check(client, ("GET", "/episodes/x", ""), 400, HTML);
    // A query that cannot be read is a page, too: a browser asked.
    for query in ["/?range=3h", "/?unknown=1", "/?range=1h&range=6h"] {
        check(client, ("GET", query, ""), 400, HTML);
    }
    for query in ["/?subject=%ff", "/?subject=nosuch", "/?kind=service&subject=nosuch"] {
        let unknown = check(client, ("GET", query, ""), 404, HTML);
        assert!(unknown.text().contains("/api/v1/status lists the subjects"), "{query}: {}", unknown.text());
    }
    api.server.stop();
}

#[test]
fn pages_and_assets_allow_nothing_from_elsewhere() {
    let api = Api::start();
    let client = &mut api.server.client();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                  base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    for path in ["/", "/episodes/2026-11-21T10:50:00Z", "/episodes/x", "/page.css", "/page.js"] {
        let answer = client.ask("GET", path, "");
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        assert!(!answer.text().contains(" style=\"") && !answer.text().contains("http://"), "{path}");
    }
    for (path, content_type) in
        [("/page.css", "text/css; charset=utf-8"), ("/page.js", "text/javascript; charset=utf-8")]
    {
        let asset = check(client, ("GET", path, ""), 200, content_type);
        let tag = format!("If-None-Match: {}\r\n", asset.header("etag").unwrap());
        assert_eq!(client.ask("GET", path, &tag).status, 304, "{path}");
    }
    api.server.stop();
}

/// A client that asked for events, and the beginning of the answer up to this text.
fn listening(server: &Server, up_to: &str) -> (Client, String) {
    let mut client = server.client();
    client.send("GET /events HTTP/1.1\r\nHost: here\r\n\r\n");
    let said = heard(&mut client, up_to);
    (client, said)
}

pub(super) fn heard(client: &mut Client, up_to: &str) -> String {
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.ends_with(up_to.as_bytes()) {
        assert_eq!(client.stream.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&said));
        said.push(byte[0]);
    }
    String::from_utf8(said).unwrap()
}

#[test]
fn each_tick_is_an_event() {
    let server = Server::with_page(1);
    let (mut client, said) = listening(&server, "}\n\n");
    assert!(said.contains("HTTP/1.1 200 OK") && said.contains("content-type: text/event-stream"), "{said}");
    assert!(said.contains("retry: 5000") && said.contains("data: {\"at\":1000.0,"), "{said}");
    server.reports.send_replace(Some(Arc::new(report(105))));
    let said = heard(&mut client, "}\n\n");
    assert!(
        said.contains("\"is_anomaly\":true,\"alert\":false,\"sentence\":\"Anomaly on host: CPU usage 90 %\""),
        "{said}"
    );
    let mut other = server.client();
    assert_eq!(other.ask("GET", "/events?subject=web&kind=disk", "").status, 400);
    assert_eq!(other.ask("HEAD", "/events", "").status, 200);
    server.stop();
}

#[test]
fn streams_are_few_and_hold_up_nobody() {
    let server = Server::with_page(1);
    let mut open: Vec<_> =
        (0..LOCAL_EVENT_STREAMS_MAX).map(|_| listening(&server, "retry: 5000").0).collect();
    let refused = check(&mut server.client(), ("GET", "/events", ""), 503, PROBLEM);
    assert!(
        refused.text().contains("too many streams of events: the maximum for this host is 12"),
        "{}",
        refused.text()
    );
    check(&mut server.client(), ("GET", "/metrics", ""), 200, TEXT);
    open.pop();
    let mut at = POINTS as f64;
    until("a place is free again", || {
        // Who is gone is noticed at the next event.
        at += 1.0;
        server.publish(1, at);
        server.client().ask("HEAD", "/events", "").status == 200
    });
    // Open streams do not keep the server from ending.
    let began = std::time::Instant::now();
    server.stop();
    assert!(began.elapsed() < hostnorm::http::GRACE, "{:?}", began.elapsed());
}

#[cfg(unix)]
#[test]
fn commands_have_buttons_for_those_who_may_send_them() {
    let api = Api::start();
    api.server.reports.send_replace(Some(Arc::new(report(105))));
    let buttons = ["action=\"./actions/accept\"", "action=\"./actions/train\""];
    let page = api.server.client().ask("GET", "/", "");
    assert!(buttons.iter().all(|it| !page.text().contains(it)), "{}", page.text());
    for path in ["/actions/accept", "/actions/train", "/episodes/2026-11-21T10:50:00Z/forget"] {
        let refused = api.server.client().post(path, "");
        assert_eq!((refused.status, refused.header("content-type")), (403, Some(HTML)), "{path}");
        let root = if path.ends_with("forget") { "../../" } else { "../" };
        assert!(refused.text().contains(&format!("href=\"{root}page.css\"")), "{}", refused.text());
    }
    // The address of the page that a button led to, opened again.
    let reopened = check(&mut api.server.client(), ("GET", "/actions/train", ""), 405, HTML);
    assert_eq!(reopened.header("allow"), Some("POST"));
    let message = "accepted the <current> anomaly".to_owned();
    *api.server.outcome.lock().unwrap() = Some(Ok(ControlReply::sentence(message)));
    let socket = || Client::at(&api.server.socket());
    let page = socket().ask("GET", "/", "");
    assert!(buttons.iter().all(|it| page.text().contains(it)), "{}", page.text());
    let episode = "/episodes/2026-11-21T10:50:00Z";
    let page = socket().ask("GET", episode, "");
    let action = "action=\"../episodes/2026%2D11%2D21T10%3A50%3A00Z/forget\"";
    assert!(page.text().contains(action), "{}", page.text());
    for path in ["/actions/accept", "/actions/train", &format!("{episode}/forget")] {
        let done = socket().post(path, "");
        assert_eq!((done.status, done.header("content-type")), (200, Some(HTML)), "{path}");
        assert!(done.text().contains("accepted the &lt;current&gt; anomaly"), "{}", done.text());
    }
    let sent = api.server.commands.lock().unwrap();
    let (from, to) = (Timestamp(1_795_258_200.0), Timestamp(1_795_258_500.0));
    assert_eq!(sent.last(), Some(&ControlCommand::Forget { from, to }));
    drop(sent);
    api.server.stop();
}

#[test]
fn the_next_hour_is_shown_where_it_is_known() {
    let api = Api::start();
    let point = ForecastValue { timestamp: 0.0, expected: 0.12, lower: 0.05, upper: 0.3 };
    let forecast = ForecastReply {
        metric: "cpu_busy_ratio".into(),
        made_at: 0.0,
        points: vec![point],
        note: None,
        earliest_full_seconds: None,
        likely_full_seconds: None,
    };
    let data = serde_json::to_value(&forecast).unwrap();
    *api.server.outcome.lock().unwrap() = Some(Ok(ControlReply { message: String::new(), data }));
    let page = api.ask("/");
    let row = "<td class=\"number\">12 %</td><td class=\"number\">5 % to 30 %</td>";
    assert!(
        page.text().contains("<h2 id=\"forecast\">Forecast</h2>") && page.text().contains(row),
        "{}",
        page.text()
    );
    *api.server.outcome.lock().unwrap() = Some(Err(CommandRefusal::Conflict("too little is known".into())));
    assert!(!api.ask("/").text().contains("id=\"forecast\""));
    api.server.stop();
}
